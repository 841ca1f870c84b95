"""A Kubernetes API server of our own, in memory: what molt and kubectl need of one, in the real one's words."""
