"""The data plane on virtual time, and the loop and its rivals in it.

    stations             what is simulated: stages, their replicas and service times, as data
    kernel, layout       the event loop, compiled, and the arrays it works on
    engine               the loop as an object: advance, change, what ended
    hpa, kpa             the autoscalers people run today, as rules; load is what they see
    autoscalers          these as policies of the control loop

Nothing here reads a clock, a file or a random source: a run depends on its arguments alone.
"""
