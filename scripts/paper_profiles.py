"""Write the profiles of the IPA paper's five pipelines: what was measured, and what is estimated from it by rule.

    python scripts/paper_profiles.py            # profiles/{video,audio-qa,audio-sent,sum-qa,nlp}/*.csv
    python scripts/paper_profiles.py --table    # how much of them was measured

A profile has every measured point of the pipeline's stages (scripts/paper_points.py), and every variant on its base
cores at every batch of BATCHES, filled by the rules of scripts/paper_rules.py. Run again it writes the same files.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path

from paper_points import METRICS, PIPELINES, variants
from paper_rules import (
    Row,
    Rows,
    Server,
    batch_scaled,
    batching_gain,
    capped,
    cores_factor,
    measured_rows,
    size_exponent,
    size_ratio,
)

from ipa.adapters.profile_files import MEASUREMENT_COLUMNS, Table, with_measurement, write_table
from ipa.domain import Measurement

BATCHES = (1, 2, 4, 8, 16, 32, 64)
VARIANT_COLUMNS = (
    "stage", "variant", "accuracy", "metric", "memory_mb", "load_s", "source", "base_cores", "parameters_m"
)  # fmt: skip

# Batch curves taken at a load above what the server carries, so that every batch was full. The qa curve (4 cores) shows
# no such load and would promise 12 times the throughput at a batch of 64: it stays where it was measured.
REFERENCE: dict[str, tuple[Server, tuple[int, ...]]] = {"classify": (("classify", "resnet18", 2), (1, 2, 8))}
DEFAULT_REFERENCE: tuple[Server, tuple[int, ...]] = (("detect", "yolov5n", 1), (1, 2, 8, 32))

# Base allocations nobody measured: which server they come from and at which batches. What differs says which rule.
DERIVED: tuple[tuple[Server, Server, tuple[int, ...]], ...] = (
    (("detect", "yolov5s", 1), ("detect", "yolov5m", 1), (1, 8)),
    (("detect", "yolov5m", 2), ("detect", "yolov5m", 1), (1, 8)),
    (("detect", "yolov5l", 4), ("detect", "yolov5x", 4), (1, 2, 8)),
    (("detect", "yolov5x", 8), ("detect", "yolov5x", 4), (1, 2, 8)),
    (("qa", "xlm-roberta-base", 1), ("qa", "xlm-roberta-base", 4), (1,)),
    (("qa", "roberta-base", 1), ("qa", "xlm-roberta-base", 1), (1,)),
    # Nobody measured any sentiment variant: the nearest measured relative is the other text encoder.
    (("sentiment", "SentimentAnalysisDistillBERT", 1), ("qa", "xlm-roberta-base", 1), (1,)),
    (("sentiment", "distilbert-sst2", 1), ("qa", "xlm-roberta-base", 1), (1,)),
    (("sentiment", "BERT_sentiment_analysis", 1), ("qa", "xlm-roberta-base", 1), (1,)),
    (("sentiment", "Roberta_Sentiment_Analysis", 1), ("qa", "xlm-roberta-base", 1), (1,)),
    (("summarise", "xsum-1-1", 1), ("summarise", "xsum-1-1", 2), (1,)),
    (("summarise", "xsum-6-6", 4), ("summarise", "xsum-6-6", 2), (1,)),
    (("summarise", "xsum-12-3", 8), ("summarise", "xsum-12-3", 2), (1,)),
    (("summarise", "xsum-9-6", 8), ("summarise", "xsum-9-6", 2), (1,)),
    (("summarise", "xsum-12-6", 16), ("summarise", "xsum-12-6", 2), (1,)),
)


def with_derived(rows: Rows) -> Rows:
    """`rows` and those of DERIVED. All factors rest on `rows` alone: on what was measured."""
    exponent = size_exponent(rows)
    found = dict(rows)
    for target, origin, batches in DERIVED:
        if target[:2] == origin[:2]:
            rule, factor = "cores-scaling", cores_factor(rows, origin[2], target[2])
        else:
            rule, factor = "params-scaling", size_ratio(target, origin) ** exponent
        found |= {(target, batch): found[origin, batch].scaled(target, factor, rule) for batch in batches}
    return found


def with_batches(rows: Rows, server: Server) -> Rows:
    """The rows of a server at every one of BATCHES: its own, and batch-scaling for the rest."""
    own = {batch: row for (s, batch), row in rows.items() if s == server}
    reference, full = REFERENCE.get(server[0], DEFAULT_REFERENCE)
    means = {batch: rows[reference, batch].mean_s for batch in full}
    gain = batching_gain(rows)
    return {(server, b): own.get(b) or capped(batch_scaled(own, b, means), rows, gain) for b in BATCHES}


# ---------------------------------------------------------------- files


def profile(pipeline: str) -> tuple[Row, ...]:
    """Every measured point of a pipeline's stages, and every variant at its base cores and all of BATCHES."""
    rows = with_derived(measured_rows())
    bases = [(v.stage, v.name, v.base_cores) for v in variants()]
    everything = {**measured_rows(), **{k: row for base in bases for k, row in with_batches(rows, base).items()}}
    return tuple(row for (server, _), row in sorted(everything.items()) if server[0] in PIPELINES[pipeline])


def write(pipeline: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table = Table(MEASUREMENT_COLUMNS)
    for row in profile(pipeline):
        table = with_measurement(table, _measurement(row))
    write_table(folder / "measurements.csv", table)
    write_table(folder / "variants.csv", Table(VARIANT_COLUMNS, tuple(_variant_cells(pipeline))))


def _measurement(row: Row) -> Measurement:
    stage, variant, cores = row.server
    rps = None if row.rps is None else _digits(row.rps)
    mean_s, p99_s = _digits(row.mean_s), _digits(row.p99_s)
    return Measurement(
        stage, variant, "cpu", cores, row.batch, mean_s, latency_p99_s=p99_s, throughput_rps=rps, source=row.source
    )


def _digits(value: float) -> float:
    """Four digits: all that any measured figure has, and more than an estimate deserves."""
    return float(f"{value:.4g}")


def _variant_cells(pipeline: str) -> Iterable[Mapping[str, str]]:
    for stage in PIPELINES[pipeline]:
        for v in variants():
            if v.stage == stage:
                cells = (stage, v.name, v.accuracy, METRICS[stage], "", "", "paper", v.base_cores, v.parameters_m)
                yield dict(zip(VARIANT_COLUMNS, map(str, cells), strict=True))


def share_table() -> str:
    """How much of each profile was measured, as a Markdown table."""
    lines = [
        "| pipeline | rows | measured | partly measured | estimated | share with a measurement |",
        "|---|---|---|---|---|---|",
    ]
    for pipeline in PIPELINES:
        kinds = [row.kind for row in profile(pipeline)]
        counts = [kinds.count(kind) for kind in ("measured", "partly measured", "estimated")]
        lines.append(
            f"| {pipeline} | {len(kinds)} | {' | '.join(map(str, counts))} | {1 - counts[2] / len(kinds):.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the profiles of the IPA paper's five pipelines.")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent.parent / "profiles", help="folder of profiles"
    )
    parser.add_argument("--table", action="store_true", help="print how much was measured; write nothing")
    options = parser.parse_args()
    if options.table:
        print(share_table())
        return
    for pipeline in PIPELINES:
        write(pipeline, options.out / pipeline)


if __name__ == "__main__":
    main()
