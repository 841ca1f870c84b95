"""The terminate function."""
