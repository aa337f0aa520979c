"""Monte Carlo tree search over many trees at once. Start reading in `search.py`."""
