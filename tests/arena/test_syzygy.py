"""Real endgame tables, where ALPHAZERO_SYZYGY names a folder with those of three and four men.

They are judged by the rules: what they call won must end in mate, and results of positions must
follow from those of the positions after them.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from alphazero.arena.players import make_player
from alphazero.arena.tablebase import Tablebase, TablebaseEvaluator
from alphazero.config import SearchConfig
from alphazero.errors import UserError
from alphazero.formats.pgn.reader import start_from
from alphazero.game import Position, load
from alphazero.network.evaluator import UniformEvaluator
from alphazero.search.search import Search

FOLDER = os.environ.get("ALPHAZERO_SYZYGY", "")
pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="ALPHAZERO_SYZYGY names no folder of Syzygy tables"),
    pytest.mark.slow,
]
CHESS = load("chess")
WON = ["KQvK", "KRvK", "KBBvK", "KBNvK", "KQvKR", "KPvK", "KQvKN"]


@pytest.fixture(scope="module")
def tables() -> Tablebase:
    return Tablebase(FOLDER)


def positions_of(material: str, count: int, seed: int = 0) -> list[Position]:
    """Random legal positions with these pieces, as in KBNvK, White having the first ones."""
    rng = np.random.default_rng(seed)
    strong, weak = material.split("v")
    found: list[Position] = []
    while len(found) < count:
        squares = rng.permutation(64)[: len(strong + weak)]
        board = np.full(64, "1")
        board[squares] = list(strong + weak.lower())
        if any(piece in "Pp" for piece in (*board[:8], *board[56:])):
            continue
        rows = "/".join("".join(row) for row in board.reshape(8, 8))
        try:
            position = start_from(CHESS, f"{rows} {rng.choice(['w', 'b'])} - - 0 1")
        except UserError:  # kings side by side, or in check out of turn
            continue
        if not position.is_over:
            found.append(position)
    return found


@pytest.mark.parametrize("material", WON)
def test_what_the_tables_call_won_ends_in_mate(tables: Tablebase, material: str) -> None:
    """The winner makes their moves, the loser random ones that they call the slowest."""
    rng = np.random.default_rng(1)
    mates = 0
    for position in positions_of(material, 12):
        result = tables.result(position)
        assert result is not None
        first = position.to_play
        while not position.is_over:
            ending = tables.ending(position)
            assert ending is not None
            position.play(int(rng.choice(ending.actions)))
            if len(position.moves) > 20 and result == 0:
                break  # a draw would go on for fifty moves
        outcome = position.outcome()
        if result:
            assert outcome is not None and outcome.values[first] == result
            mates += 1
    assert mates > 3


@pytest.mark.parametrize("material", WON)
def test_results_follow_from_those_of_the_next_positions(tables: Tablebase, material: str) -> None:
    """After a capture or a pawn's move only: the others count towards the fifty moves."""
    for position in positions_of(material, 40, seed=2):
        ending, result = tables.ending(position), tables.result(position)
        assert ending is not None and result is not None and result == ending.result
        for action in position.legal_actions():
            position.play(action)
            after = position.outcome()
            found = tables.result(position) if after is None else after.values[position.to_play]
            if found is not None:
                assert -found <= result
            position.undo()


def test_the_search_proves_what_tables_know(tables: Tablebase) -> None:
    """It takes the queen, after which a rook mates: far beyond what 40 simulations see."""
    evaluator = TablebaseEvaluator(UniformEvaluator(CHESS), tables, CHESS)
    position = start_from(CHESS, "8/8/8/3q4/8/8/3R4/K6k w - - 0 1")
    search = Search(CHESS, evaluator, SearchConfig(policy="puct", simulations=40))
    search.begin(0, position, seed=1)
    search.run()
    result = search.result(0)
    assert position.text(result.best) == "d2d5" and result.proven == 1 and evaluator.hits > 0


@pytest.mark.parametrize("material", ["KBNvK", "KQvKR"])
def test_a_player_with_tables_wins_won_endings(material: str) -> None:
    player = make_player(f"mcts:16,syzygy={FOLDER}", CHESS)
    rng = np.random.default_rng(3)
    won = [p for p in positions_of(material, 40, seed=4) if Tablebase(FOLDER).result(p) == 1][:5]
    for position in won:
        side = position.to_play
        while not position.is_over:
            if position.to_play == side:
                action = player.choose([position], rng)[0]
            else:
                action = int(rng.choice(position.legal_actions()))
            position.play(action)
        outcome = position.outcome()
        assert outcome is not None and outcome.values[side] == 1
    assert len(won) == 5


def test_the_folder_holds_tables_of_at_least_four_men(tables: Tablebase) -> None:
    assert tables.men >= 4 and list(Path(FOLDER).glob("KBNvK.rtbw"))
