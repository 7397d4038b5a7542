"""Serving a pipeline on this machine: a supervisor that owns one router and one model server per replica.

    run          `ipa serve` after parsing: state folder, signals, the exit code
    supervisor   a plan in; starts, routes, watches and stops what it takes
    control_api  the supervisor over HTTP, for other processes on this machine
    changes      one step of a change: start, switch, drain, stop
    routing      Plan and profile → what the router is told (pure)
    servable     what this version cannot serve, refused by name
    *_process    one child process each: a model server, the router
    child        what children share: a start message on stdin, which is their lifeline too
    model_server the child that serves one model: MLServer, onnx_model, raw_tensors

Nothing here decides what to run.
"""
