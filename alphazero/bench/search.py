"""Speed of the search alone, with an evaluator that costs next to nothing, and against others.

Every leaf gets its legal mask and its planes, as a network would need them, here and in the other
implementations.
"""

from collections.abc import Callable, Iterator
from typing import Literal

from alphazero.bench.measure import Effort, Measurement, rate, rates
from alphazero.bench.peers import PEERS, MissingPeer
from alphazero.config import SearchConfig
from alphazero.game import Game, load
from alphazero.network.evaluator import UniformEvaluator
from alphazero.search.search import Search

TREES = 64
SIMULATIONS = 200
GAMES = ("tic-tac-toe", "connect4")
Policy = Literal["gumbel", "puct"]
SEARCHES: list[tuple[Policy, int]] = [("puct", 1), ("puct", 8), ("gumbel", 1)]  # leaves per tree
CASES: list[tuple[Policy, int, int]] = [
    *[(policy, TREES, leaves) for policy, leaves in SEARCHES],
    ("puct", 1, 8),
    ("gumbel", 1, 8),
]
GOALS = {
    ("tic-tac-toe", TREES, 1): 1.2e6,
    ("connect4", TREES, 1): 0.5e6,
    ("tic-tac-toe", 1, 8): 15e3,
    ("connect4", 1, 8): 15e3,
}
# The least speed of ours relative to a peer, and ours' leaves per tree.
PEER_GOALS = {"OpenSpiel, Python": (20.0, 1), "alpha-zero-general manner": (100.0, 8)}


def search_suite(effort: Effort) -> Iterator[Measurement]:
    """Simulations per second and core, by game, root policy, trees and leaves per tree."""
    for name in GAMES:
        game = load(name)
        for policy, trees, leaves in CASES:
            speed = rate(searching(game, policy, trees, leaves), effort)
            size = f"{trees} tree{'s' if trees > 1 else ''} x {SIMULATIONS}, K={leaves}"
            goal = GOALS.get((name, trees, leaves))
            yield Measurement(f"{name}, {policy}, {size}", speed, "simulations/s", goal)
        yield from against_peers(name, effort)


def searching(
    game: Game, policy: Policy, trees: int, leaves: int, threads: int = 1
) -> Callable[[], int]:
    """A round of searches from the initial position; returns the simulations done."""
    config = SearchConfig(policy=policy, simulations=SIMULATIONS, leaves_per_tree=leaves)
    search = Search(game, UniformEvaluator(game), config, trees, threads=threads)
    position = game.position()
    seed = 0

    def work() -> int:
        nonlocal seed
        for tree in range(trees):
            seed += 1
            search.begin(tree, position, seed=seed)
        search.run()
        return sum(search.simulations(tree) for tree in range(trees))

    return work


def against_peers(name: str, effort: Effort) -> Iterator[Measurement]:
    """Speed relative to others that search the same game with as many simulations."""
    for peer, make in PEERS.items():
        try:
            search = make(name)
        except MissingPeer as missing:
            yield Measurement(f"{name}, {peer}", None, "", note=f"skipped: {missing}")
            continue

        def work(search: Callable[[int], None] = search) -> int:
            search(SIMULATIONS)
            return SIMULATIONS

        goal, leaves = PEER_GOALS[peer]
        ours, theirs = rates([searching(load(name), "puct", TREES, leaves), work], effort)
        yield Measurement(f"{name}, {peer}, puct, 1 tree x {SIMULATIONS}", theirs, "simulations/s")
        note = f"puct, {TREES} trees x {SIMULATIONS}, K={leaves}, {ours:,.0f} simulations/s"
        yield Measurement(f"{name}, ours / {peer}", ours / theirs, "x", goal, note)
