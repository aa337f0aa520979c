"""Go: positions made by hand, rulesets, texts, planes, boards within boards.

That the rules are right on many positions is in `test_go_oracles.py`, life in `test_go_life.py`.
"""

import functools

import numpy as np
import pytest

from alphazero.errors import UserError
from alphazero.game import Game, Position, Stones
from alphazero.game import load as load_anew
from alphazero.game.check import check
from alphazero_games import go, go_board_rules
from alphazero_games.go_playout_rules import NEAR, ORDINARY, SAVE, SELF_ATARI, TAKE, TAKE_AND_SAVE
from tests.games.test_go_oracles import SEND_TWO, TRIPLE_KO, set_up
from tests.judges.go_oracle import read_board

load = functools.cache(load_anew)


def stones_of(position: Position) -> Stones:
    assert position.game.stones is not None
    return position.game.stones


def score(position: Position) -> float:
    return stones_of(position).score(position.state, None)


def play(position: Position, moves: str) -> Position:
    for move in moves.split():
        position.play(move)
    return position


def why_illegal(position: Position, move: str) -> str:
    with pytest.raises(ValueError) as caught:
        position.play(move)
    return str(caught.value)


@pytest.mark.parametrize(
    ("spec", "games"),
    [
        ("go:size=5", 30),
        ("go:size=5,tidy=true,suicide=false", 20),
        ("go:size=9", 8),
        ("go:width=6,height=4,rules=japanese", 20),
        pytest.param("go:width=19,height=25", 4, marks=pytest.mark.slow),
        pytest.param("go:size=2,ko=simple", 60, marks=pytest.mark.slow),
        pytest.param("go:size=19,rules=chinese", 30, marks=pytest.mark.slow),
    ],
)
def test_the_contract_holds(spec: str, games: int) -> None:
    failures = check(load(spec), games)
    assert not failures, "\n".join(map(str, failures))


# -- ko --------------------------------------------------------------------------------------------

KO = read_board(
    """
    . X O . .
    X O . O .
    . X O . .
    . . . . .
    . . . . .
    """
)


@pytest.mark.parametrize("ko", ["simple", "positional", "situational"])
def test_ko_is_retaken_after_a_threat(ko: str) -> None:
    position = play(set_up(load(f"go:size=5,ko={ko}"), KO), "C4")
    assert "ko" in why_illegal(position, "B4")
    play(position, "E1 A1 B4")
    assert stones_of(position).captures(position.state) == (1, 1)
    assert "ko" in why_illegal(position, "C4")


@pytest.mark.parametrize("ko", ["simple", "positional", "situational"])
def test_the_ban_of_ko_is_for_the_other_player_only(ko: str) -> None:
    """Who took the stone may fill the ko, in programs that let a player move twice."""
    position = play(set_up(load(f"go:size=5,ko={ko}"), KO), "C4")
    position.set_to_play(0)
    assert not position.planes()[go.FORBIDDEN].any()
    assert position.text(position.play("B4")) == "B4"
    position.undo()
    position.set_to_play(1)
    assert position.planes()[go.FORBIDDEN].sum() == 1
    assert "ko" in why_illegal(position, "B4")


def test_a_snapback_is_no_ko() -> None:
    board = """
        X . O X .
        X O O X .
        X X X X .
        . . . . .
        . . . . .
    """
    position = set_up(load("go:size=5"), read_board(board), to_play=0)
    play(position, "B5 pass")
    assert stones_of(position).captures(position.state) == (3, 0)
    thrown_in = """
        . . X O .
        O O X O .
        . X X O .
        X O O O .
        X . . . .
    """
    position = set_up(load("go:size=5"), read_board(thrown_in), to_play=1)
    play(position, "A3 A5")
    assert stones_of(position).captures(position.state) == (0, 0)


def test_two_stones_that_take_one_are_no_ko() -> None:
    board = """
        . O X . .
        O O X . .
        X X X . .
        . . . . .
        . . . . .
    """
    position = play(set_up(load("go:size=5,ko=simple"), read_board(board)), "A5")
    assert stones_of(position).captures(position.state) == (3, 0)
    play(position, "B5 A4 B4")  # White's stone is taken: nothing is forbidden that takes back none
    assert not position.planes()[go.FORBIDDEN].any()


def test_superko_is_told_from_ko() -> None:
    position = play(set_up(load("go:size=9"), TRIPLE_KO), "D9 C6 D1 C9 D6")
    assert why_illegal(position, "C6") == "C6 is illegal: ko: the stone may not be retaken at once"
    assert why_illegal(position, "C1") == (
        "C1 is illegal: superko: it would repeat an earlier position"
    )


def test_passes_repeat_a_position_and_are_legal() -> None:
    for ko in ("positional", "situational"):
        position = play(set_up(load(f"go:size=5,ko={ko}"), KO), "C4 pass")
        assert position.is_legal(position.action("pass"))
        assert not position.planes()[go.FORBIDDEN].any()  # Black cannot retake his own ko


# -- suicide ---------------------------------------------------------------------------------------

SUICIDE = read_board(
    """
    . X O . .
    O O . . .
    . . . . .
    . . . O O
    . . . O .
    """
)


def test_suicide_of_two_stones_is_a_question_of_rules() -> None:
    position = set_up(load("go:size=5,suicide=false"), SUICIDE)
    assert why_illegal(position, "A5") == "A5 is illegal: suicide: the stone would have no liberty"
    position = play(set_up(load("go:size=5,suicide=true"), SUICIDE), "A5")
    assert stones_of(position).captures(position.state) == (0, 2)
    assert not stones_of(position).board(position.state)[0, :2].any()
    assert position.is_legal(position.action("A5"))  # White's own eye now


@pytest.mark.parametrize("suicide", ["true", "false"])
def test_suicide_of_one_stone_is_never_legal(suicide: str) -> None:
    position = set_up(load(f"go:size=5,suicide={suicide}"), SUICIDE)
    assert "suicide" in why_illegal(position, "E1")


# -- rulesets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "send_two", "suicide", "handicap_of_4"),
    [
        ("tromp-taylor", False, True, 0),
        ("chinese-ogs", False, False, 4),
        ("aga", True, False, 3),
        ("new-zealand", True, True, 0),
    ],
)
def test_rulesets(rules: str, send_two: bool, suicide: bool, handicap_of_4: int) -> None:
    game = load(f"go:size=5,rules={rules}")
    position = play(set_up(game, SEND_TWO, to_play=1), "A5 C5")
    assert position.is_legal(position.action("B5")) == send_two
    position = set_up(game, SUICIDE)
    assert position.is_legal(position.action("A5")) == suicide
    planes = position.planes()
    assert (planes[go.SUICIDE] == suicide).all() and (planes[go.IS_POSITIONAL] != send_two).all()
    for stones, points in ((0, 0), (1, 0), (4, handicap_of_4)):
        position = game.position()
        stones_of(position).set_handicap(position.state, stones)
        assert score(position) == -7.5 - points
        assert position.planes()[go.KOMI_AGAINST, 0, 0] == 15 + 2 * points
        assert stones_of(position).komi(position.state) == 7.5


def test_options_change_a_ruleset() -> None:
    game = load("go:size=5,rules=chinese,ko=situational,suicide=true")
    position = play(set_up(game, SEND_TWO, to_play=1), "A5 C5")
    assert position.is_legal(position.action("B5"))
    position = set_up(game, SUICIDE)
    assert position.is_legal(position.action("A5"))
    before = score(position)
    stones_of(position).set_handicap(position.state, 2)
    assert score(position) == before - 2


def test_rules_can_be_set_in_a_game() -> None:
    position = play(set_up(load("go:size=5"), SEND_TWO, to_play=1), "A5 C5")
    assert not position.is_legal(position.action("B5"))
    rules = stones_of(position).rules
    position.amend(lambda state: stones_of(position).set_rules(state, rules["aga"]))
    assert position.is_legal(position.action("B5"))


@pytest.mark.slow
@pytest.mark.parametrize("komi", [-30.5, -1, 0, 0.5, 7, 7.3, 375, 1000])
def test_komi_may_be_any_number(komi: float) -> None:
    position = load(f"go:size=5,komi={komi}").position()
    assert stones_of(position).komi(position.state) == pytest.approx(komi)
    assert score(position) == pytest.approx(-komi)
    for player in (0, 1):
        position.set_to_play(player)
        planes = position.planes()[[go.KOMI_FOR, go.KOMI_AGAINST]]
        mine = komi if player == 1 else -komi
        assert (planes[0] == min(int(2 * max(mine, 0)), 255)).all()
        assert (planes[1] == min(int(2 * max(-mine, 0)), 255)).all()
    position.set_to_play(0)
    position = play(position, "pass pass")
    outcome = position.outcome()
    assert outcome is not None and outcome.values == (-np.sign(komi), np.sign(komi))
    assert outcome.winner == (None if komi == 0 else int(komi > 0))


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("go:size=1", "size must be a whole number from 2 to 25, not 1"),
        ("go:size=26", "size must be a whole number from 2 to 25, not 26"),
        ("go:size=9.5", "size must be a whole number from 2 to 25, not 9.5"),
        ("go:size=nine", "size must be a whole number from 2 to 25, not nine"),
        ("go:width=1,height=9", "width must be a whole number from 2 to 25, not 1"),
        ("go:width=9,height=26", "height must be a whole number from 2 to 25, not 26"),
        ("go:width=9,height=7,min_size=5", "min_size is for square boards"),
        ("go:size=9,min_size=10", "min_size must be a whole number from 2 to 9, not 10"),
        ("go:komi=much", "komi must be a number from -1000 to 1000, not much"),
        ("go:komi=nan", "komi must be a number from -1000 to 1000, not nan"),
        ("go:komi=1001", "komi must be a number from -1000 to 1000, not 1001"),
        ("go:komi=true", "komi must be a number from -1000 to 1000, not True"),
        ("go:rules=swedish", "unknown rules 'swedish': choose tromp-taylor, chinese"),
        ("go:rules=1", "unknown rules 1: choose tromp-taylor, chinese"),
        ("go:ko=super", "unknown ko rule 'super': choose simple, positional, situational"),
        ("go:suicide=perhaps", "suicide must be true or false, not perhaps"),
        ("go:tidy=1", "tidy must be true or false, not 1"),
    ],
)
def test_parameters_that_make_no_sense(spec: str, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        load_anew(spec)
    assert problem in str(caught.value)


# -- setting up ------------------------------------------------------------------------------------


def test_set_up_forgets_the_game_but_not_its_rules() -> None:
    position = play(load("go:size=5,komi=3,rules=aga").position(), "A5 B5 E1 A4 pass")
    assert stones_of(position).captures(position.state) == (0, 1)
    state = position.state.copy()
    stones_of(position).set_up(state, np.array(KO).reshape(5, 5), 1)
    other = Position(position.game, state)
    assert stones_of(other).board(other.state).ravel().tolist() == list(KO)
    assert stones_of(other).captures(other.state) == (0, 0)
    assert (other.to_play, other.ply, stones_of(other).komi(other.state)) == (1, 0, 3)
    assert not other.planes()[go.FIRST_RECENT : go.FIRST_RECENT + go.RECENT].any()
    assert other.planes()[go.IS_SITUATIONAL].all() and not other.planes()[go.PASSED].any()
    assert play(other, "pass").is_over is False


@pytest.mark.parametrize(
    ("board", "to_play", "problem"),
    [
        (np.zeros((4, 5)), 0, r"a board must be \[5, 5\] of 0, 1 and 2"),
        (np.full((5, 5), 3), 0, r"a board must be \[5, 5\] of 0, 1 and 2"),
        (np.full((5, 5), -1), 0, r"a board must be \[5, 5\] of 0, 1 and 2"),
        (np.full((5, 5), 1), 0, "no liberty"),
        (np.array(read_board("XO... O.... ..... ..... .....")).reshape(5, 5), 0, "no liberty"),
        (np.array(read_board("XXO.. XO... O.... ..... .....")).reshape(5, 5), 0, "no liberty"),
        (np.array(read_board("..... ..... ..... ...OX ..OXX")).reshape(5, 5), 0, None),
        (np.array(read_board("..... ..... ....O ...OX ..OXX")).reshape(5, 5), 0, "no liberty"),
        (np.zeros((5, 5)), 2, "to_play must be 0 or 1, not 2"),
    ],
)
def test_boards_that_cannot_be(board: np.ndarray, to_play: int, problem: str | None) -> None:
    position = play(load("go:size=5").position(), "C3")
    before = position.state.copy()
    if problem is None:
        stones_of(position).set_up(position.state, board, to_play)
        return
    with pytest.raises(ValueError, match=problem):
        stones_of(position).set_up(position.state, board, to_play)
    assert before == position.state


def test_dead_stones_are_taken_off_before_counting() -> None:
    board = """
        . X . O .
        . X . O .
        . X . O X
        . X . O .
        . X . O .
    """
    position = set_up(load("go:size=5,komi=0.5"), read_board(board))
    assert score(position) == 10 - 5 - 0.5 + 1  # the corners around the lone stone are nobody's
    dead = np.zeros((5, 5), bool)
    dead[2, 4] = True
    assert stones_of(position).score(position.state, dead) == 10 - 10 - 0.5
    assert stones_of(position).area(position.state, dead)[:, 2].tolist() == [0] * 5
    assert stones_of(position).board(position.state)[2, 4] == 1


# -- text ------------------------------------------------------------------------------------------


def test_points_are_written_as_people_do() -> None:
    game = load("go")
    state = game.position().state
    for text, action in {
        "A19": 0,
        "T19": 18,
        "A1": 342,
        "T1": 360,
        "pass": 361,
        "J10": 179,
    }.items():
        assert game.action_to_str(state, action) == text
        for spelling in (text, text.lower(), text.upper(), f" {text} "):
            assert game.str_to_action(state, spelling) == action
    written = [game.action_to_str(state, action) for action in range(361)]
    assert len(set(written)) == 361 and not any("I" in text for text in written)


@pytest.mark.parametrize(
    "text",
    ["", "I5", "i1", "A0", "A10", "K1", "AA1", "A", "5", "5A", "A1B", "D4.", "d-4", "A05", "passe",
     "D 4", "resign", "Å1", "A१", "A1\n2"],
)  # fmt: skip
def test_what_is_no_point_is_an_error(text: str) -> None:
    game = load("go:size=9")
    with pytest.raises(ValueError, match=r"write A1 to J9 \(there is no I\) or pass"):
        game.str_to_action(game.position().state, text)


def test_reasons() -> None:
    position = play(load("go:size=5").position(), "C3")
    assert why_illegal(position, "c3") == "c3 is illegal: occupied"
    play(position, "pass pass")
    assert why_illegal(position, "A1") == "A1 is illegal: the game is over"


def test_boards_are_drawn_with_stars_and_the_last_move() -> None:
    position = play(load("go:size=9").position(), "C3 G7 E5 J9 A1")
    assert (
        f"\n{position}\n"
        == """
   A B C D E F G H J
 9 . . . . . . . . O 9
 8 . . . . . . . . . 8
 7 . . + . . . O . . 7
 6 . . . . . . . . . 6
 5 . . . . X . . . . 5
 4 . . . . . . . . . 4
 3 . . X . . . + . . 3
 2 . . . . . . . . . 2
 1(X). . . . . . . . 1
   A B C D E F G H J
"""
    )
    position.undo()
    assert " 9 . . . . . . . .(O)9" in str(position)
    assert str(play(position, "pass")).endswith("\npass")


@pytest.mark.parametrize(
    ("size", "stars"),
    [(19, "D4 D10 D16 K4 K10 K16 Q4 Q10 Q16"), (13, "D4 D10 G7 K4 K10"), (8, "C3 C6 F3 F6"),
     (9, "C3 C7 E5 G3 G7"), (5, "C3"), (4, ""), (2, "")],
)  # fmt: skip
def test_stars(size: int, stars: str) -> None:
    points = {
        (size - int(text[1:]), go_board_rules.COLUMNS.index(text[0])) for text in stars.split()
    }
    assert go_board_rules.star_points(size, size) == points


# -- rectangles ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rectangle_has_rows_and_columns() -> None:
    game = load("go:width=7,height=4")
    assert game.spec == "go:width=7,height=4,komi=7.5,rules=tromp-taylor"
    assert game.planes[1:] == (4, 7) and game.num_actions == 29
    position = play(game.position(), "A1 G4 C2")
    assert [position.text(action) for action in position.moves] == ["A1", "G4", "C2"]
    assert position.moves == [21, 6, 16]
    assert (
        f"\n{position}\n"
        == """
   A B C D E F G
 4 . . . . . . O 4
 3 . . . . . . . 3
 2 . .(X). . . . 2
 1 X . . . . . . 1
   A B C D E F G
"""
    )
    with pytest.raises(ValueError, match="write A1 to G4"):
        position.play("A5")
    assert load("go:size=7,height=4").spec == game.spec
    assert load("go:width=9,height=9").spec == load("go:size=9").spec


def test_a_rectangle_keeps_four_symmetries() -> None:
    game = load("go:width=3,height=2")
    assert game.symmetries is not None
    points = game.symmetries.points.tolist()
    assert points[0] == [0, 1, 2, 3, 4, 5]
    assert sorted(points) == [
        [0, 1, 2, 3, 4, 5], [2, 1, 0, 5, 4, 3], [3, 4, 5, 0, 1, 2], [5, 4, 3, 2, 1, 0]
    ]  # fmt: skip
    square = load("go:size=3").symmetries
    assert square is not None and len(square.points) == 8


def test_stars_of_rectangles() -> None:
    def named(rows: int, columns: int) -> str:
        points = go_board_rules.star_points(rows, columns)
        texts = [f"{go_board_rules.COLUMNS[column]}{rows - row}" for row, column in points]
        return " ".join(sorted(texts))

    assert named(13, 19) == "D10 D4 K10 K4 K7 Q10 Q4"
    assert named(9, 8) == "C3 C7 F3 F7"
    assert named(5, 19) == "K3"


def test_the_largest_board() -> None:
    """Of 25x25 points, where a chain may have more liberties than fit in a byte."""
    game = load("go:size=25,komi=0")
    board = np.zeros((25, 25), np.int8)
    board[1::3] = 1
    board[:, 12] = 1
    position = set_up(game, tuple(board.ravel().tolist()))
    stones = stones_of(position)
    head = position.state["chain"][26 + 13 + 26]
    beyond = 22  # points of the last row that are beside no stone
    assert int(position.state["liberties"][head]) == int((board == 0).sum()) - beyond == 386
    assert stones.score(position.state, None) == 625
    assert position.text(24) == "Z25" and position.action("Z1") == 624


# -- planes, targets, playouts ---------------------------------------------------------------------


def test_the_last_five_moves_are_seen_and_passes_are_not() -> None:
    position = play(load("go:size=9").position(), "A9 B9 C9 pass D9 E9 pass F9")
    recent = position.planes()[go.FIRST_RECENT : go.FIRST_RECENT + go.RECENT]
    assert [np.flatnonzero(plane).tolist() for plane in recent] == [[5], [], [4], [3], []]
    assert not position.planes()[go.PASSED].any()
    assert play(position, "pass").planes()[go.PASSED].all()


def test_planes_of_a_whole_position() -> None:
    """Each plane is compared with the oracle in `test_go_oracles.py`; here as a person sees it."""
    position = play(set_up(load("go:size=5,komi=0.5"), KO), "C4")
    planes = position.planes()

    def points(plane: int) -> str:
        return " ".join(position.text(int(action)) for action in np.flatnonzero(planes[plane]))

    assert points(go.MINE) == "C5 D4 C3"
    assert points(go.THEIRS) == "B5 A4 C4 B3"
    assert points(go.LIBERTIES_1) == "C5 C4"
    assert points(go.LIBERTIES_2) == "B5 C3"
    assert points(go.LIBERTIES_3) == "A4 D4 B3"
    assert points(go.FORBIDDEN) == "B4"
    assert points(go.FIRST_RECENT) == "C4"
    assert planes[go.KOMI_FOR].all() and not planes[go.KOMI_AGAINST].any()


def test_targets_are_seen_by_the_player_to_move() -> None:
    game = load("go:size=5,komi=0.5")
    board = read_board(". X . O . . X . O . . X . O . . X . O . . X . O .".replace(" ", ""))
    final = set_up(game, board).state
    ownership, points = (auxiliary.target for auxiliary in game.auxiliary)
    for player, sign in ((0, 1), (1, -1)):
        state = set_up(game, board, player).state
        owners, out = np.full(25, 9, np.float32), np.full(1, 9, np.float32)
        ownership(state, final, owners)
        points(state, final, out)
        assert owners.reshape(5, 5).tolist() == [[sign, sign, 0, -sign, -sign]] * 5
        assert out == np.float32(-0.5 * sign / 25)


def test_playouts_leave_eyes_alone() -> None:
    board = """
        . X . X O
        X X X O .
        O O O . X
        . O . X .
        O . O . X
    """
    game = load("go:size=5")
    position = set_up(game, read_board(board))
    assert game.prune is not None
    mask = position.legal_mask()
    game.prune(position.state, mask)
    # A5 is an eye, C5 too but for White's stone on one of its two diagonals at the edge; White's
    # A2 is no business of Black's.
    texts = {position.text(int(action)) for action in np.flatnonzero(mask)}
    assert "A5" not in texts and "C5" in texts and "pass" not in texts
    assert "E2" not in texts and "E1" not in texts


def weights_of(position: Position) -> dict[str, int]:
    """What playouts weigh moves by."""
    mask = position.legal_mask()
    assert position.game.prune is not None and position.game.weigh is not None
    position.game.prune(position.state, mask)
    position.game.weigh(position.state, mask)
    return {position.text(int(action)): int(mask[action]) for action in np.flatnonzero(mask)}


@pytest.mark.slow
def test_playouts_take_save_and_answer() -> None:
    board = """
        . . . . . . .
        . . . X . . .
        . . X O . . .
        . . . . . . .
        . X . . . . .
        . . X . . O .
        . X . O O X .
    """
    position = set_up(load("go:size=7"), read_board(board))
    position.play("E5")  # White's stone at D5 is left with D4
    weights = weights_of(position)
    assert weights["D4"] == SAVE and weights["G1"] == TAKE
    assert weights["E4"] == weights["F6"] == NEAR and weights["G7"] == ORDINARY
    assert weights["B2"] == SELF_ATARI
    position.play("D4")
    assert weights_of(position)["G1"] == SELF_ATARI, "Black's stone runs nowhere"


def test_playouts_take_what_puts_them_in_atari() -> None:
    board = """
        . . . . .
        . . . . .
        . . . . .
        . . . . .
        O X . . .
    """
    position = set_up(load("go:size=5"), read_board(board), 1)
    position.play("C1")
    weights = weights_of(position)
    assert weights["A2"] == TAKE_AND_SAVE and weights["B2"] == SAVE and weights["D1"] == NEAR


@pytest.mark.slow
def test_weights_of_moves_keep_what_is_legal() -> None:
    rng = np.random.default_rng(5)
    for spec in ("go:size=5", "go:size=9,tidy=true", "go:size=9,rules=chinese"):
        position = load(spec).position()
        while not position.is_over:
            mask = position.legal_mask()
            assert position.game.prune is not None
            position.game.prune(position.state, mask)
            kept = {position.text(int(action)) for action in np.flatnonzero(mask)}
            assert set(weights_of(position)) == kept
            position.play(int(rng.choice(np.flatnonzero(mask))))


# -- boards within boards --------------------------------------------------------------------------


def varied(game: Game, lines: int, komi: float) -> Position:
    """A start with a board of so many lines, as self-play makes them."""
    rng = np.random.default_rng(1)
    for _ in range(1000):
        state = game.position().state.copy()
        assert game.vary is not None and game.stones is not None
        game.vary(state, rng)
        if state["lines"] == lines:
            game.stones.set_komi(state, komi)
            game.stones.set_rules(state, game.stones.rules["tromp-taylor"])
            return Position(game, state)
    raise AssertionError(f"no board of {lines} lines")


def test_starts_are_varied() -> None:
    game = load("go:size=9,min_size=5,komi=6")
    assert game.vary is not None
    rng, sizes, komis = np.random.default_rng(0), [], []
    for _ in range(400):
        state = game.position().state.copy()
        game.vary(state, rng)
        sizes.append(int(state["lines"]))
        komis.append(float(state["komi"]))
        assert not stones_of(game.position()).board(state).any()
    assert set(sizes) == {5, 6, 7, 8, 9}
    assert all(2 * komi == round(2 * komi) for komi in komis)
    assert abs(np.mean(komis) - 6) < 1 and len(set(komis)) > 10
    fixed = load("go:size=9").position().state.copy()
    load("go:size=9").vary(fixed, rng)  # type: ignore[misc]
    assert fixed["lines"] == 9


@pytest.mark.slow
def test_a_small_board_in_a_large_array_is_the_same_game() -> None:
    small, large = load("go:size=5,komi=2"), load("go:size=9,min_size=5")
    kinds = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        inner, outer = small.position(), varied(large, 5, 2)
        while True:
            compare_boards(inner, outer)
            if inner.is_over or inner.ply > 90:
                break
            action = int(rng.choice(inner.legal_actions()))
            text = inner.text(action)
            assert text == outer.text(outer.action(text))
            inner.play(action)
            outer.play(text)
            kinds |= {"superko"} if inner.planes()[go.FORBIDDEN].any() else set()
            kinds |= {"life"} if inner.planes()[go.MY_LIFE].any() else set()
    assert kinds == {"superko", "life"}


def compare_boards(inner: Position, outer: Position) -> None:
    assert {inner.text(a) for a in inner.legal_actions()} == {
        outer.text(a) for a in outer.legal_actions()
    }
    assert str(inner) == str(outer)
    assert (inner.is_over, inner.outcome()) == (outer.is_over, outer.outcome())
    assert score(inner) == score(outer)
    stones = stones_of(inner), stones_of(outer)
    assert stones[0].captures(inner.state) == stones[1].captures(outer.state)
    for name in ("board", "pass_alive"):
        whole = getattr(stones[1], name)(outer.state)
        np.testing.assert_array_equal(getattr(stones[0], name)(inner.state), whole[:5, :5], name)
        assert not whole[5:].any() and not whole[:, 5:].any()
    planes = outer.planes()
    np.testing.assert_array_equal(planes[:, :5, :5], inner.planes())
    assert not planes[:, 5:].any() and not planes[:, :, 5:].any()


def test_off_a_small_board_is_no_point() -> None:
    position = varied(load("go:size=9,min_size=5"), 5, 0)
    with pytest.raises(ValueError, match="write A1 to E5"):
        position.play("F1")
    with pytest.raises(ValueError, match="off the board"):
        position.play(8)
    board = np.zeros((9, 9))
    board[0, 8] = 1
    with pytest.raises(ValueError, match="off the board"):
        stones_of(position).set_up(position.state, board, 0)
    board = np.zeros((9, 9))
    board[0, 0] = 1
    stones_of(position).set_up(position.state, board, 0)
    assert str(Position(position.game, position.state)).count("\n") == 6
