"""A Kubernetes API server double over real HTTP, with the controllers and the node that make Deployments live.

Its behaviours, each with the page of kubernetes.io that promises it, are the rows of test_double.py.
"""
