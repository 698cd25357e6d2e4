"""Make TCP conversations whose endings are known, and hold a judge of captures against them.

Two simulated hosts (`host`, `tcb`, `receive`, `output`, `close`, `timers`, `app`) talk over a path (`path`,
`boxes`) with a tap on it (`capture`, `wire`). Because both hosts are ours, the truth (`truth`) is known, also
of what no capture shows. Nothing here imports the code under test, apart from `adapter`.
"""
