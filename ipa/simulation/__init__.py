"""The data plane on virtual time, and the loop and its rivals in it.

    stations, service         what is simulated: stages, their replicas and service times, as data
    engine, finished          the data plane on virtual time: advance, change, what ended
    line, line_kernel         a straight line, stage by stage
    graph, graph_kernel       any network, event by event over all stages (records, layout: its arrays)
    compiled, kinds           what line and graph share
    world                     the loop's ports around the engine
    rivals                    who is put into it: the loop with a policy, fixed plans, the oracle
    hpa, kpa, autoscalers     the autoscalers people run today, as rules and as policies; load is what they see
    backtest, comparison      a rival through a trace; rivals side by side

Nothing here reads a clock, a file or a random source: a run depends on its arguments alone.
"""
