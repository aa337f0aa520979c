"""Matches between players and estimates of their strength: start reading in `match.py`."""
