"""The local runtime: a broker, a clock and a Kubernetes API of our own, for a machine without a cluster."""
