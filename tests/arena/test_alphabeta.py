"""Brute force against plain minimax: on every position of tic-tac-toe, on random games in which a
side may move twice, on a game without repetition, and against the perfect solver of Connect Four.

Hand mutants that must die: the sign in `take` or `open_child` not turned by `to_play`; a window not
widened; `nearer` without effect or on the wrong side; bounds swapped in `store` or `look_up`; the
depth of an entry ignored; the table trusted with `uses_keys`; `complete` always true; the horizon
one ply off; killers or the table's move tried twice or left out.
"""

import numpy as np
import pytest

from alphazero.arena.alphabeta import WIN, AlphaBeta
from alphazero.game import Position, load
from alphazero.game.jit import PURE_PYTHON, kernel
from tests.helpers.toy_games import RANDOM, RING, position_of
from tests.judges import connect4_solver as solver

TICTACTOE = load("tic-tac-toe")
CONNECT4 = load("connect4")


def minimax(position: Position, depth: int, known: dict | None = None) -> tuple[int, bool]:
    """The score as alphabeta.py defines it, and whether the depth limit was felt anywhere."""
    if position.is_over:
        return round(WIN * position.value_to_move()), False
    if depth == 0:
        return 0, True
    name = (position.key, depth)
    if known is not None and name in known:
        return known[name]
    scores = move_scores(position, depth, known)
    found = max(score for score, _ in scores.values()), any(felt for _, felt in scores.values())
    if known is not None:
        known[name] = found
    return found


def move_scores(position, depth, known=None):
    scores = {}
    for action in position.legal_actions():
        player = position.to_play
        position.play(action)
        score, felt = minimax(position, depth - 1, known)
        if position.to_play != player:
            score = -score
        scores[action] = score - int(np.sign(score)), felt
        position.undo()
    return scores


def agrees(finding, position, depth, known=None):
    """Whether a search has found the value of plain minimax, by a move that has it."""
    scores = move_scores(position, depth, known)
    best = max(score for score, _ in scores.values())
    if abs(best) > WIN - 1000:
        right = finding.value == np.sign(best) and finding.plies == WIN - abs(best)
    else:
        right = finding.value == pytest.approx(best / WIN, abs=1e-9) and finding.plies is None
    return right and scores[finding.action][0] == best


def every_position():
    """Every unfinished position of tic-tac-toe once: 4520 of the 5478."""
    level, found = [TICTACTOE.position()], []
    total = 0
    while level:
        following = {}
        total += len(level)
        for position in level:
            if position.is_over:
                continue
            found.append(position)
            for action in position.legal_actions():
                after = position.copy()
                after.play(action)
                following[after.key] = after
        level = list(following.values())
    assert (total, len(found)) == (5478, 4520)
    return found


# -- equality with minimax -------------------------------------------------------------------------


@pytest.mark.slow
def test_every_position_of_tictactoe():
    search = AlphaBeta(TICTACTOE, table_bits=14)
    known: dict = {}
    positions = every_position()
    for position in positions[4000:4100] if PURE_PYTHON else positions:
        finding = search.search(position)
        assert finding.proven
        assert agrees(finding, position, 9, known), position.moves


def test_tictactoe_is_a_draw():
    finding = AlphaBeta(TICTACTOE).search(TICTACTOE.position())
    assert (finding.value, finding.proven, finding.plies) == (0, True, None)
    assert 1000 < finding.nodes < 33_000  # the whole tree has 549 946
    assert finding.nodes > 0


@pytest.mark.parametrize("table_bits", [0, 12])
def test_random_games_with_double_moves_and_split_points(table_bits):
    search = AlphaBeta(RANDOM, table_bits=table_bits)
    values = set()
    doubles = 0
    for seed in range(5 if PURE_PYTHON else 150):
        position = position_of(RANDOM, seed=seed)
        finding = search.search(position)
        assert finding.proven
        assert agrees(finding, position, 9), seed
        values.add(round(finding.value, 3))
        position.play(finding.action)
        doubles += position.to_play == 0
    assert PURE_PYTHON or (values >= {-1, -0.5, 0, 0.5, 1} and doubles > 30)


@pytest.mark.slow
def test_the_table_changes_no_value():
    # Long games with many transpositions: a bound that is used in the wrong direction, or in a
    # window where it says nothing, is seen in about one of a hundred.
    sizes = [AlphaBeta(RANDOM, table_bits=bits) for bits in (0, 5, 12)]
    nodes = [0, 0, 0]
    for seed in range(10 if PURE_PYTHON else 1500):
        position = position_of(RANDOM, seed=seed, last_ply=9 if PURE_PYTHON else 14, ends=60)
        findings = [search.search(position, seed=seed) for search in sizes]
        assert len({(finding.value, finding.plies) for finding in findings}) == 1, seed
        nodes = [total + found.nodes for total, found in zip(nodes, findings, strict=True)]
    assert nodes[0] > nodes[1] > nodes[2]  # and yet it is used


def test_random_games_at_every_depth():
    search = AlphaBeta(RANDOM, table_bits=8)
    for seed in range(2 if PURE_PYTHON else 40):
        position = position_of(RANDOM, seed=seed)
        for depth in range(1, 9):
            finding = search.search(position, depth)
            if finding.depth < depth:  # proven sooner
                assert finding.proven
                assert agrees(finding, position, 9)
            else:
                assert agrees(finding, position, depth), (seed, depth)
            if finding.proven:
                score, _ = minimax(position, 9)
                assert finding.value == pytest.approx(np.clip(score / WIN, -1, 1), abs=1e-4)


def test_nothing_is_proven_while_the_depth_limit_hides_something():
    search = AlphaBeta(RANDOM)
    for seed in range(2 if PURE_PYTHON else 60):
        position = position_of(RANDOM, seed=seed)
        finding = search.search(position, 3)
        score, felt = minimax(position, 3)
        if not felt or abs(score) > WIN - 1000:
            assert finding.proven
        # Cut-offs may hide the limit, so `felt` does not say "not proven"; the value must be right.
        elif finding.proven:
            assert minimax(position, 9)[0] == score


def test_values_that_depend_on_the_past():
    search = AlphaBeta(RING)
    results = set()
    for size in range(4, 8 if PURE_PYTHON else 16):
        position = position_of(RING, length=size)
        while (
            not position.is_over and position.ply < 4
        ):  # from ply 1 there is a past before the root
            finding = search.search(position)
            assert finding.proven
            assert agrees(finding, position, 20), (size, position.moves)
            results.add(finding.value)
            position.play(position.legal_actions()[size % 2 - 1])
    assert results == {-1, 1}


def test_small_boards_of_connect_four():
    # Known values: nobody wins on 4 x 4; one row is never four for both.
    small = load("connect4:rows=4,cols=4")
    finding = AlphaBeta(small, table_bits=4 if PURE_PYTHON else 18).search(
        small.position(), 3 if PURE_PYTHON else None
    )
    assert finding.value == 0 and finding.proven != PURE_PYTHON


def test_late_positions_of_connect_four_equal_the_perfect_solver():
    search, perfect = AlphaBeta(CONNECT4), solver.Solver(table_bits=16)
    decided = 0
    fewest = 36 if PURE_PYTHON else 28
    for moves in solver.random_positions(8 if PURE_PYTHON else 60, 5, fewest, 38):
        position = CONNECT4.position()
        for column in moves:
            position.play(column)
        score = perfect.score(moves)
        finding = search.search(position)
        assert finding.proven and finding.value == np.sign(score), moves
        assert perfect.judge([moves], weak=False).values[0, finding.action] == score, moves
        if score:
            discs = len(moves)
            mine, last = discs // 2, 22 - abs(score)  # discs of the winner at the end
            plies = 2 * (last - mine) - 1 if score > 0 else 2 * (last - (discs - mine))
            assert finding.plies == plies, moves
            decided += 1
    assert decided > (2 if PURE_PYTHON else 20)


# -- by name ---------------------------------------------------------------------------------------


def connect4(text):
    position = CONNECT4.position()
    for column in text:
        position.play(column)
    return position


def best(position, depth, **options):
    finding = AlphaBeta(position.game, table_bits=12).search(position, depth, **options)
    return position.text(finding.action), finding


def test_takes_a_win():
    move, finding = best(connect4("aabbcc"), 1)
    assert move == "d" and finding.plies == 1 and finding.proven and finding.value == 1


def test_blocks_a_threat():
    move, finding = best(connect4("aabbc"), 2)
    assert move == "d" and not finding.proven and finding.value == 0


def test_sees_a_double_threat_three_plies_ahead():
    move, finding = best(connect4("cgda"), 3)
    assert move == "e" and finding.plies == 3 and finding.value == 1


def test_looks_no_further_than_a_proof():
    _, finding = best(connect4("aabbcc"), 5)
    assert finding.plies == 1 and finding.depth == 1
    _, finding = best(connect4("cgdae"), 8)  # c d e with b and f open: lost
    assert (finding.plies, finding.depth, finding.value, finding.proven) == (2, 2, -1, True)


def test_ties_are_settled_by_the_seed():
    search = AlphaBeta(CONNECT4)
    start = CONNECT4.position()
    moves = [search.search(start, 2, seed=seed).action for seed in range(40)]
    assert set(moves) == set(range(7))
    assert moves == [search.search(start, 2, seed=seed).action for seed in range(40)]


def test_a_search_leaves_nothing_behind():
    search, fresh = AlphaBeta(CONNECT4), AlphaBeta(CONNECT4)
    position = connect4("dcde")
    search.search(connect4("dcd"), 4)
    one, other = search.search(position, 4, seed=3), fresh.search(position, 4, seed=3)
    assert (one.action, one.value, one.nodes) == (other.action, other.value, other.nodes)


def test_generations_of_the_table_wrap_around():
    search = AlphaBeta(TICTACTOE, table_bits=10)
    search._progress["generation"] = np.iinfo(np.int16).max - 1
    position = TICTACTOE.position()
    for action in (4, 0, 8):
        position.play(action)
    nodes = {search.search(position, seed=1).nodes for _ in range(4)}
    assert len(nodes) == 1


def test_out_of_time_there_is_a_move_all_the_same():
    finding = AlphaBeta(CONNECT4).search(CONNECT4.position(), seconds=0)
    assert finding.depth == 1 and not finding.proven and 0 <= finding.action < 7


@pytest.mark.skipif(PURE_PYTHON, reason="too slow to be stopped in the middle")
def test_time_limit_stops_a_search_that_would_take_years():
    finding = AlphaBeta(CONNECT4).search(CONNECT4.position(), seconds=0.2)
    assert 4 < finding.depth < 30 and not finding.proven and finding.seconds < 20


@kernel
def likes_column_f(state):
    discs = (state.mine >> np.uint64(35)) & np.uint64(63)
    return 0.25 if discs else 0.0


def test_a_heuristic_counts_where_the_depth_ends():
    search = AlphaBeta(CONNECT4, heuristic=likes_column_f)
    finding = search.search(CONNECT4.position(), 1)  # judged by the opponent, who has no disc
    assert finding.value == 0 and not finding.proven
    finding = search.search(CONNECT4.position(), 2)
    assert CONNECT4.position().text(finding.action) == "f"
    assert finding.value == pytest.approx(0.25, abs=1e-4) and not finding.proven


def test_a_heuristic_never_counts_as_a_proof():
    search = AlphaBeta(CONNECT4, heuristic=certain_of_everything)
    finding = search.search(CONNECT4.position(), 2)
    assert not finding.proven and finding.plies is None and 0.9 < finding.value < 1


@kernel
def certain_of_everything(state):
    return 1.0


def test_a_finished_game_is_not_searched():
    with pytest.raises(ValueError, match="the game is over"):
        AlphaBeta(CONNECT4).search(connect4("aabbccd"))


# -- chess, which offers tactics -------------------------------------------------------------------

CHESS = load("chess")
slow_in_python = pytest.mark.skipif(PURE_PYTHON, reason="too slow without compiled code")


def chess(fen):
    state = CHESS.position().state
    CHESS.pieces.set_fen(state, fen)
    return Position(CHESS, state)


@slow_in_python
@pytest.mark.parametrize(
    ("fen", "depth", "move", "plies"),
    [
        ("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", 1, "Ra8#", 1),
        ("2rr3k/pp3pp1/1nnqbN1p/3pN3/2pP4/2P3Q1/PPB4P/R4RK1 w - - 0 1", 3, "Qg6", 3),
        ("4k3/8/8/3p4/4P3/8/8/4K3 w - - 0 1", 1, "exd5", None),
        ("4k3/P7/8/8/8/8/8/4K3 w - - 0 1", 1, "a8=Q+", None),
    ],
)
def test_chess_by_example(fen, depth, move, plies):
    position = chess(fen)
    finding = AlphaBeta(CHESS, table_bits=16).search(position, depth)
    assert finding.plies == plies
    assert CHESS.pieces.san(position.state, finding.action) == move


@slow_in_python
def test_a_search_does_not_stop_in_the_middle_of_an_exchange():
    # The queen could take a pawn that another protects: at depth 1 only captures show it.
    position = chess("4k3/2p5/3p4/8/8/8/3Q4/4K3 w - - 0 1")
    finding = AlphaBeta(CHESS, table_bits=12).search(position, 1)
    assert CHESS.pieces.san(position.state, finding.action) != "Qxd6" and finding.value > 0.4


@slow_in_python
def test_the_end_of_the_search_is_not_the_end_of_a_check():
    # Nf7 is mate one ply beyond the limit of a search that gives the check on its last ply.
    position = chess("6rk/6pp/8/6N1/8/8/8/6K1 w - - 0 1")
    finding = AlphaBeta(CHESS, table_bits=12).search(position, 1)
    assert CHESS.pieces.san(position.state, finding.action) == "Nf7#" and finding.plies == 1


@slow_in_python
def test_a_position_is_worth_the_same_for_both_players():
    value = CHESS.tactics.value
    for fen in (
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
        "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
        "4k3/8/8/8/8/8/3P4/4K3 w - - 0 1",
    ):
        board, _, castling, *rest = fen.split()
        rows = "/".join(reversed(board.split("/"))).swapcase()
        turned = " ".join([rows, "b", castling.swapcase(), *rest])
        assert value(chess(fen).state) == value(chess(turned).state), fen
    quiet = value(chess("4k3/8/8/8/8/8/8/4K3 w - - 0 1").state)
    pawn = value(chess("4k3/8/8/8/8/8/3P4/4K3 w - - 0 1").state)
    queen = value(chess("4k3/8/8/8/8/8/3Q4/4K3 w - - 0 1").state)
    assert abs(quiet) < 0.1 < pawn < queen < 1


@pytest.mark.slow
@slow_in_python
def test_noisy_moves_are_the_captures_and_promotions_that_do_not_lose_at_sight():
    kernels, actions = CHESS.tactics, np.zeros(CHESS.max_legal, np.int32)
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(30):
        position = CHESS.position()
        while not position.is_over and len(position.moves) < 80:
            state = position.state
            count, forced = kernels.noisy(state, actions)
            found = set(actions[:count].tolist())
            legal = position.legal_actions()
            assert found <= set(legal)
            assert forced == CHESS.pieces.in_check(state) and (not forced or found == set(legal))
            count = kernels.moves(state, actions)
            assert sorted(actions[:count].tolist()) == legal
            for action in legal:
                san = CHESS.pieces.san(state, action)
                loud = "x" in san or "=Q" in san
                assert bool(kernels.gain(state, action)) == loud, san
                if not forced and loud and action not in found:
                    seen += 1  # a piece took a pawn
                    assert san[0].isupper(), san
                elif not forced and action in found:
                    assert loud or "=" in san, san
            position.play(int(rng.choice(legal)))
    assert seen > 10


@slow_in_python
def test_chess_leaves_nothing_behind_and_deepens_to_the_same_end():
    search = AlphaBeta(CHESS, table_bits=14)
    middle = "r1bq1rk1/pp2bppp/2n2n2/2pp4/3P1B2/2PBPN2/PP1N1PPP/R2QK2R w KQ - 0 9"
    fresh = AlphaBeta(CHESS, table_bits=14).search(chess(middle), 4, seed=2)
    search.search(CHESS.position(), 5)
    again = search.search(chess(middle), 4, seed=2)
    assert (fresh.action, fresh.value, fresh.nodes) == (again.action, again.value, again.nodes)
