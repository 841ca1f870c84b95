"""molt: moving target defense and automated response for Kubernetes."""
