"""InferLine's evaluation (arXiv 1812.01776) in simulation: four pipelines, even and bursty arrivals, spikes.

shapes        the four pipelines, and the loads: a sample to plan on and what comes live
coarse        the paper's baseline: the whole pipeline as one black box
systems       who takes part: a plan to start with and what changes it; what came of a run
still, moving, better, equal     the studies: which cases, which tables
figures, document                what is written
"""
