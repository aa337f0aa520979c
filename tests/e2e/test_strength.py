"""How strong the networks that come with the package are, against perfect play.

`python tests/e2e/test_strength.py` prints the shares for README.md's table.
"""

from pathlib import Path

import numpy as np
import pytest

from alphazero.arena.exhaustive import prove_unbeaten
from alphazero.arena.match import play_match
from alphazero.arena.players import Player, make_player
from alphazero.game import load
from tests.judges.connect4_solver import Solver

POSITIONS = Path(__file__).parents[1] / "golden" / "connect4_best_moves.txt"


def judged_positions() -> list[tuple[str, str]]:
    """The moves that lead to each position, and the moves that keep its result."""
    lines = POSITIONS.read_text().splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines if not line.startswith("#")]


def share_of_best_moves(player: Player) -> tuple[float, float]:
    """How often a player finds a move that keeps the result: in all positions, and in those where
    some legal move does not."""
    game = load("connect4")
    positions, best, decisive = [], [], []
    for moves, keeping in judged_positions():
        position = game.position()
        for move in moves:
            position.play(move)
        positions.append(position)
        best.append({position.action(move) for move in keeping})
        decisive.append(len(keeping) < len(position.legal_actions()))
    chosen = player.choose(positions, np.random.default_rng(0))
    right = np.array([action in good for action, good in zip(chosen, best, strict=True)])
    return float(right.mean()), float(right[np.array(decisive)].mean())


def pretrained(kind: str) -> str:
    from alphazero.network.find import pretrained as find

    path = find(load("connect4"))
    assert path is not None, "the package has no network for Connect Four"
    return f"policy:{path}" if kind == "policy" else f"pretrained:{kind}"


def test_the_judged_positions_are_judged_rightly():
    late = [(moves, best) for moves, best in judged_positions() if len(moves) >= 20][:40]
    judgement = Solver().judge([["abcdefg".index(move) for move in moves] for moves, _ in late])
    for (moves, best), row in zip(late, judgement.best, strict=True):
        assert "".join("abcdefg"[column] for column in np.flatnonzero(row)) == best, moves


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "at_least"), [("policy", 0.945), ("200", 0.97)])
def test_the_connect_four_network_finds_moves_that_keep_the_result(kind, at_least):
    share, _ = share_of_best_moves(make_player(pretrained(kind), load("connect4")))
    assert share >= at_least


def test_the_tic_tac_toe_network_is_unbeaten():
    game = load("tic-tac-toe")
    assert prove_unbeaten(make_player("pretrained:64", game), game).unbeaten


@pytest.mark.slow
def test_the_go_network_beats_random_playouts():
    game = load("go:size=9,komi=7")
    players = make_player("pretrained:16", game), make_player("mcts:100", game)
    assert play_match(game, *players, 8).score >= 0.75


def main() -> None:
    game = load("connect4")
    for spec in (pretrained("policy"), "pretrained:200", "pretrained:800", "mcts:200", "mcts:1000"):
        share, decisive = share_of_best_moves(make_player(spec, game))
        print(f"{Path(spec).name:24} {share:6.1%} of all, {decisive:6.1%} where it matters")


if __name__ == "__main__":
    main()
