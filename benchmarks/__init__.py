"""Measures the whole service on a real PostgreSQL: `make bench`, or `python -m benchmarks`.

Every figure that compares is taken in one run, the two sides in turn (A B A B …), and is the median of several rounds.
Absolute numbers depend on the machine, whose name and settings go with them; ratios depend on it much less.
"""
