"""A Kubernetes API server double over real HTTP, with the controllers and the node that make Deployments live.

Tests ask for the fixtures `cluster` and `double` (fixtures.py); with IPA_TEST_KUBECONFIG they run on a real cluster.
From a request to its answer: server → frontend → access → api → ownership, defaults, admission → store → watching;
the controllers (loops, deployments, replicasets, node, endpoints, collector) follow the store as real ones do.
Its behaviours, each with the page of kubernetes.io that promises it, are the rows of test_double.py.
"""
