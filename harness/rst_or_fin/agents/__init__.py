"""Programs that run ON the tested hosts: the peers of the tested connection, and the capture.

They use nothing but the standard library (Python 3.9 or later) and one another; only `packets`, which
`scripted` uses, needs dpkt. So a host needs only this folder: with `agents/` in the working directory or on
PYTHONPATH, `python3 -m agents.origin` and `python3 -m agents.capture`; inside the package the same files are
`rst_or_fin.agents.origin` and so on.
"""
