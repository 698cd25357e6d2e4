"""The Erlang node: how it is found and started, and what is said to it over the distribution protocol."""
