"""The evaluator without a network: what it sees in chess by a look at every move."""

import numpy as np
import pytest

from alphazero.arena.players import make_player
from alphazero.arena.tactics import DEEPEST, SHARPNESS, TacticsEvaluator
from alphazero.engine.engine import find_evaluator
from alphazero.game import Position, load
from alphazero.network.evaluator import Leaves

CHESS = load("chess")
EVALUATOR = TacticsEvaluator(CHESS)


def position_of(fen: str) -> Position:
    state = CHESS.position().start_state.copy()
    assert CHESS.pieces is not None
    CHESS.pieces.set_fen(state, fen)
    return Position(CHESS, state)


def look(*fens: str) -> tuple[list[dict[str, float]], np.ndarray]:
    """What each move is worth in [-1, 1], by its text, and the values of the positions."""
    positions = [position_of(fen) for fen in fens]
    states = np.concatenate([position.state_array for position in positions])
    nothing = np.zeros((len(fens), *CHESS.planes), np.uint8)
    found = EVALUATOR.evaluate(Leaves(nothing, states, np.zeros(len(fens), np.uint64)))
    worth = [
        {position.text(a): float(row[a]) / SHARPNESS for a in position.legal_actions()}
        for position, row in zip(positions, found.logits, strict=True)
    ]
    return worth, found.value


def test_what_hangs_is_taken_and_what_is_protected_is_not() -> None:
    (free, guarded), values = look(
        "4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1",  # a pawn may take the queen
        "4k3/2p5/3p4/8/8/8/3Q4/4K3 w - - 0 1",  # the queen may take a pawn that another protects
    )
    assert max(free, key=lambda move: free[move]) == "e4d5"
    assert free["e4d5"] > 0 > free["e1e2"]
    assert guarded["d2d6"] < 0 < max(guarded.values())
    assert values == pytest.approx([max(free.values()), max(guarded.values())], abs=1e-6)


def test_a_mate_is_worth_all() -> None:
    (worth, escape), values = look(
        "6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", "6k1/8/6K1/8/8/8/8/R7 b - - 0 1"
    )
    assert worth["a1a8"] == pytest.approx(1.0) and values[0] == pytest.approx(1.0)
    assert values[1] < -0.3 and set(escape) == {"g8f8", "g8h8"}


def test_positions_are_looked_at_one_by_one_and_left_as_they_are() -> None:
    fens = ["r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"] * 2
    fens.insert(1, "n1n5/PPPk4/8/8/8/8/4Kppp/5N1N b - - 0 1")  # lines of captures without end
    worth, values = look(*fens)
    assert worth[0] == worth[2] and values[0] == values[2]
    assert all(-1 <= one <= 1 for row in worth for one in row.values())
    assert DEEPEST >= 8


def test_both_players_see_the_same() -> None:
    white, black = (
        "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4",
        "rnb1k1nr/pppp1ppp/8/2b1p3/4P2q/2N2N2/PPPP1PPP/R1BQKB1R b KQkq - 4 4",
    )
    (ours, theirs), values = look(white, black)
    assert values[0] == values[1] == pytest.approx(1.0)
    assert ours["h5f7"] == theirs["h4f2"] and sorted(ours.values()) == sorted(theirs.values())


def test_it_stands_in_for_a_network_where_there_is_none(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("alphazero.network.find.PRETRAINED", tmp_path)
    assert find_evaluator(CHESS, None)[1] == "material and captures"
    assert find_evaluator(load("connect4"), None)[1] == "random rollouts"
    with pytest.raises(ValueError, match="does not say what is noisy"):
        TacticsEvaluator(load("connect4"))


def test_a_player_of_its_own_takes_what_hangs() -> None:
    position = position_of("4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1")
    player = make_player("tactics:100", CHESS)
    (action,) = player.choose([position], np.random.default_rng(0))
    assert position.text(action) == "e4d5" and player.name == "tactics:100"
