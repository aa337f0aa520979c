"""The perfect Connect Four solver against brute force, published scores and symmetry."""

import numpy as np
import pytest

from alphazero.game.jit import PURE_PYTHON
from tests.judges import connect4_solver as solver

LINES = [
    [(column + i * right, row + i * up) for i in range(4)]
    for right, up in ((1, 0), (0, 1), (1, 1), (1, -1))
    for column in range(7)
    for row in range(6)
    if 0 <= column + 3 * right < 7 and 0 <= row + 3 * up < 6
]


def brute_force(moves: list[int]) -> int:
    """The score by plain minimax on lists of discs: slow, and too simple to be wrong."""
    columns: list[list[int]] = [[] for _ in range(7)]
    for ply, column in enumerate(moves):
        columns[column].append(ply % 2)
    return _brute_force(columns, len(moves))


def _brute_force(columns: list[list[int]], ply: int) -> int:
    best = None
    for column in columns:
        if len(column) == 6:
            continue
        column.append(ply % 2)
        if _won(columns, ply % 2):
            score = 22 - (ply // 2 + 1)
        else:
            score = -_brute_force(columns, ply + 1)
        column.pop()
        best = score if best is None else max(best, score)
    return 0 if best is None else best


def _won(columns: list[list[int]], player: int) -> bool:
    return any(
        all(row < len(columns[column]) and columns[column][row] == player for column, row in line)
        for line in LINES
    )


def mirrored(moves: list[int]) -> list[int]:
    return [6 - column for column in moves]


def digits(text: str) -> list[int]:
    return [int(digit) - 1 for digit in text]


def test_there_are_69_lines_and_each_is_a_win():
    assert len(LINES) == 69
    for line in LINES:
        discs = np.uint64(sum(1 << 7 * column + row for column, row in line))
        assert solver.has_four(discs)
        for column, row in line:  # and its last cell is seen from the other three
            if line[0][0] == line[1][0] and row < line[3][1]:
                continue  # a column fills from below
            cell = np.uint64(1 << 7 * column + row)
            three = discs ^ cell
            assert not solver.has_four(three)
            assert solver.winning_cells(three, three) & cell


def test_lines_do_not_wrap_around_the_edge():
    for step in (6, 7, 8, 1):
        for lowest in range(49 - 3 * step):
            cells = [(bit // 7, bit % 7) for bit in range(lowest, lowest + 4 * step, step)]
            if any(row == 6 for _, row in cells):
                continue  # the sentinel row is never filled
            discs = np.uint64(sum(1 << 7 * column + row for column, row in cells))
            in_line = sorted(cells) in [sorted(line) for line in LINES]
            assert solver.has_four(discs) == in_line


@pytest.mark.parametrize(("fewest", "count"), [(36, 40), (33, 30), (31, 6)])
def test_scores_of_late_positions_equal_brute_force(fewest, count):
    judge = solver.Solver(table_bits=16)
    for moves in solver.random_positions(count, seed=fewest, fewest=fewest, most=fewest + 2):
        expected = brute_force(moves)
        assert judge.score(moves) == expected, moves
        assert judge.result(moves) == np.sign(expected), moves


def test_values_of_moves_equal_brute_force():
    judge = solver.Solver(table_bits=16)
    positions = solver.random_positions(25, seed=2, fewest=34, most=41)
    scores = judge.judge(positions, weak=False).values
    results = judge.judge(positions, weak=True)
    for row, moves in enumerate(positions):
        for column in range(7):
            if moves.count(column) == 6:
                assert scores[row, column] == results.values[row, column] == solver.ILLEGAL
                continue
            columns: list[list[int]] = [[] for _ in range(7)]
            for ply, played in enumerate([*moves, column]):
                columns[played].append(ply % 2)
            won = _won(columns, len(moves) % 2)
            expected = 22 - (len(moves) // 2 + 1) if won else -brute_force([*moves, column])
            assert scores[row, column] == expected
            assert results.values[row, column] == np.sign(expected)


@pytest.mark.parametrize(
    ("moves", "score"),
    [  # from the public test sets of blog.gamesolver.org (Pascal Pons)
        ("2252576253462244111563365343671351441", -1),
        ("7422341735647741166133573473242566", 1),
        ("23163416124767223154467471272416755633", 0),
        ("65214673556155731566316327373221417", -1),
    ],
)
def test_published_scores(moves, score):
    assert solver.Solver(table_bits=16).score(digits(moves)) == score


def test_a_win_at_once_and_a_double_threat():
    judge = solver.Solver()
    assert judge.score(digits("112233")) == 22 - 4  # the fourth in the bottom row
    # ".ooo." on the bottom row with both ends open is lost for the other side, two plies later.
    assert judge.score(digits("33445")) == -(22 - 4)


def test_safe_moves_block_a_threat_and_leave_alone_what_the_opponent_needs():
    def safe(text):
        cells = int(solver.safe_moves(*solver.board(digits(text))))
        return [column + 1 for column in range(7) if cells >> 7 * column & 0b111111]

    assert safe("1122337") == [4]  # a1 b1 c1 threaten d1
    assert safe("33445") == []  # both b1 and f1
    assert safe("") == [1, 2, 3, 4, 5, 6, 7]
    assert safe("71213273") == [1, 2, 3, 5, 6, 7]  # after d1 the other has a2 b2 c2 d2


@pytest.mark.slow
def test_weak_results_are_the_signs_of_scores_and_mirror():
    fewest, count = (30, 5) if PURE_PYTHON else (14, 100)
    judge = solver.Solver()
    positions = solver.random_positions(count, seed=8, fewest=fewest, most=34)
    weak, strong = judge.judge(positions).values, judge.judge(positions, weak=False).values
    reflected = solver.Solver().judge([mirrored(moves) for moves in positions]).values
    legal = weak != solver.ILLEGAL
    assert (weak == np.where(legal, np.sign(strong), solver.ILLEGAL)).all()
    assert (weak == reflected[:, ::-1]).all()
    for moves, row in zip(positions, strong, strict=True):
        assert judge.score(moves) == row.max()


@pytest.mark.skipif(PURE_PYTHON, reason="two million nodes")
def test_eight_discs_are_solved():
    judge = solver.Solver()
    assert judge.score(digits("32164625")) == 11  # first line of the public "beginning, easy" set


def test_the_empty_board_is_not_an_empty_entry_of_the_table():
    table, nodes = np.zeros(4, np.uint64), np.zeros(1, np.int64)
    none = np.uint64(0)
    assert solver.negamax(none, none, 20, 21, table, nodes) == 20  # no win before the 7th ply


def test_a_tiny_table_changes_nothing():
    positions = solver.random_positions(20, seed=4, fewest=30, most=34)
    small, large = solver.Solver(table_bits=4), solver.Solver(table_bits=18)
    assert (small.judge(positions).values == large.judge(positions).values).all()
    assert small.nodes > large.nodes  # and yet it was used


def test_judgement_marks_best_moves_and_decisive_positions():
    illegal = solver.ILLEGAL
    judgement = solver.Judgement(
        np.array(
            [[1, 0, 1, -1, -1, illegal, 0], [0, 0, illegal, 0, 0, 0, 0], [-1, -1, 0, 0, 0, 0, 0]],
            np.int8,
        )
    )
    assert judgement.best.sum(axis=1).tolist() == [2, 6, 5]
    assert judgement.decisive.tolist() == [True, False, True]
    assert judgement.share_best([0, 1, 1]) == (pytest.approx(2 / 3), 0.5)


def test_random_positions_are_seeded_distinct_unfinished_and_spread():
    positions = solver.random_positions(300, seed=1)
    assert positions == solver.random_positions(300, seed=1)
    assert positions != solver.random_positions(300, seed=2)
    assert len({solver.board(moves) for moves in positions}) == 300
    counts = np.bincount([len(moves) for moves in positions], minlength=25)
    assert counts[:8].sum() == 0 and (counts[8:25] > 5).all()
    for moves in positions:
        board = solver.board(moves)  # raises if a column is overfull or the game was over before
        assert not solver.has_four(board.own ^ board.filled)


def test_boards_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"move 7 .*column 0 is full"):
        solver.board([0] * 7)
    with pytest.raises(ValueError, match=r"move 8 .*the game is over"):
        solver.board(digits("11223347"))
