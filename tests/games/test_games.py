"""The rules of every game: the contract, published counts, and slow but plainly right oracles."""

import functools
import itertools
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.game import Game, Position, available
from alphazero.game import load as load_anew
from alphazero.game.check import check

GOLDEN = Path(__file__).parents[1] / "golden"
SPECS = [*available(), "connect4:rows=4,cols=5", "connect4:rows=7,cols=8"]
load = functools.cache(load_anew)
games = pytest.mark.parametrize("spec", SPECS)


@pytest.mark.slow
@games
def test_the_contract_holds(spec: str) -> None:
    failures = check(load(spec), games=60)
    assert not failures, "\n".join(map(str, failures))


@games
def test_a_game_in_text_is_as_it_was(spec: str, regen_golden: bool) -> None:
    """One seeded game, written so that a person can check it move by move."""
    game = load(spec)
    text = playthrough(game, seed=1)
    name = "-".join([game.name, *(str(value) for value in game.parameters.values())])
    file = GOLDEN / f"play_{name}.txt"
    if regen_golden:
        file.write_text(text)
    assert file.read_text() == text, f"{file.name} differs; if meant: pytest --regen-golden"


def playthrough(game: Game, seed: int) -> str:
    """Of a large game its first plies, and only now and then what a network sees."""
    rng, position, lines = np.random.default_rng(seed), game.position(), [game.title, ""]
    is_large = np.prod(game.planes) > 500
    while True:
        lines += [*position.render().splitlines(), f"key {position.key:016x}"]
        if not is_large or len(position.moves) % 20 == 0:
            lines += ["  ".join("".join(".#"[min(x, 1)] for x in row) for row in rows)
                      for rows in position.planes().swapaxes(0, 1)]  # fmt: skip
        if position.is_over or (is_large and len(position.moves) == 100):
            return "\n".join([*lines, f"{position.outcome()}", ""])
        legal = position.legal_actions()
        action = int(rng.choice(legal))
        few = len(legal) <= 100
        texts = " ".join(position.text(a) for a in legal) if few else f"{len(legal)} moves"
        player = game.players[position.to_play]
        lines += [f"{player} of {texts} plays {position.text(action)}", ""]
        position.play(action)


# -- properties of any line of play: hypothesis picks the moves, and shrinks what fails ------------


def play_line(game: Game, choices: list[int]) -> Position:
    position = game.position()
    for choice in choices:
        legal = position.legal_actions()
        if not legal:
            break
        position.play(legal[choice % len(legal)])
    return position


@games
@given(choices=st.lists(st.integers(0, 99), max_size=60))
def test_taking_every_move_back_leads_to_the_start(spec: str, choices: list[int]) -> None:
    game = load(spec)
    position = play_line(game, choices)
    seen = [(position.key, position.render(), position.legal_actions(), position.outcome())]
    moves = list(position.moves)
    while position.moves:
        position.undo()
        seen.append((position.key, position.render(), position.legal_actions(), position.outcome()))
    assert position.state == game.position().state
    for action, (key, board, legal, outcome) in itertools.zip_longest(moves, reversed(seen)):
        assert position.key == key
        assert position.render() == board
        assert position.legal_actions() == legal
        assert position.outcome() == outcome
        if action is not None:
            position.play(action)


@games
@given(choices=st.lists(st.integers(0, 99), max_size=60))
def test_the_moves_as_text_lead_to_the_same_position(spec: str, choices: list[int]) -> None:
    game = load(spec)
    position, again = play_line(game, choices), game.position()
    for action in position.moves:
        again.play(again.text(action).upper())
    assert again.state == position.state
    assert again.moves == position.moves


@games
def test_a_game_is_found_again_by_its_spec(spec: str) -> None:
    game = load_anew(spec)
    again = load_anew(game.spec)
    assert (again.spec, again.parameters) == (game.spec, game.parameters)
    assert pickle.loads(pickle.dumps(game)).spec == game.spec


# -- published counts ------------------------------------------------------------------------------


def successors(game: Game, states: np.ndarray) -> np.ndarray:
    """The states after every legal move from states [B] that are not over."""
    count, lengths = len(states), np.zeros(len(states), np.int32)
    keys = np.zeros((count, 1), np.uint64)
    over, values = np.zeros(count, np.uint8), np.zeros(count, np.float32)
    masks = np.zeros((count, game.num_actions), np.uint8)
    game.outcome_batch(states, keys, lengths, over, values)
    game.legal_batch(states, keys, lengths, masks)
    rows, actions = np.nonzero(masks * (over[:, None] == 0))
    after = states[rows]
    game.play_batch(after, actions.astype(np.int32))
    return after


def keys_of(game: Game, states: np.ndarray) -> np.ndarray:
    keys = np.zeros(len(states), np.uint64)
    game.key_batch(states, keys)
    return keys


def results(game: Game, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each state is over, and its value for the first player."""
    lengths, keys = np.zeros(len(states), np.int32), np.zeros((len(states), 1), np.uint64)
    over, values = np.zeros(len(states), np.uint8), np.zeros(len(states), np.float32)
    game.outcome_batch(states, keys, lengths, over, values)
    return over.astype(bool), np.where(states["to_play"] == 0, values, -values)


def test_tic_tac_toe_has_255168_games() -> None:
    game = load("tic-tac-toe")
    level, ends = game.empty_states(1), {-1: 0, 0: 0, 1: 0}
    game.start_batch(level)
    for _ in range(10):
        over, values = results(game, level)
        for value in ends:
            ends[value] += int(np.sum(over & (values == value)))
        level = successors(game, level)
    assert len(level) == 0
    assert ends == {1: 131184, -1: 77904, 0: 46080}
    assert sum(ends.values()) == 255168


def test_tic_tac_toe_has_5478_positions_of_which_958_are_ends_in_138_classes() -> None:
    game = load("tic-tac-toe")
    level = game.empty_states(1)
    game.start_batch(level)
    positions, ends, classes = 0, {-1: 0, 0: 0, 1: 0}, {-1: set(), 0: set(), 1: set()}
    while len(level):
        positions += len(level)
        over, values = results(game, level)
        for state, value in zip(level[over], values[over], strict=True):
            ends[int(value)] += 1
            images = state["board"][game.symmetries.points]
            classes[int(value)].add(min(image.tobytes() for image in images))
        after = successors(game, level)
        level = after[np.unique(keys_of(game, after), return_index=True)[1]]
    assert positions == 5478
    assert ends == {1: 626, -1: 316, 0: 16}
    assert {value: len(found) for value, found in classes.items()} == {1: 91, -1: 44, 0: 3}


@pytest.mark.slow
def test_connect_four_has_the_published_number_of_positions_at_each_ply() -> None:
    game = load("connect4")  # Tromp's counts, OEIS A212693
    level, counts = game.empty_states(1), []
    game.start_batch(level)
    for _ in range(10):
        counts.append(len(level))
        after = successors(game, level)
        level = after[np.unique(keys_of(game, after), return_index=True)[1]]
    assert counts == [1, 7, 49, 238, 1120, 4263, 16422, 54859, 184275, 558186]


def test_connect_four_has_the_published_number_of_lines() -> None:
    game = load("connect4")
    level = game.empty_states(1)
    game.start_batch(level)
    counts = []
    for _ in range(8):
        level = successors(game, level)
        counts.append(len(level))
    assert counts == [7, 49, 343, 2401, 16807, 117649, 823536, 5673234]


# -- slow oracles ----------------------------------------------------------------------------------


def four_in_a_row(board: str, width: int, mark: str) -> bool:
    """`board` is lines of `width` marks; a regular expression finds four in each direction."""
    text = re.sub(r"\n", "|", board)
    gaps = (0, width - 1, width, width + 1)  # across, falling left, down, falling right
    return any(re.search(mark + f"(.{{{gap}}}{mark}){{3}}", text) for gap in gaps)


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "games"), [("connect4", 1500), ("connect4:rows=4,cols=5", 500)])
def test_connect_four_agrees_with_a_board_of_text(spec: str, games: int) -> None:
    game, rng = load(spec), np.random.default_rng(5)
    rows, columns = game.parameters["rows"], game.parameters["cols"]
    endings = {"X": 0, "O": 0, "draw": 0}
    for _ in range(games):
        position, stacks = game.position(), [""] * columns
        for mark in itertools.cycle("XO"):
            legal = [column for column in range(columns) if len(stacks[column]) < rows]
            assert position.legal_actions() == legal
            action = int(rng.choice(legal))
            position.play(action)
            stacks[action] += mark
            grid = [stack.ljust(rows, ".") for stack in stacks]
            board = "\n".join(
                "".join(column[row] for column in grid) for row in reversed(range(rows))
            )
            assert shown(position) == board
            won = four_in_a_row(board, columns, mark)
            full = "." not in board
            assert position.is_over == (won or full)
            assert position.value_to_move() == (-1 if won else 0)
            mine = 1 - "XO".index(mark)
            assert planes_as_text(position, "XO"[mine], mark) == board
            if won or full:
                endings[mark if won else "draw"] += 1
                break
    assert min(endings.values()) > 0, "not every kind of ending was seen"


def test_tic_tac_toe_agrees_with_a_board_of_text() -> None:
    game, rng = load("tic-tac-toe"), np.random.default_rng(5)
    for _ in range(2000):
        position, cells = game.position(), ["."] * 9
        for mark in itertools.cycle("XO"):
            empty = [cell for cell in range(9) if cells[cell] == "."]
            assert position.legal_actions() == empty
            action = int(rng.choice(empty))
            position.play(action)
            cells[action] = mark
            board = "".join(cells)
            assert shown(position).replace("\n", "") == board
            lines = (board[0:3], board[3:6], board[6:9], board[0::3], board[1::3], board[2::3],
                     board[0::4], board[2:7:2])  # fmt: skip
            won = mark * 3 in lines
            assert position.is_over == (won or "." not in board)
            assert position.value_to_move() == (-1 if won else 0)
            if position.is_over:
                break


def shown(position: Position) -> str:
    """The marks of the printed board alone, one line per row."""
    rows = [re.sub(r"[^XO.]", "", line) for line in position.render().splitlines()[1:-1]]
    return "\n".join(rows)


def planes_as_text(position: Position, mine: str, theirs: str) -> str:
    marks = np.array([".", mine, theirs])
    planes = position.planes()
    return "\n".join("".join(row) for row in marks[planes[0] + 2 * planes[1]])


def test_a_finished_game_says_who_won() -> None:
    position = load("connect4").position()
    for move in ["d", "e", "d", "e", "d", "e", "d"]:
        position.play(move)
    outcome = position.outcome()
    assert outcome is not None
    assert outcome.winner == 0
    assert outcome.values == (1.0, -1.0)
    with pytest.raises(ValueError, match="the game is over"):
        position.play("a")


@pytest.mark.parametrize(
    ("spec", "moves", "wrong", "reason"),
    [
        ("tic-tac-toe", "b2", "b2", "b2 is illegal: the cell is taken by X"),
        ("tic-tac-toe", "", "d1", "not a cell"),
        ("connect4", "a a a a a a", "a", "a is illegal: column a is full"),
        ("connect4", "", "h", "not a column"),
        ("connect4", "", "8", "not a column"),
    ],
)
def test_an_illegal_move_is_refused_with_its_reason(
    spec: str, moves: str, wrong: str, reason: str
) -> None:
    position = load(spec).position()
    for move in moves.split():
        position.play(move)
    before = position.state.copy()
    with pytest.raises(ValueError, match=reason):
        position.play(wrong)
    assert position.state == before
    assert len(position.moves) == len(moves.split())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("conect4", 'did you mean "connect4"'),
        ("connect4:row=4", 'did you mean "rows"'),
        ("connect4:rows", "write name=value"),
        ("connect4:rows=0", "above 0"),
        ("connect4:rows=9,cols=9", "too large"),
        ("tic-tac-toe:size=4", "takes no parameters"),
        ("./missing.py", "no such game file"),
    ],
)
def test_a_wrong_spec_is_explained(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        load_anew(spec)
