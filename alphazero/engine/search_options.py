"""How the engine searches: what people may change of it, and what it chooses by itself."""

from dataclasses import replace
from typing import NamedTuple

from alphazero.config import RAVE, PuctConfig, SearchConfig

LEAVES_PER_TREE = 8  # so that one tree fills a small batch
SIMULATIONS_PER_LEAF = 64  # fewer for each leaf of a batch would search too blindly


class Tuning(NamedTuple):
    """How a search goes about it; what is None is chosen by the engine."""

    exploration: float | None = None  # c_puct: how much the prior counts against the values
    reduction: float | None = None  # first-play urgency: how much worse a new move is thought to be
    leaves: int | None = None  # positions that are evaluated at once
    memory: int | None = None  # bytes of a tree, after which it gets no more


UNTUNED = Tuning()


def search_config(
    simulations: int, tuning: Tuning = UNTUNED, *, rave: bool = False
) -> SearchConfig:
    """PUCT, which can be stopped at any time: sequential halving needs to know its budget. With
    RAVE for an evaluator whose playouts leave traces."""
    leaves = min(max(simulations // SIMULATIONS_PER_LEAF, 1), LEAVES_PER_TREE)
    puct = RAVE if rave else PuctConfig()
    if tuning.exploration is not None:
        puct = replace(puct, c_init=tuning.exploration)
    if tuning.reduction is not None:
        puct = replace(puct, fpu_reduction=tuning.reduction)
    return SearchConfig(
        policy="puct",
        simulations=simulations,
        leaves_per_tree=tuning.leaves or leaves,
        puct=puct,
    )
