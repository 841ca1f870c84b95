"""The rotate function."""
