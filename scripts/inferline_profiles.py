"""Write the profile of InferLine's four pipelines (arXiv 1812.01776): estimated, one rule for all of it.

    python scripts/inferline_profiles.py       # profiles/inferline/*.csv

Nobody here ran these models, and the paper prints no profile. `estimated:flops-affine` is

    t(b) = o + b·F/R        o, R: a hardware's overhead of a batch and its effective speed; F: work of one request

F is a model's published operations for one input (multiply and add count as two). R of one core follows from measured
points of the IPA paper (resnet50 110 ms, resnet152 240 to 300 ms on one core), four cores are 2.5 times as fast as
there, and the accelerators' R are of the size that published fp32 throughputs of resnet50 suggest (some hundred
images/s on a K80, some thousand on a V100), from memory: what matters to a planner is that the kinds differ in price,
in speed and in what a batch gains. Prices in the configs are AWS list prices of 2018 to 2020, also from memory: a core
0.05 $/h, a K80 0.90, a V100 3.06. Run again it writes the same files.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from ipa.adapters.profile_files import MEASUREMENT_COLUMNS

FOLDER = Path(__file__).parent.parent / "profiles" / "inferline"
SOURCE = "estimated:flops-affine"
BATCHES = (1, 2, 4, 8, 16, 32, 64)
START_S = 5.0  # the start of a replica in the paper is of that size

# (hardware, cores) → o in seconds, R in 10⁹ operations/s
SERVERS = {
    ("cpu", 1): (0.001, 75.0),
    ("cpu", 4): (0.001, 187.5),
    ("k80", 1): (0.010, 1000.0),
    ("v100", 1): (0.005, 8000.0),
}
# stage → the model, and F in 10⁹ operations
MODELS = {
    "preprocess": ("resize", 0.4),
    "classify": ("resnet152", 23.0),
    "detect": ("yolov3-416", 66.0),
    "vehicle": ("resnet50", 8.2),
    "person": ("resnet50", 8.2),
    "plate": ("openalpr", 12.0),
    "language": ("fasttext-lid", 0.1),
    "translate": ("nmt", 20.0),
    "text": ("text-classifier", 3.0),
    "image": ("resnet152", 23.0),
    "fast": ("resnet18", 3.6),
    "slow": ("resnet152", 23.0),
}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "variants.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["stage", "variant", "accuracy", "metric", "memory_mb", "load_s", "source", "operations_g"])
        for stage, (model, operations) in MODELS.items():
            rows.writerow([stage, model, 1, "as given", "", START_S, "estimated:one-variant-a-stage", operations])
    with (folder / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(MEASUREMENT_COLUMNS)
        for stage, (model, operations) in MODELS.items():
            for (hardware, cores), (overhead_s, speed) in SERVERS.items():
                for batch in BATCHES:
                    mean_s = overhead_s + batch * operations / speed
                    rows.writerow([stage, model, hardware, cores, batch, f"{mean_s:.5g}", "", "", "", "", "", SOURCE])


def main() -> int:
    write(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
