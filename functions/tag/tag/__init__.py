"""The tag function."""
