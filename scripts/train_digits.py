"""Train the "digits" pipeline: `detect` cuts the one intact digit out of a scene, `classify` reads it.

Everything comes from the 1797 8x8 digits bundled inside scikit-learn, so the models can be rebuilt
offline. Source images are split before any scene is made: no held-out scene ever contains ink seen in
training. Needs torch, scikit-learn, onnx and onnxruntime; none of them is a dependency of `ipa`.

    python scripts/train_digits.py --out profiles/digits            # everything
    python scripts/train_digits.py --only detect/cnn-s              # one variant, rows replaced in place
    python scripts/train_digits.py --quick --out build/digits        # smoke run, useless accuracy
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everybody knows

SCENE, CROP, WINDOW = 48, 16, 20  # WINDOW scene pixels are resampled to CROP: the largest digit plus a margin
GLYPH, PATCH, DISTRACTORS = 16, 26, 7
TOLERANCE = 3.0  # px; a crop whose centre is off by less still shows the whole digit
JITTER = 1.2  # px per axis in training: more than a good detector's error, so that poor ones are survived
ERROR = 0.5  # px per axis in scoring: what cnn-s and cnn-m show on training scenes when they find the digit
HALVE_FROM = 100_000  # weights; larger matrices are stored as float16
FIELDS = ["stage", "variant", "accuracy", "metric", "memory_mb", "load_s", "source"]
SOURCE = "measured@2026-11-22-2core"


# ---------------------------------------------------------------- scenes


@dataclass
class Scenes:
    """Scenes as hundredths in uint8 (the payload is rounded to two decimals), true centres and labels."""

    pixels: Tensor
    centres: Tensor
    labels: Tensor

    def batch(self, rows: Tensor | slice) -> Tensor:
        return self.pixels[rows].float() / 100


class SceneMaker:
    """Draws scenes from one share of the source digits; seeded, so the same call order gives the same scenes."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        self.rng = torch.Generator().manual_seed(seed)
        small = torch.tensor(images, dtype=torch.float32)[:, None] / 16
        self.glyphs = F.interpolate(small, size=(GLYPH, GLYPH), mode="bicubic").clamp(0, 1)
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.strokes = self._strokes(400)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.rng) * (high - low) + low

    def _strokes(self, n: int) -> Tensor:
        """Random curves as thick as a digit's pen, so thickness alone does not betray the digit."""
        t = torch.linspace(0, 1, 16)[:, None]
        a, b, c = (self.uniform(-0.9, 0.9, n, 1, 2) for _ in range(3))
        curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
        axis = torch.linspace(-1, 1, GLYPH)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(1, -1, 2)
        distance = torch.cdist(grid.expand(n, -1, -1), curve).amin(-1).reshape(n, 1, GLYPH, GLYPH)
        return ((0.32 - distance) / 0.15).clamp(0, 1)

    def _fragments(self, n: int) -> Tensor:
        """Pieces of digits: one or two straight cuts near the middle leave a half or a quarter."""
        glyphs = self.glyphs[torch.randint(len(self.glyphs), (n,), generator=self.rng)]
        axis = torch.linspace(-1, 1, GLYPH)
        turn = self.uniform(0, 2 * math.pi, n, 1, 1)
        second = turn + self.uniform(1.2, 1.9, n, 1, 1)
        offset = self.uniform(-0.25, 0.25, n, 1, 1)
        keep = ((axis * turn.cos() + axis[:, None] * turn.sin() - offset) * 8).sigmoid()
        quarter = ((axis * second.cos() + axis[:, None] * second.sin()) * 8).sigmoid()
        keep = torch.where(self.uniform(0, 1, n, 1, 1) < 0.25, keep * quarter, keep)
        strokes = self.strokes[torch.randint(len(self.strokes), (n,), generator=self.rng)]
        kind = self.uniform(0, 1, n, 1, 1, 1)
        piece = torch.where(kind < 0.15, strokes, glyphs * keep[:, None])
        other = self.glyphs[torch.randint(len(self.glyphs), (n,), generator=self.rng)]
        upper = (axis < 0)[:, None]  # a chimera: the upper half of one digit on the lower half of another
        return torch.where(kind > 0.88, torch.where(upper, glyphs, other), piece)

    def _draw(self, canvas: Tensor, glyphs: Tensor, at: Tensor, size: Tensor, turn: Tensor, ink: Tensor) -> Tensor:
        """Add `k` glyphs to each scene at sub-pixel places, each through a small patch to keep this fast."""
        n, k = at.shape[:2]
        corner = at.floor().long() - PATCH // 2
        scale = PATCH / size.flatten()
        middle = ((at - corner + 0.5) / PATCH * 2 - 1).reshape(-1, 2)
        cos, sin = turn.flatten().cos() * scale, turn.flatten().sin() * scale
        x, y = middle[:, 0], middle[:, 1]
        theta = torch.stack([cos, sin, -(cos * x + sin * y), -sin, cos, sin * x - cos * y], 1).reshape(-1, 2, 3)
        grid = F.affine_grid(theta, [n * k, 1, PATCH, PATCH], align_corners=False)
        patch = F.grid_sample(glyphs, grid, align_corners=False) * ink.reshape(-1, 1, 1, 1)
        side, step = SCENE + 2 * PATCH, torch.arange(PATCH)
        start = (corner[..., 1] + PATCH) * side + corner[..., 0] + PATCH + torch.arange(n)[:, None] * side * side
        index = start.reshape(-1, 1, 1) + step[:, None] * side + step
        flat = F.pad(canvas, (PATCH,) * 4).flatten().index_add(0, index.flatten(), patch.flatten())
        return flat.reshape(n, 1, side, side)[:, :, PATCH:-PATCH, PATCH:-PATCH]

    def _some(self, n: int) -> Scenes:
        picks = torch.randint(len(self.glyphs), (n,), generator=self.rng)
        coarse = torch.randn(n, 1, 7, 7, generator=self.rng) * self.uniform(0.0, 0.08, n, 1, 1, 1)
        canvas = self.uniform(0.05, 0.3, n, 1, 1, 1) + F.interpolate(coarse, size=(SCENE, SCENE), mode="bicubic")
        centre = self.uniform(10, SCENE - 11, n, 1, 2)
        contrast = self.uniform(0.3, 0.7, n, 1)
        place = self.uniform(2, SCENE - 3, n, DISTRACTORS, 2)
        away = place - centre
        gap = away.norm(dim=2, keepdim=True).clamp(min=0.1)
        place = torch.where(gap < 11, centre + away / gap * 11, place)  # touch the digit, never bury it
        shape = (n, DISTRACTORS)
        ink = contrast * self.uniform(0.7, 1.3, *shape) * (self.uniform(0, 1, *shape) < 0.9)
        size, tilt = self.uniform(10, 17, *shape), self.uniform(-0.4, 0.4, *shape)
        turn = torch.where(self.uniform(0, 1, *shape) < 0.3, self.uniform(0, 2 * math.pi, *shape), tilt)
        canvas = self._draw(canvas, self._fragments(n * DISTRACTORS), place, size, turn, ink)
        size, turn = self.uniform(10, 16, n, 1), self.uniform(-0.35, 0.35, n, 1)
        canvas = self._draw(canvas, self.glyphs[picks], centre, size, turn, contrast)
        noise = torch.randn(canvas.shape, generator=self.rng) * self.uniform(0.02, 0.17, n, 1, 1, 1)
        pixels = ((canvas + noise).clamp(0, 1) * 100).round().to(torch.uint8)
        return Scenes(pixels, centre[:, 0], self.labels[picks])

    def make(self, n: int) -> Scenes:
        parts = [self._some(min(200, n - start)) for start in range(0, n, 200)]
        return Scenes(*(torch.cat([getattr(p, name) for p in parts]) for name in ("pixels", "centres", "labels")))


def cut(scene: Tensor, centre: Tensor) -> Tensor:
    """The window around `centre`, resampled; the same operation in training and in the exported graph."""
    steps = (torch.arange(CROP, dtype=torch.float32) + 0.5) * (WINDOW / CROP) - WINDOW / 2
    x = ((centre[:, 0, None] + steps + 0.5) * (2 / SCENE) - 1)[:, None, :].expand(-1, CROP, -1)
    y = ((centre[:, 1, None] + steps + 0.5) * (2 / SCENE) - 1)[:, :, None].expand(-1, -1, CROP)
    return F.grid_sample(scene, torch.stack([x, y], -1), align_corners=False).clamp(0, 1)


# ---------------------------------------------------------------- models


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


class Blob(nn.Module):
    """The cheapest heat map: one wide filter bank on a 4x reduced scene."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.AvgPool2d(4), conv(1, width, 5), nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, scene: Tensor) -> Tensor:
        return self.net(scene - 0.3)


class Hourglass(nn.Module):
    """Heat map at half resolution; most work happens at quarter resolution, where a digit is 3-4 cells."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.fine = nn.Sequential(conv(1, width, 5, 2), conv(width, width))
        self.down = conv(width, 2 * width, 3, 2)
        blocks = (nn.Sequential(conv(2 * width, 2 * width), conv(2 * width, 2 * width)) for _ in range(depth))
        self.deep = nn.ModuleList(blocks)
        self.up = nn.Conv2d(2 * width, width, 1)
        self.head = nn.Sequential(conv(width, width), nn.Conv2d(width, 1, 1))

    def forward(self, scene: Tensor) -> Tensor:
        fine = self.fine(scene - 0.3)
        coarse = self.down(fine)
        for block in self.deep:
            coarse = coarse + block(coarse)
        return self.head(fine + F.interpolate(self.up(coarse), scale_factor=2.0, mode="nearest"))


class Mlp(nn.Module):
    def __init__(self, *hidden: int) -> None:
        super().__init__()
        sizes = [CROP * CROP, *hidden]
        layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU(), nn.Dropout(0.1))]
        self.net = nn.Sequential(nn.Flatten(), *layers, nn.Linear(sizes[-1], 10))

    def forward(self, crop: Tensor) -> Tensor:
        return self.net((crop - 0.4) * 3)


class Scan(nn.Module):
    """Reads a crop row by row (or column by column), three lines at a time.

    Recurrent weights are read again at each step, so one request is bound by memory and a batch is cheap.
    """

    def __init__(self, hidden: int, columns: bool = False) -> None:
        super().__init__()
        self.columns = columns
        self.lstm = nn.LSTM(3 * CROP, hidden)
        self.out = nn.Sequential(nn.Dropout(0.2), nn.Linear(hidden, 10))

    def forward(self, crop: Tensor) -> Tensor:
        image = ((crop - 0.4) * 3).reshape(-1, CROP, CROP)
        lines = image.permute(2, 0, 1) if self.columns else image.permute(1, 0, 2)
        triples = torch.cat([lines[:-2], lines[1:-1], lines[2:]], -1)
        return self.out(self.lstm(triples)[0][-1])


class Detect(nn.Module):
    """Averages the members' heat maps (also of shifted copies), refines the peak and cuts the digit out."""

    def __init__(self, members: list[nn.Module], shifts: list[tuple[int, int]]) -> None:
        super().__init__()
        self.members, self.shifts = nn.ModuleList(members), shifts
        cells = members[0](torch.zeros(2, 1, SCENE, SCENE)).shape[-1]
        self.stride = SCENE // cells
        axis = (torch.arange(cells) + 0.5) * self.stride - 0.5
        self.register_buffer("places", torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2))

    def heat(self, scene: Tensor) -> Tensor:
        """Shifts come in opposite pairs of half a cell, so that they cancel and no map needs moving back."""
        total = torch.zeros(())
        for dx, dy in self.shifts:
            moved = F.pad(scene, (dx, -dx, dy, -dy), value=0.2) if dx or dy else scene
            for member in self.members:
                total = total + member(moved).flatten(1)
        return total / (len(self.shifts) * len(self.members))

    def locate(self, scene: Tensor) -> Tensor:
        share = self.heat(scene).softmax(1)
        peak = self.places[share.argmax(1)]
        near = ((self.places[None] - peak[:, None]).square().sum(-1) < 4.6**2).float() * share
        return (near @ self.places) / near.sum(1, keepdim=True)

    def forward(self, scene: Tensor) -> Tensor:
        scene = scene.clamp(0, 1)
        return cut(scene, self.locate(scene))


class Classify(nn.Module):
    """Adds up the members' log-probabilities, also for copies moved by a pixel, and names the digit."""

    def __init__(self, members: list[nn.Module], shifts: list[tuple[int, int]]) -> None:
        super().__init__()
        self.members, self.shifts = nn.ModuleList(members), shifts

    def forward(self, crop: Tensor) -> Tensor:
        crop, total = crop.clamp(0, 1), torch.zeros(())
        for dx, dy in self.shifts:
            moved = F.pad(crop, (dx, -dx, dy, -dy), value=0.2) if dx or dy else crop
            for member in self.members:
                total = total + member(moved).log_softmax(1)
        return total.argmax(1)


# ---------------------------------------------------------------- what is trained


@dataclass
class Member:
    """One network: how to build it, and how long to train it."""

    build: Callable[[], nn.Module]
    samples: int
    rate: float = 3e-3
    start: str = ""  # go on from this member's weights: a cheap second opinion for an ensemble


MEMBERS: dict[str, dict[str, Member]] = {
    "detect": {
        "blob": Member(lambda: Blob(), 300_000, 1e-2),
        "xs": Member(lambda: Hourglass(8, 1), 120_000),
        "s": Member(lambda: Hourglass(16, 1), 100_000),
        "m0": Member(lambda: Hourglass(32, 2), 90_000),
        "m1": Member(lambda: Hourglass(32, 2), 80_000, start="m0"),
        "m2": Member(lambda: Hourglass(32, 2), 60_000),
        "m3": Member(lambda: Hourglass(32, 2), 80_000, start="m2"),
    },
    "classify": {
        "mlp-xs": Member(lambda: Mlp(32), 300_000),
        "mlp-s": Member(lambda: Mlp(768), 400_000, 1e-3),
        "mlp-l": Member(lambda: Mlp(1024, 512), 400_000, 1e-3),
        "row-s": Member(lambda: Scan(128), 400_000),
        "col-s": Member(lambda: Scan(128, columns=True), 300_000),
        "row-l": Member(lambda: Scan(384), 500_000, 2e-3),
        "col-l": Member(lambda: Scan(384, columns=True), 400_000, 2e-3),
    },
}
STILL = [(0, 0)]
RING = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)]
VARIANTS: dict[str, dict[str, tuple[list[str], list[tuple[int, int]]]]] = {
    "detect": {
        "blob": (["blob"], STILL),
        "cnn-xs": (["xs"], STILL),
        "cnn-s": (["s"], STILL),
        "cnn-m": (["m0"], STILL),
        "ens-l": (["m1", "m3"], STILL),
        "ens-xl": (["m0", "m1", "m2", "m3"], RING),
    },
    "classify": {
        "mlp-xs": (["mlp-xs"], STILL),
        "mlp-s": (["mlp-s"], STILL),
        "mlp-l": (["mlp-l"], STILL),
        "lstm-s": (["row-s"], STILL),
        "lstm-m": (["row-s", "col-s"], STILL),
        "lstm-l": (["row-s", "col-s", "row-l", "col-l"], RING[:3]),
    },
}
ORDER = [(stage, variant) for stage, variants in VARIANTS.items() for variant in variants]
METRIC = {"detect": f"located within {TOLERANCE:g} px", "classify": "top-1"}


class Workshop:
    """Holds what all members share: the split, the pools of scenes and a cache of trained weights."""

    def __init__(self, seed: int, quick: bool, cache: Path) -> None:
        self.seed, self.quick, self.cache = seed, quick, cache
        cache.mkdir(parents=True, exist_ok=True)
        data = load_digits()
        train, held, train_y, held_y = train_test_split(
            data.images, data.target, train_size=1200, stratify=data.target, random_state=seed
        )
        self.makers = {
            "train": SceneMaker(train, train_y, seed + 1),
            "held": SceneMaker(held, held_y, seed + 2),
            "payload": SceneMaker(held, held_y, seed + 3),
        }
        self.sizes = {"train": 2000 if quick else 150_000, "held": 500 if quick else 10_000, "payload": 500}

    def scenes(self, share: str) -> Scenes:
        path = self.cache / f"scenes-{share}.pt"
        if not path.exists():
            made = self.makers[share].make(self.sizes[share])
            torch.save((made.pixels, made.centres, made.labels), path)
        return Scenes(*torch.load(path))

    def member(self, stage: str, name: str) -> nn.Module:
        """The trained network, from the cache when another variant already needed it."""
        spec, path = MEMBERS[stage][name], self.cache / f"{stage}-{name}.pt"
        torch.manual_seed(self.seed + sum(map(ord, stage + name)))
        net = spec.build()
        if spec.start:
            net.load_state_dict(self.member(stage, spec.start).state_dict())
        if path.exists():
            net.load_state_dict(torch.load(path))
        else:
            started = time.perf_counter()
            order = self.seed + bool(spec.start)
            train(net, stage, spec, self.scenes("train"), order, 2000 if self.quick else spec.samples)
            with torch.no_grad():  # large matrices are stored as float16 in the file, so they are float16 here too
                for weight in (p for p in net.parameters() if p.numel() >= HALVE_FROM):
                    weight.copy_(weight.half())
            torch.save(net.state_dict(), path)
            print(f"{stage}/{name}: trained in {time.perf_counter() - started:.0f} s", flush=True)
        return net.eval()

    def assemble(self, stage: str, variant: str) -> Detect | Classify:
        names, shifts = VARIANTS[stage][variant]
        kind = Detect if stage == "detect" else Classify
        return kind([self.member(stage, name) for name in names], shifts).eval()


def heat_loss(net: nn.Module, scene: Tensor, centre: Tensor) -> Tensor:
    """Cross-entropy of the heat map against a small Gaussian around the true centre."""
    heat = net(scene)
    axis = (torch.arange(heat.shape[-1]) + 0.5) * (SCENE / heat.shape[-1]) - 0.5
    far = (axis - centre[:, :1]).square()[:, None, :] + (axis - centre[:, 1:]).square()[:, :, None]
    target = (-far / (2 * 1.5**2)).flatten(1).softmax(1)
    return -(target * heat.flatten(1).log_softmax(1)).sum(1).mean()


def train(net: nn.Module, stage: str, spec: Member, pool: Scenes, seed: int, samples: int) -> None:
    """AdamW with one warm-up and one cosine; detectors see scenes, classifiers see jittered crops."""
    rng, size = torch.Generator().manual_seed(seed), 128
    steps = samples // size
    optimiser = torch.optim.AdamW(net.parameters(), lr=spec.rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, spec.rate, total_steps=steps, pct_start=0.15)
    net.train().to(memory_format=torch.channels_last)
    for step, rows in enumerate(itertools.islice(shuffled(len(pool.labels), size, rng), steps)):
        scene, centre = pool.batch(rows).contiguous(memory_format=torch.channels_last), pool.centres[rows]
        if stage == "detect":
            loss = heat_loss(net, scene, centre)
        else:
            loss = F.cross_entropy(net(jittered(scene, centre, rng)), pool.labels[rows])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        if step % 300 == 0:
            print(f"  step {step}/{steps} loss {loss.item():.3f}", flush=True)


def shuffled(n: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Batches of row numbers without end, each row once per round."""
    while True:
        yield from torch.randperm(n, generator=rng)[: n // size * size].split(size)


def jittered(scene: Tensor, centre: Tensor, rng: torch.Generator, spread: float = JITTER) -> Tensor:
    """Crops as a good detector gives them: near the true centre, clutter included."""
    return cut(scene, centre + (torch.randn(centre.shape, generator=rng) * spread).clamp(-TOLERANCE, TOLERANCE))


# ---------------------------------------------------------------- files


def export(model: nn.Module, stage: str, path: Path) -> None:
    """Write a self-contained graph whose first dimension is free, then share and shrink its weights."""
    source, target, side = ("scene", "crop", SCENE) if stage == "detect" else ("crop", "digit", CROP)
    path.parent.mkdir(parents=True, exist_ok=True)
    axes = {source: {0: "n"}, target: {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.rand(2, 1, side, side),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=[source],
            output_names=[target],
            dynamic_axes=axes,
        )
    graph = onnx.load(str(path))
    slim(graph.graph)
    for value, dims in ((graph.graph.input[0], (side, side)), (graph.graph.output[0], (CROP, CROP))):
        value.type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
        sizes: tuple[str | int, ...] = ("n",) if value.name == "digit" else ("n", 1, *dims)
        for size in sizes:
            value.type.tensor_type.shape.dim.add(**{"dim_param" if isinstance(size, str) else "dim_value": size})
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, str(path))


def slim(graph: onnx.GraphProto) -> None:
    """Shifted copies repeat their weights: keep one of each; keep large matrices as float16 (cast at load)."""
    first: dict[tuple[tuple[int, ...], bytes], str] = {}
    alias: dict[str, str] = {}
    for weight in list(graph.initializer):
        array = onnx.numpy_helper.to_array(weight)
        kept = first.setdefault((array.shape, str(array.dtype).encode() + array.tobytes()), weight.name)
        if kept != weight.name:
            alias[weight.name] = kept
            graph.initializer.remove(weight)
        elif array.dtype == np.float32 and array.size >= HALVE_FROM:
            name = weight.name
            weight.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), name + "_half"))
            graph.node.insert(0, onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    for node in graph.node:
        node.input[:] = [alias.get(name, name) for name in node.input]


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def verify(path: Path, model: nn.Module, sample: Tensor) -> None:
    """ONNX must agree with torch at several batch sizes and stay finite on any finite input."""
    run = session(path)
    name = run.get_inputs()[0].name
    for size in (1, 3, 64):
        with torch.no_grad():
            want = model(sample[:size]).numpy()
        got = run.run(None, {name: sample[:size].numpy()})[0]
        agree = np.isclose(got, want, atol=1e-3).reshape(size, -1).all(1)
        assert got.shape == want.shape and got.dtype == want.dtype and agree.mean() >= 0.97, (path, size, agree.mean())
    for fill in (0.0, 1e38, -1e38):
        got = run.run(None, {name: np.full(sample[:2].shape, fill, np.float32)})[0]
        assert np.isfinite(got).all() and got.min() >= 0 and got.max() <= 9, (path, fill)
    assert np.isfinite(run.run(None, {name: (torch.randn_like(sample[:4]) * 1e3).numpy()})[0]).all()


PROBE = """
import sys, time, resource, numpy, onnxruntime as ort
o = ort.SessionOptions(); o.intra_op_num_threads = o.inter_op_num_threads = 1
rss = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20
before, t = rss(), time.perf_counter()
s = ort.InferenceSession(sys.argv[1], o, providers=["CPUExecutionProvider"])
loaded = time.perf_counter() - t
i = s.get_inputs()[0]
s.run(None, {i.name: numpy.zeros([1, *i.shape[1:]], "f4")})
print(rss() - before, loaded)
"""


def footprint(path: Path) -> tuple[float, float]:
    """Resident memory in MiB and seconds to load, in a fresh process that has nothing else."""
    out = subprocess.run([sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, check=True).stdout
    memory, seconds = map(float, out.split())
    return memory, seconds


# ---------------------------------------------------------------- scores


@torch.no_grad()
def score(model: Detect | Classify, scenes: Scenes, seed: int) -> tuple[float, Tensor]:
    """Share of held-out scenes handled well; for a detector also its crops, for the table of pairs."""
    rng, good, outputs = torch.Generator().manual_seed(seed), 0.0, []
    for rows in torch.arange(len(scenes.labels)).split(50):
        scene, centre = scenes.batch(rows), scenes.centres[rows]
        if isinstance(model, Detect):
            found = model.locate(scene)
            good += ((found - centre).norm(dim=1) <= TOLERANCE).sum().item()
            outputs.append(cut(scene, found))
        else:
            outputs.append(model(jittered(scene, centre, rng, ERROR)))
            good += (outputs[-1] == scenes.labels[rows]).sum().item()
    return good / len(scenes.labels), torch.cat(outputs)


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    """Merge into the table, in the order of VARIANTS, so that one variant can be redone alone."""
    known = {(row["stage"], row["variant"]): row for row in csv.DictReader(path.open())} if path.exists() else {}
    known |= {(row["stage"], row["variant"]): row for row in rows}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(known[key] for key in ORDER if key in known)


@torch.no_grad()
def pairs(shop: Workshop, table: Path) -> None:
    """How well the product of stage accuracies foretells the whole pipeline, on 5000 held-out scenes."""
    rows = list(csv.DictReader(table.open()))
    found = {name: shop.cache / f"crops-{name}.pt" for name in VARIANTS["detect"]}
    labels = shop.scenes("held").labels[:5000]
    print("detect    classify   product  end-to-end")
    for detect in (row for row in rows if row["stage"] == "detect" and found[row["variant"]].exists()):
        crops = torch.load(found[detect["variant"]])[:5000]
        for classify in (row for row in rows if row["stage"] == "classify"):
            right = (shop.assemble("classify", classify["variant"])(crops) == labels).float().mean().item()
            product = float(detect["accuracy"]) * float(classify["accuracy"])
            print(f"{detect['variant']:9} {classify['variant']:10} {product:7.3f} {right:9.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("profiles/digits"))
    parser.add_argument("--cache", type=Path, default=Path("build/digits"), help="scenes and trained members")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", metavar="STAGE[/VARIANT]")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run of some minutes: tiny pools, useless accuracy"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    shop = Workshop(args.seed, args.quick, args.cache / f"{'quick' if args.quick else 'full'}-{args.seed}")
    args.out.mkdir(parents=True, exist_ok=True)
    payload, held = shop.scenes("payload"), shop.scenes("held")
    inputs = (payload.pixels.numpy() / 100).astype(np.float32)
    np.savez_compressed(args.out / "payload.npz", inputs=inputs, labels=payload.labels.numpy())
    for stage, variant in ORDER:
        if not f"{stage}/{variant}".startswith(args.only):
            continue
        model, path = shop.assemble(stage, variant), args.out / "models" / stage / f"{variant}.onnx"
        export(model, stage, path)
        sample = held.batch(slice(64))
        verify(path, model, sample if stage == "detect" else cut(sample, held.centres[:64]))
        accuracy, outputs = score(model, held, args.seed)
        if stage == "detect":
            torch.save(outputs, shop.cache / f"crops-{variant}.pt")
        memory, seconds = footprint(path)
        cells = (stage, variant, f"{accuracy:.4f}", METRIC[stage], f"{memory:.1f}", f"{seconds:.3f}", SOURCE)
        write_rows(args.out / "variants.csv", [dict(zip(FIELDS, cells, strict=True))])
        print(f"{stage}/{variant}: accuracy {accuracy:.4f}, {path.stat().st_size / 1e6:.2f} MB", flush=True)
    if not args.only:
        pairs(shop, args.out / "variants.csv")


if __name__ == "__main__":
    main()
