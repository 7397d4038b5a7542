from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.names import Server

# What a config lets a pipeline, a stage, a variant and a kind of hardware be called (config.schema.Name).
ANY = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True).filter(lambda name: len(name) <= 100)
# Few letters, so that names contain one another and joins collide.
ALIKE = st.from_regex(r"[aA1]([aA1.-]|router|config)*", fullmatch=True).filter(lambda name: len(name) <= 100)
NAME = ANY | ALIKE
SERVER = st.builds(Server, NAME, NAME, NAME)
# kubernetes.io/docs/concepts/overview/working-with-objects/names#rfc-1035-label-names: what a Service needs, and
# stricter than RFC 1123.
DNS_1035 = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
# kubernetes.io/docs/concepts/overview/working-with-objects/labels#syntax-and-character-set
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def every_name(pipeline: str, server: Server) -> list[str]:
    own = [names.router, names.controller, names.config_map, names.plan_map, names.journal_map]
    return [
        names.deployment(pipeline, server),
        names.service(pipeline, server.stage),
        *(name(pipeline) for name in own),
    ]


@given(NAME, SERVER)
@settings(deadline=None, max_examples=150)
def test_every_name_is_a_label_of_rfc_1035_and_short_enough_for_pods(pipeline: str, server: Server) -> None:
    for name in every_name(pipeline, server):
        assert DNS_1035.fullmatch(name)
        assert len(name) <= 52


@given(NAME, st.sets(SERVER, min_size=2, max_size=8))
@settings(deadline=None, max_examples=150)
def test_two_servers_of_a_pipeline_never_share_a_name_or_labels(pipeline: str, servers: set[Server]) -> None:
    assert len({names.deployment(pipeline, server) for server in servers}) == len(servers)
    assert len({names.selector(names.model_labels(pipeline, server)) for server in servers}) == len(servers)


@given(NAME, NAME, SERVER)
@settings(deadline=None, max_examples=150)
def test_no_two_objects_share_a_name_in_a_namespace(one: str, other: str, server: Server) -> None:
    assert len(set(every_name(one, server))) == 7
    if one != other:
        assert not set(every_name(one, server)) & set(every_name(other, server))


@given(NAME, SERVER)
@settings(deadline=None, max_examples=150)
def test_label_values_are_valid_and_the_exact_names_come_back_from_annotations(pipeline: str, server: Server) -> None:
    assert all(LABEL_VALUE.fullmatch(value) for value in names.model_labels(pipeline, server).values())
    assert names.server_of(names.model_annotations(server)) == server


def test_plain_names_stay_readable() -> None:
    assert names.deployment("video", Server("detect", "yolov5n", "cpu")) == "video-detect-yolov5n-cpu"
    assert names.deployment("digits", Server("detect", "cnn-xs", "cpu")) == "digits-detect-cnn-xs-cpu"
    assert names.service("audio-qa", "qa") == "audio-qa-qa"
    assert names.service("video", "detect") == "video-detect"
    assert (names.router("video"), names.controller("video")) == ("video-router", "video-controller")
    assert names.config_map("video") == "video-config"
    assert (names.plan_map("video"), names.journal_map("video")) == ("video-plan", "video-journal")
    assert names.label_value("Roberta_Sentiment.v2") == "Roberta_Sentiment.v2"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("p", "s", "cnn", "cpu"), ("p", "s", "cnn.", "cpu"), id="a character that a name may not hold"),
        pytest.param(("p", "s", "CNN", "cpu"), ("p", "s", "cnn", "cpu"), id="capitals"),
        pytest.param(("p", "s", "a-b", "cpu"), ("p", "s-a", "b", "cpu"), id="hyphens where parts meet"),
        pytest.param(("p", "s", "v" * 90, "a"), ("p", "s", "v" * 90, "b"), id="what differs only behind the limit"),
        pytest.param(("1", "s", "v", "cpu"), ("p1", "s", "v", "cpu"), id="a digit in front"),
    ],
)
def test_names_that_would_look_alike_differ(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = (names.deployment(name[0], Server(*name[1:])) for name in (one, other))
    assert first != second


@pytest.mark.parametrize("annotations", [None, {}, {"ipa/stage": "s", "ipa/variant": "v"}, {"other": "x"}])
def test_what_does_not_say_who_it_is_is_not_ours(annotations: dict[str, str] | None) -> None:
    assert names.server_of(annotations) is None
