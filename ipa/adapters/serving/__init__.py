"""Serving a pipeline on this machine: a supervisor that owns one router and one model server per replica.

    run              one run from start to exit code: state folder, signals
    supervisor       a plan in; starts, routes, watches and stops what it takes
    control_api      the supervisor over HTTP, for other processes on this machine
    fleet            the replicas: several at once, noticing a death, the cores they use (usage)
    replica_process  one model server: started, waited for, warmed up, measured
    runtimes         which program serves the models: onnx_runtime, sleep_runtime; runtime says what one is
    router_process   the router, and the call that gives it a plan (routing says what is in it)
    child, lifeline  what children share: a start message on stdin, which is their lifeline too
    model_server     the child of onnx: MLServer with onnx_model and raw_tensors
    sleep_server     the child of sleep: takes its time and computes nothing; sleep_tensors makes the stages fit
    servable         what this version cannot serve, refused by name

Nothing here decides what to run.
"""
