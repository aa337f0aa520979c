"""Endings against an opponent who only passes: no territory filled, no point lost, an end soon."""

import functools

import numpy as np
import pytest

from alphazero.engine.analysis import Analysis
from alphazero.engine.engine import Engine
from alphazero.engine.options import EngineOptions
from alphazero.engine.passing import (
    PassAnswer,
    answer_to_pass,
    capturing_moves,
    gainful_moves,
    regions,
    without_waste,
)
from alphazero.game import Position, load
from tests.helpers.gtp_conversation import Conversation
from tests.judges.go_endings import endings

EYES, WALL = ". X . X O . O . O\n", "X X X X O O O O O\n"
FULL = 4 * (EYES + WALL) + EYES  # nobody can gain or lose a point: White is 9 ahead on the board
OPEN = ". X X . O O O . O\n" + WALL + FULL.split("\n", 2)[2]  # but for D9, which nobody has
DEAD = 2 * (EYES + WALL) + EYES + 2 * WALL + ". X . X O . X . O\nX X X X O O . O O\n"  # G2 is
SEKI = (
    "C9 D9 C8 D8 C7 D7 C6 D6 C5 D5 A4 D4 B4 E4 C4 B3 A3 C3 D3 E3 D2 A2 D1 B2 pass E2 pass A1"
    " pass B1 pass E1"
)
MOST_MOVES = 25  # of an engine whose opponent passes, from the end of a game on


CHINESE, AS_IT_STANDS = "chinese", "tromp-taylor"


@functools.cache
def engine(rules: str = CHINESE) -> Engine:
    from alphazero.engine.engine import make_engine

    game = load(f"go:size=9,komi=7,rules={rules}")
    return make_engine(game, EngineOptions("go", simulations=30, seed=1), lambda text: None)


def set_up(text: str, to_play: int, komi: float = 7, rules: str = CHINESE) -> Position:
    """A position whose last move is a pass of the opponent."""
    rows = [line.split() for line in text.strip().splitlines()]
    board = np.array([[".XO".index(cell) for cell in row] for row in rows], np.int8)
    position = engine(rules).game.position()
    assert position.game.stones is not None
    position.game.stones.set_up(position.start_state, board, 1 - to_play)
    position.game.stones.set_komi(position.start_state, komi)
    made = Position(position.game, position.start_state)
    made.play("pass")
    return made


def answer(position: Position) -> PassAnswer:
    return answer_to_pass(engine(), position)


def names(position: Position, moves: list[int] | None) -> set[str]:
    return {position.text(move) for move in moves or []}


def test_a_win_is_a_reason_to_pass_at_once() -> None:
    for rules in (CHINESE, AS_IT_STANDS, "japanese"):
        assert "win" in answer(set_up(FULL, 1, rules=rules)).reason
    assert "win" in answer(set_up(DEAD, 1, komi=-6)).reason


def test_a_lost_game_is_ended_when_there_is_nothing_to_gain() -> None:
    for rules in (CHINESE, AS_IT_STANDS, "japanese"):
        for text in (FULL, DEAD):
            assert "nothing" in answer(set_up(text, 0, komi=30, rules=rules)).reason


def test_a_point_that_nobody_has_is_taken_before_a_lost_game_ends() -> None:
    black = set_up(OPEN, 0)
    reason, moves = answer(black)
    assert not reason and names(black, moves) == {"D9"}
    assert "nothing" in answer(set_up(OPEN, 0, komi=30, rules="japanese")).reason


def test_a_dead_stone_that_would_cost_the_game_is_captured() -> None:
    """White is behind by 2 as the board stands, and ahead by 3 without G2."""
    white = set_up(DEAD, 1, komi=-6, rules=AS_IT_STANDS)
    reason, moves = answer(white)
    assert not reason and names(white, moves) == {"F2", "H2", "G1", "pass"}
    assert names(white, capturing_moves(white, engine().judge(white))) == {"F2", "H2", "G1"}
    assert capturing_moves(set_up(DEAD, 0), engine().judge(set_up(DEAD, 0))) is None


def test_without_the_time_for_the_judge_an_estimate_decides(monkeypatch) -> None:
    monkeypatch.setattr(Engine, "judge", None)
    assert "win" in answer_to_pass(engine(), set_up(FULL, 1), 0.1).reason
    black = set_up(OPEN, 0)
    assert "D9" in names(black, answer_to_pass(engine(), black, 0.1).moves)


def test_nobody_takes_the_last_liberties_of_a_seki() -> None:
    position = engine().game.position(SEKI)
    for player in (0, 1):
        position.set_to_play(player)
        judgement = engine().judge(position)
        expected = judgement.ownership if player == 0 else -judgement.ownership
        assert gainful_moves(position, judgement, expected) == []


def test_an_open_board_is_played_on() -> None:
    position = engine().game.position("E5 C3 G6 pass")
    reason, moves = answer(position)
    assert not reason and "pass" not in names(position, moves) and len(moves or []) == 78


def test_regions() -> None:
    points = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1]], bool)
    found = sorted(int(region.sum()) for region in regions(points))
    assert found == [1, 2, 2]


@pytest.mark.slow
@pytest.mark.parametrize("rules", [CHINESE, "japanese", AS_IT_STANDS])
@pytest.mark.parametrize("number", range(4))
def test_whole_endings_against_passes(rules: str, number: int) -> None:
    """Each side in turn, some moves before both players of a finished game passed."""
    ending = [*endings(9, 6)][number].position
    sequence = [ending.copy()]
    while sequence[-1].moves:
        before = sequence[-1].copy()
        before.undo()
        sequence.append(before)
    start = sequence[2 + 3 * number]  # the two passes, and more and more moves
    conversation = Conversation("go:size=9", simulations=30, may_resign=False)
    for color, other in ("bw", "wb"):
        conversation.all("clear_board", f"kata-set-rules {rules}", "komi 7")
        for ply, action in enumerate(start.moves):
            conversation.all(f"play {'bw'[ply % 2]} {ending.text(action)}")
        state = conversation.session.state
        sign = 1 if color == "b" else -1
        owned = sign * engine().judge(state.position).ownership
        conversation.all(f"play {other} pass")
        expected = sign * engine().judge(state.position).score
        moves: list[str] = []
        while moves[-1:] != ["pass"]:
            moves += conversation.all(f"genmove {color}")
            assert len(moves) <= MOST_MOVES, moves
            if moves[-1] != "pass":
                conversation.all(f"play {other} pass")
        score = conversation("final_score")
        points = float(score[2:] or 0) * (1 if score[0].lower() == color else -1)
        if rules == AS_IT_STANDS:  # no dead stone of the opponent's is left that costs the game
            assert (points > 0) >= (expected > 0), (moves, score, expected)
        else:
            assert points >= expected, (moves, score, expected)
            taken = [ending.action(move) for move in moves[:-1]]
            assert not any(owned.flat[action] == 1 for action in taken), moves


def test_territory_is_not_filled_where_that_costs_a_point() -> None:
    """A search by area does not mind whether it passes or fills a point of its own."""
    halves = set_up(9 * ". . X X X O O . .\n", 0)
    stones = halves.game.stones
    assert stones is not None

    def chosen(rules: str, move: str) -> str:
        position = halves.copy()
        position.amend(lambda state: stones.set_rules(state, stones.rules[rules]))
        value = engine().evaluate(position)[1]
        analysis = Analysis(0, value, None, position.action(move), [], 10, 1.0)
        return position.text(without_waste(engine(), position, analysis).action)

    assert chosen("japanese", "A5") == "pass"
    assert chosen("chinese", "A5") == "A5"
    assert chosen("japanese", "J5") == "J5", "an invasion is for the search to judge"
