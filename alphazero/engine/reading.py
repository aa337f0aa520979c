"""What a search has found, move by move, for people and programs to read."""

import numpy as np

from alphazero.engine.analysis import Line
from alphazero.search.search import Search, SearchResult
from alphazero.search.solver import quickest


def read_lines(search: Search, result: SearchResult) -> list[Line]:
    """All moves of the root of a search's only tree, the one to play first, then the better ones
    before the others. A move that is not visited is worth what the position is."""
    endings = search.endings(0)
    best = quickest(result, endings)
    shares = (1 + np.where(np.isnan(result.q), result.value, result.q)) / 2
    order = np.lexsort((-result.prior, -result.visits, -result.policy))
    lines = []
    for row in sorted(order, key=lambda row: result.actions[row] != best):
        action, visits = int(result.actions[row]), int(result.visits[row])
        plies, pv, pv_visits = endings.get(action) or (None, *search.line(0, action))
        share, prior = float(shares[row]), float(result.prior[row])
        lines.append(Line(action, share, visits, tuple(pv), prior, tuple(pv_visits), plies))
    return lines
