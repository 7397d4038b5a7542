"""The data plane on virtual time.

    stations     what is simulated: stages, their replicas and service times, as data
    kernel       the event loop, compiled: one pass over arrivals, completions and timers
    engine       the loop as an object: advance, change, what ended

Nothing here reads a clock, a file or a random source: a run depends on its arguments alone.
"""
