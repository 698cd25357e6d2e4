"""Make TCP conversations whose endings are known, and hold a judge of captures against them.

Two simulated hosts (`host`, `tcb`, `receive`, `output`, `close`, `timers`, `app`) talk over a `path` that
loses, repeats and reorders, past middleboxes that forge (`boxes`) and a tap whose capture may be poor
(`capture`, `wire`). Because both hosts are ours, the `truth` is known, also of what no capture shows. `plan`
and `scenes` draw what happens from a seed, `conversation` plays it, `compare` holds a verdict against the
truth, `campaign` does so with many seeds (`make truth`). Nothing here imports the code under test, apart from
`adapter`.

The hosts themselves are held against facts (test_host), TCP's rules (test_invariants), tshark (test_wire) and
this machine's own kernel, script by script (test_kernel).
"""
