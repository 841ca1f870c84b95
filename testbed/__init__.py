"""The real control plane that the tests run against: how it is built (recipe, build) and run (control_plane).

Nothing here is part of the product. `python -m testbed` builds etcd, Kubernetes and kwok from the Go module proxy.
"""
