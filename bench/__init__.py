"""Benchmarks: `python -m bench` prints one table of ratios, each measured in one run on one machine. No test asserts a time."""
