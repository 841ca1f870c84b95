"""One command that runs it all on this machine: the cluster (or a context), the broker, the clock, the functions."""
