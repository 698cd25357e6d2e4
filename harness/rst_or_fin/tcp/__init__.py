"""TCP itself: segments, connections, what a TCP accepts, Zeek's conn_state, ways to end. Pure."""
