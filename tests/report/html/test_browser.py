"""The page as its readers have it: opened from a file in a browser, without a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ipa.adapters.report_files import find, read_run
from ipa.report.html.page import render
from tests.report.html.browser import chromium, look
from tests.report.html.recordings import journal_lines, save_simulation, write_lines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine: apt-get install chromium"),
]

Colour = tuple[int, int, int]


def picture(file: Path) -> NDArray[np.int16]:
    """(height, width, red green blue), 0…255."""
    from matplotlib.image import imread

    return (255 * np.asarray(imread(file))[:, :, :3]).round().astype(np.int16)


def pixels(seen: NDArray[np.int16], colour: Colour) -> int:
    """How many have nearly this colour."""
    return int(np.count_nonzero(np.abs(seen - np.array(colour, dtype=np.int16)).max(axis=2) <= 8))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_simulation(tmp_path_factory.mktemp("sim"), ("auto", "fa2-low"), 120)
    file = folder / "report.html"
    file.write_text(render(read_run(find(str(folder)), None)), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("theme", "back", "curve", "missed"),
    [("light", (255, 255, 255), (11, 98, 181), (180, 35, 24)), ("dark", (20, 23, 27), (90, 169, 245), (255, 123, 107))],
    ids=["light", "dark"],
)
def test_a_simulation_is_drawn_in_the_colours_of_its_reader(
    page: Path, tmp_path: Path, theme: str, back: Colour, curve: Colour, missed: Colour
) -> None:
    found = look(page, tmp_path, height=2000, theme=theme)
    assert found.console == ()
    assert found.requests == ()
    seen = picture(found.picture)
    assert seen.shape == (2000, 1280, 3)
    assert tuple(seen[2, 2]) == back
    assert 0.5 < pixels(seen, back) / seen[:, :, 0].size < 0.97  # neither blank nor a black box
    assert pixels(seen, curve) > 500
    tint = tuple(round(0.26 * c + 0.74 * b) for c, b in zip(curve, back, strict=True))
    assert pixels(seen, (tint[0], tint[1], tint[2])) > 5_000  # the lanes of the plan
    assert pixels(seen, missed) > 300  # the verdict, the dashed line of the SLO
    for text in ("auto missed the objective", "What changed, and why", "SLO 6.89 s", "fa2-low", "Decisions"):
        assert text in found.dom


def with_script(page: str, script: str) -> str:
    """The page with a further script, which its policy would refuse: that goes."""
    policy = page[page.index("<meta http-equiv=") : page.index("<title>")]
    return page.replace(policy, "").replace("</body>", f"<script>{script}</script></body>")


def title(dom: str) -> str:
    return dom[dom.index("<title>") + 7 : dom.index("</title>")]


def test_on_a_phone_only_tables_are_wider_than_the_screen_and_they_scroll(tmp_path: Path) -> None:
    write_lines(tmp_path / "j.jsonl", journal_lines(300))
    text = render(read_run(find(str(tmp_path / "j.jsonl")), None))
    asking = "document.title = document.documentElement.scrollWidth + ' of ' + innerWidth"
    (tmp_path / "j.html").write_text(with_script(text, asking), encoding="utf-8")
    wide, _, window = title(look(tmp_path / "j.html", tmp_path, width=390, height=3000).dom).partition(" of ")
    assert int(wide) <= int(window) <= 500  # no window of this browser is narrower than 500 pixels


def test_the_value_of_every_curve_is_shown_under_the_pointer(page: Path, tmp_path: Path) -> None:
    pointing = """
        const box = document.querySelector(".plot").getBoundingClientRect();
        const at = {clientX: box.left + box.width / 2, bubbles: true};
        document.querySelector(".plot").dispatchEvent(new PointerEvent("pointermove", at));
        const said = [...document.querySelectorAll("#chart-load output, #chart-cores output")].map(o => o.textContent);
        document.title = said.join() + " at " + document.querySelector(".cursor").dataset.at;
    """
    (tmp_path / "hover.html").write_text(with_script(page.read_text(), pointing), encoding="utf-8")
    found = look(tmp_path / "hover.html", tmp_path)
    assert found.console == ()
    run = read_run(find(str(page.parent)), None)
    load = run.policies[0].seconds[60].sent
    forecast = next(d.forecast_rps for d in run.policies[0].decisions if d.at_s == 60)
    cores = [policy.seconds[60].cores for policy in run.policies]
    values, _, time = title(found.dom).partition(" at ")
    assert [float(value) for value in values.split(",")] == pytest.approx([load, forecast, *cores], rel=1e-3)
    assert time == "00:01:00"


def test_a_policy_that_is_unticked_is_hidden(page: Path, tmp_path: Path) -> None:
    unticking = """
        document.getElementById("show1").click();
        const shown = (policy) => getComputedStyle(document.querySelector("path.of" + policy)).display != "none";
        document.title = [shown(0), shown(1)].join();
    """
    (tmp_path / "ticks.html").write_text(with_script(page.read_text(), unticking), encoding="utf-8")
    assert title(look(tmp_path / "ticks.html", tmp_path).dom) == "true,false"


def test_the_console_and_the_network_are_listened_to(tmp_path: Path) -> None:
    """Were a page to say or ask something, the tests above would know."""
    bad = '<!doctype html><script>console.error("boom")</script><img src="http://127.0.0.1:9/x.png">'
    (tmp_path / "bad.html").write_text(bad)
    found = look(tmp_path / "bad.html", tmp_path)
    assert "boom" in found.console[0]
    assert found.requests == ("http://127.0.0.1:9/x.png",)


def test_the_policy_of_the_page_stops_a_script_that_slipped_in(page: Path, tmp_path: Path) -> None:
    slipped = "<script>document.title = 'taken'</script><img src='http://127.0.0.1:9/x.png'></body>"
    (tmp_path / "slipped.html").write_text(page.read_text().replace("</body>", slipped), encoding="utf-8")
    found = look(tmp_path / "slipped.html", tmp_path)
    assert "<title>taken" not in found.dom
    assert len(found.console) == 2  # both were refused, and said so
    assert found.requests == ()
