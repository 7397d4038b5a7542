"""The data plane: one router process in front of a pipeline's replicas.

ingress → a central queue per stage → batches → replicas → answer. Nothing here decides what runs: a plan of
addresses comes in through the admin port. It may not import control, adapters or the command line.
"""
