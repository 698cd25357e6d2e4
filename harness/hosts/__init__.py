"""Programs that run ON the tested hosts: the HTTP origin and the capture.

They use nothing but Python's standard library (3.9 or later) and one another, so that a host needs only this
folder: with `hosts/` in the working directory or on PYTHONPATH, `python3 -m hosts.origin` and
`python3 -m hosts.capture`; inside the package the same files are `harness.hosts.origin` and so on.
"""
