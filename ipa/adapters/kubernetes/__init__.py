"""Kubernetes: what `cluster.kind: kubernetes` means. Nothing here imports the client before it is asked for."""
