"""Monte Carlo tree search over many trees at once. Start reading in `search.py`.

A step of `Search` is two calls of `simulate.py`, which knows no game and no policy; `layout.py`
draws the arrays, `stats.py` is the arithmetic of a node, `policies/` are the ways to choose.
"""
