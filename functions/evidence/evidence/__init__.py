"""The evidence function."""
