"""The cordon function."""
