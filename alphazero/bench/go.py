"""Speed and memory on large boards: random games of Go, its search, and a tree of 500 000 nodes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from alphazero.bench.measure import WALL, Effort, Measurement, rate, rates
from alphazero.bench.peers import MissingPeer, open_spiel_games
from alphazero.bench.search import SEARCHES, SIMULATIONS, TREES, searching
from alphazero.config import SearchConfig
from alphazero.game import Game, load
from alphazero.network.evaluator import UniformEvaluator
from alphazero.search.search import Search
from alphazero.selfplay.play import cores

SIZES = (19, 9)
BATCH = 8  # random games per call
MANY_TREES = 256  # as a GPU wants them
MOST_THREADS = 8
NODES = 500_000
PLAYOUT_GOALS = {19: 500e3}
PEER_GOALS = {19: 2.5}
SEARCH_GOALS = {(19, "puct", 1): 150e3}
NODE_LIMIT = 4096


def go_suite(effort: Effort) -> Iterator[Measurement]:
    """Moves of random games, simulations, bytes per node."""
    for size in SIZES:
        yield from playouts(size, effort)
    for size in SIZES:
        game = load(f"go:size={size}")
        for policy, leaves in SEARCHES:
            speed = rate(searching(game, policy, TREES, leaves), effort)
            name = f"go {size}x{size}, {policy}, {TREES} trees x {SIMULATIONS}, K={leaves}"
            yield Measurement(
                name, speed, "simulations/s", SEARCH_GOALS.get((size, policy, leaves))
            )
    for size in SIZES:
        yield in_threads(size, effort)
    nodes = 20_000 if effort.is_quick else NODES
    size = memory_per_node(load("go:size=19"), nodes)
    yield Measurement(f"go 19x19, a tree of {nodes:,} nodes", size, "bytes/node", limit=NODE_LIMIT)


def playouts(size: int, effort: Effort) -> Iterator[Measurement]:
    """Random games from the empty board that make any legal move.

    Ours apply superko to legal moves, and are measured without it as well: OpenSpiel's legal moves
    may repeat a position, which then ends the game.
    """
    name, unit = f"go {size}x{size}, random games", "moves/s"
    spec = f"go:size={size}"
    works = [playing(replace(load(spec + ko), prune=None)) for ko in ("", ",ko=simple")]
    try:
        works.append(open_spiel_games("go", 3 if effort.is_quick else 100, board_size=size))
    except MissingPeer as missing:
        yield Measurement(f"{name}, OpenSpiel, C++", None, "", note=f"skipped: {missing}")
    superko, simple, *theirs = rates(works, effort)
    yield Measurement(f"{name}, superko", superko, unit, PLAYOUT_GOALS.get(size))
    yield Measurement(f"{name}, simple ko", simple, unit)
    for peer in theirs:
        yield Measurement(f"{name}, OpenSpiel, C++", peer, unit)
        goal, note = PEER_GOALS.get(size), "whose legal moves ignore superko"
        yield Measurement(f"{name}, superko / OpenSpiel, C++", superko / peer, "x", goal, note)
        yield Measurement(f"{name}, simple ko / OpenSpiel, C++", simple / peer, "x")
    yield Measurement(f"{name} that spare own eyes", rate(playing(load(spec)), effort), unit)


def in_threads(size: int, effort: Effort) -> Measurement:
    """Wall-clock speed of several threads on the same trees, relative to one thread."""
    threads = min(cores(), MOST_THREADS)
    name = f"go {size}x{size}, gumbel, {MANY_TREES} trees, {threads} threads / 1 thread"
    if threads == 1:
        return Measurement(name, None, "", note="skipped: this process may use one core only")
    game = load(f"go:size={size}")
    works = [searching(game, "gumbel", MANY_TREES, 1, threads=count) for count in (1, threads)]
    one, several = rates(works, effort, WALL)
    note = f"of wall time, {several:,.0f} simulations/s"
    return Measurement(name, several / one, "x", note=note)


def playing(game: Game) -> Callable[[], int]:
    """Random games by the batch; returns the moves made."""
    first = game.position().state_array
    values = np.empty(BATCH, np.float32)
    seeds = np.arange(BATCH, dtype=np.uint64)

    def work() -> int:
        states = np.repeat(first, BATCH)
        game.playout_batch(states, seeds, values)
        seeds[:] += np.uint64(BATCH)
        return int(states["ply"].sum())

    return work


def memory_per_node(game: Game, nodes: int) -> float:
    """Bytes per node of one tree grown to `nodes` nodes from the initial position."""
    config = SearchConfig(policy="puct", simulations=nodes, leaves_per_tree=64)
    search = Search(game, UniformEvaluator(game), config)
    search.begin(0, game.position(), seed=1)
    search.run()
    return search.memory_per_node()
