"""Speed of chess: lines of legal moves, random games, search."""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from alphazero.arena.alphabeta import AlphaBeta
from alphazero.bench.go import playing
from alphazero.bench.measure import Effort, Measurement, rate, rates
from alphazero.bench.peers import MissingPeer, open_spiel_games
from alphazero.bench.search import SEARCHES, SIMULATIONS, TREES, searching
from alphazero.game import Game, Position, load

MIDDLE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
PERFT_GOAL, PERFT_PEER_GOAL = 50e6, 300
PLAYOUT_PEER_GOAL = 5
SEARCH_GOALS = {("puct", 1): 150e3}
BRUTE_DEPTH = 6


def chess_suite(effort: Effort) -> Iterator[Measurement]:
    """Perft, random games, simulations, brute force."""
    game = load("chess")
    yield from perft(game, effort)
    yield from playouts(game, effort)
    for policy, leaves in SEARCHES:
        speed = rate(searching(game, policy, TREES, leaves), effort)
        name = f"chess, {policy}, {TREES} trees x {SIMULATIONS}, K={leaves}"
        yield Measurement(name, speed, "simulations/s", SEARCH_GOALS.get((policy, leaves)))
    depth = 3 if effort.is_quick else BRUTE_DEPTH
    speed = rate(brute_force(game, depth), effort)
    yield Measurement(f"chess, alphabeta:{depth}, middle of a game", speed, "nodes/s")


def perft(game: Game, effort: Effort) -> Iterator[Measurement]:
    """Every move of every line is made, in the start position and the middle of a game."""
    depth, peer_depth = (3, 2) if effort.is_quick else (5, 3)
    works = [counting(game, None, depth), counting(game, MIDDLE, depth - 1)]
    try:
        works.append(python_chess_perft(peer_depth))
    except MissingPeer as missing:
        yield Measurement("chess, perft, python-chess", None, "", note=f"skipped: {missing}")
    start, middle, *theirs = rates(works, effort)
    yield Measurement("chess, perft, start position", start, "nodes/s", PERFT_GOAL)
    yield Measurement("chess, perft, middle of a game", middle, "nodes/s", PERFT_GOAL)
    for peer in theirs:
        yield Measurement("chess, perft, python-chess", peer, "nodes/s")
        yield Measurement(
            "chess, perft, ours / python-chess",
            start / peer,
            "x",
            PERFT_PEER_GOAL,
            "start position",
        )


def counting(game: Game, fen: str | None, depth: int) -> Callable[[], int]:
    """Perft without counting the last moves in bulk; returns its leaves."""
    pieces = game.pieces
    assert pieces is not None, "a game of pieces"
    state = game.position().state
    if fen is not None:
        pieces.set_fen(state, fen)

    def work() -> int:
        return sum(pieces.perft(state, depth).values())

    return work


def python_chess_perft(depth: int) -> Callable[[], int]:
    """The same in python-chess, from the start."""
    try:
        chess: Any = importlib.import_module("chess")
    except ImportError as error:
        raise MissingPeer("pip install chess to compare") from error
    board = chess.Board()

    def count(left: int) -> int:
        if left == 0:
            return 1
        leaves = 0
        for move in board.legal_moves:
            board.push(move)
            leaves += count(left - 1)
            board.pop()
        return leaves

    return lambda: count(depth)


def playouts(game: Game, effort: Effort) -> Iterator[Measurement]:
    """Random games from the start that make any legal move, to the end by the rules."""
    name, unit = "chess, random games", "moves/s"
    works = [playing(game)]
    try:
        works.append(open_spiel_games("chess", counted=1 if effort.is_quick else 20))
    except MissingPeer as missing:
        yield Measurement(f"{name}, OpenSpiel, C++", None, "", note=f"skipped: {missing}")
    ours, *theirs = rates(works, effort)
    yield Measurement(name, ours, unit)
    for peer in theirs:
        yield Measurement(f"{name}, OpenSpiel, C++", peer, unit)
        yield Measurement(f"{name}, ours / OpenSpiel, C++", ours / peer, "x", PLAYOUT_PEER_GOAL)


def brute_force(game: Game, depth: int) -> Callable[[], int]:
    """Alpha-beta search of the middle of a game; returns its nodes."""
    state = game.position().state
    assert game.pieces is not None, "a game of pieces"
    game.pieces.set_fen(state, MIDDLE)
    search, position = AlphaBeta(game), Position(game, state)

    def work() -> int:
        return search.search(position, depth).nodes

    return work
