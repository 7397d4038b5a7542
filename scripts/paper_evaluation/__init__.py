"""The IPA paper's evaluation (arXiv 2308.12871) in simulation: five pipelines, four workloads, four systems.

workloads     the paper's slices of the Twitter trace, or stand-ins for them
cases         what is run, as values, and the config of each
runs          a case → what came of it; all of them, on several processes
comparison, ablation, preference, claims     the studies: which cases, which tables
tables, figures, document                    what is written
"""
