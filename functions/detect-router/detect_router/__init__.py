"""The detect-router function."""
