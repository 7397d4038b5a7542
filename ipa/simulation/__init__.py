"""The pipeline on virtual time: what a plan, or a policy that changes it, does to a trace of requests."""
