"""What the IPA paper (arXiv 2308.12871), its code and its notebooks give about five pipelines: data, no rules.

One figure has up to four origins that disagree. Taken is, cell by cell, the first of
  1. the notebooks: they name their statistic (mean or p99), and the load where it matters;
  2. the list over all five ResNets at batch 1 on 1 core (ms and requests/s);
  3. the list of ResNet-18 and -50 on 1, 4 and 8 cores (ms/requests/s);
  4. the paper's table (ms at batch 1 and 8).
Origins 2 to 4 do not say what their ms are. They are taken as p99 and marked `?`: at batch 1 on 1 core ms × requests/s
is 1.2 to 1.5, where every labelled mean gives 0.9 to 1.0. On 4 and 8 cores it is 0.85 to 1.2: there p99 is a guess.

Not used, and why:
- resnet18, 1 core, batch 1: 19 (origin 2) and 20 (3) requests/s, as the notebook has 17.65; 75 ms (3) and 73 ms (4), as
  origin 2 has 70. resnet50, 1 core, batch 1: 136 ms (4), as origins 2 and 3 have 135.
- yolov5m in the table: 347 and 1654 ms "on 2 cores" are digit for digit the notebook's p99 (batch 1) and mean (batch 8)
  of 1 core. 1 core is kept: only 3.37 requests/s there, below the threshold of 4, explains base cores of 2.
- yolov5n in the table: 80 and 481 ms, where the notebook's means are 77 and 518: no p99 lies below its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

PIPELINES: dict[str, tuple[str, ...]] = {
    "video": ("detect", "classify"),
    "audio-qa": ("audio", "qa"),
    "audio-sent": ("audio", "sentiment"),
    "sum-qa": ("summarise", "qa"),
    "nlp": ("language-id", "translate", "summarise"),
}

METRICS = {
    "detect": "mAP@.5",
    "classify": "top-1",
    "audio": "1 - WER",
    "qa": "F1",
    "sentiment": "accuracy",
    "summarise": "ROUGE-L",
    "language-id": "accuracy",
    "translate": "BLEU / 100",
}

# The parameters of qa are given as "base 277.45, large 558.8": the more accurate variant is read as the large one. See
# profiles/README.md for what speaks against it.
_VARIANTS = """
# stage      variant                       percent  parameters_m base_cores   (audio: percent is the word error rate)
detect       yolov5n                       45.7     1.9     1
detect       yolov5s                       56.8     7.2     1
detect       yolov5m                       64.1     21.2    2
detect       yolov5l                       67.3     46.5    4
detect       yolov5x                       68.9     86.7    8
classify     resnet18                      69.75    11.7    1
classify     resnet34                      73.31    21.8    1
classify     resnet50                      76.13    25.5    1
classify     resnet101                     77.37    44.54   1
classify     resnet152                     78.31    60.2    2
audio        s2t-small                     41.28    29.5    1
audio        s2t-medium                    35.12    71.2    2
audio        s2t-large                     33.26    267.8   4
audio        wav2vec2-base                 33.85    94.4    2
audio        wav2vec2-large                27.65    315.5   8
qa           xlm-roberta-base              77.141   277.45  1
qa           roberta-base                  82.9125  558.8   1
sentiment    SentimentAnalysisDistillBERT  79.6290  66.9    1
sentiment    distilbert-sst2               91.1     66.9    1
sentiment    BERT_sentiment_analysis       79.9018  109.4   1
sentiment    Roberta_Sentiment_Analysis    83.0283  355.3   1
language-id  li                            99.59    278     1
translate    fr-en                         33.1     74.6    4
translate    tc-big-fr-en                  34.4     230.6   8
summarise    xsum-1-1                      32.26    82.9    1
summarise    xsum-12-1                     33.37    221.5   2
summarise    xsum-6-6                      35.73    229.9   4
summarise    xsum-12-3                     36.39    255.1   8
summarise    xsum-9-6                      36.61    267.7   8
summarise    xsum-12-6                     36.99    305.5   16
"""

_POINTS = """
# stage      variant       cores batch  mean_s  p99_s   rps     (-: not measured, ?: a latency without its statistic)
detect       yolov5n           1     1  .077    -       -
detect       yolov5n           1     2  .134    -       -
detect       yolov5n           1     8  .518    -       -
detect       yolov5n           1    32  1.96    -       -
detect       yolov5n           2     1  .0587   -       16.4
detect       yolov5n           2     2  .0883   -       21.7
detect       yolov5n           2     8  .328    -       21.6
detect       yolov5m           1     1  .294    .347    3.37
detect       yolov5m           1     8  1.654   2.847   3.10
detect       yolov5x           4     1  .366    -       2.70
detect       yolov5x           4     2  .68     -       2.92
detect       yolov5x           4     8  1.96    -       2.57
classify     resnet18          1     1  -       .070?   17.65
classify     resnet18          1     8  -       .383?   -
classify     resnet18          2     1  .0367   -       25.4
classify     resnet18          2     2  .0516   -       36.4
classify     resnet18          2     8  .188    -       38.6
classify     resnet18          2    32  .309    -       -
classify     resnet18          2    64  .51     -       -
classify     resnet18          4     1  -       .023?   37
classify     resnet18          8     1  -       .014?   62
classify     resnet34          1     1  -       .110?   11
classify     resnet34          2     1  .0488   -       19.8
classify     resnet34          2     2  .0809   -       23.7
classify     resnet34          2     8  .273    -       25.4
classify     resnet34          2    32  .555    -       27.0
classify     resnet34          2    64  .487    -       26.0
classify     resnet50          1     1  -       .135?   9
classify     resnet50          1     8  .543    .833?   10.87
classify     resnet50          4     1  -       .057?   21
classify     resnet50          8     1  -       .032?   29
classify     resnet101         1     1  -       .240?   5
classify     resnet152         1     1  -       .300?   4
classify     resnet152         2     1  .182    .240    5.39
audio        s2t-small         1     1  -       .373    2.99
audio        s2t-small         2     1  -       .269    4.24
audio        s2t-small         4     1  -       .207    5.13
audio        s2t-small         8     1  -       .188    5.98
audio        s2t-medium        1     1  -       .788    1.34
audio        s2t-medium        2     1  -       .544    2.27
audio        s2t-medium        4     1  -       .313    3.49
audio        s2t-medium        8     1  -       .251    4.38
audio        s2t-large         1     1  -       2.310   .446
audio        s2t-large         2     1  -       1.482   .753
audio        s2t-large         4     1  -       .923    1.318
audio        s2t-large         8     1  -       .590    1.936
audio        wav2vec2-base     1     1  -       .803    1.325
audio        wav2vec2-base     2     1  -       .535    2.118
audio        wav2vec2-base     4     1  -       .282    3.943
audio        wav2vec2-base     8     1  -       .205    6.156
audio        wav2vec2-large    1     1  -       1.791   .578
audio        wav2vec2-large    2     1  -       1.209   .873
audio        wav2vec2-large    4     1  -       .650    1.746
audio        wav2vec2-large    8     1  -       .426    2.778
qa           xlm-roberta-base  4     1  -       .0526   -
qa           xlm-roberta-base  4     2  -       .1053   -
qa           xlm-roberta-base  4     8  -       .153    -
qa           xlm-roberta-base  4    32  -       .293    -
qa           xlm-roberta-base  4    64  -       .391    -
language-id  li                1     1  .0872   -       11.3
language-id  li                4     1  .0357   -       -
translate    fr-en             2     1  .507    -       1.96
translate    fr-en             4     1  .320    -       3.10
translate    fr-en             8     1  .230    -       4.32
translate    fr-en            16     1  .230    -       4.06
translate    tc-big-fr-en      2     1  1.154   -       .865
translate    tc-big-fr-en      4     1  .660    -       1.506
translate    tc-big-fr-en      8     1  .413    -       2.396
translate    tc-big-fr-en     16     1  .300    -       3.287
summarise    xsum-1-1          2     1  .100    -       9.88
summarise    xsum-12-1         2     1  .197    -       5.03
summarise    xsum-12-3         2     1  .235    -       4.22
summarise    xsum-6-6          2     1  .238    -       4.16
summarise    xsum-9-6          2     1  .267    -       3.71
summarise    xsum-12-6         2     1  .302    -       3.28
"""


@dataclass(frozen=True, slots=True)
class PaperVariant:
    """A variant as published; `accuracy` in 0…1."""

    stage: str
    name: str
    accuracy: float
    parameters_m: float
    base_cores: int


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured of one (variant, cores, batch); None was not. `p99_is_labelled`: the source says p99."""

    stage: str
    variant: str
    cores: int
    batch: int
    mean_s: float | None
    p99_s: float | None
    rps: float | None
    p99_is_labelled: bool


def variants() -> tuple[PaperVariant, ...]:
    return tuple(
        PaperVariant(stage, name, _accuracy(stage, float(percent)), float(parameters), int(cores))
        for stage, name, percent, parameters, cores in _rows(_VARIANTS)
    )


def points() -> tuple[Point, ...]:
    return tuple(
        Point(stage, variant, int(cores), int(batch), _cell(mean), _cell(p99.rstrip("?")), _cell(rps), "?" not in p99)
        for stage, variant, cores, batch, mean, p99, rps in _rows(_POINTS)
    )


def _rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines() if not line.startswith("#")]


def _accuracy(stage: str, percent: float) -> float:
    """A word error rate is what is wrong, every other metric what is right."""
    return round((100 - percent if stage == "audio" else percent) / 100, 6)


def _cell(text: str) -> float | None:
    return None if text == "-" else float(text)
