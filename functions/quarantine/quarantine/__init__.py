"""The quarantine function."""
