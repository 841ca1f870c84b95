"""Experiments that break things on purpose, and measure what that costs. Scripts: `python -m chaos.NAME`."""
