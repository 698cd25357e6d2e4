"""What a run records: calls, counters, sockets, system calls, tracepoints, the capture. Pure."""
