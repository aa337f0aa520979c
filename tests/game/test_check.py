"""`alphazero.game.check` must catch broken games: each one below breaks one identity.

All are tic-tac-toe with one thing changed. Rules that are *consistently* other rules (a missing
diagonal) are no business of the contract: the oracles in `test_games.py` are for them.
"""

import dataclasses

import numpy as np
import pytest

from alphazero.game import Auxiliary, BoardView, Game, Symmetries
from alphazero.game.check import Failure, check
from alphazero.game.jit import kernel, mix
from alphazero_games import tictactoe

good = tictactoe.GAME


# -- broken kernels --------------------------------------------------------------------------------


@kernel
def start_leaves_the_winner(state):
    state.board[:] = 0
    state.to_play = 0
    state.ply = 0


@kernel
def start_out_of_bounds(state):
    state.board[:] = 0
    state.board[9] = 0
    state.to_play = 0
    state.ply = 0
    state.winner = 0


@kernel
def play_third_player(state, action):
    tictactoe.play(state, action)
    state.to_play = 2


@kernel
def play_forgets_ply(state, action):
    tictactoe.play(state, action)
    if state.ply == 4:
        state.ply = 3


@kernel
def play_favours_the_centre(state, action):
    tictactoe.play(state, action)
    if action == 2 and state.ply == 3:
        state.winner = 2 - state.to_play


@kernel
def legal_on_occupied(state, keys, n, mask):
    for cell in range(9):
        mask[cell] = 1


@kernel
def legal_nothing_late(state, keys, n, mask):
    for cell in range(9):
        mask[cell] = state.board[cell] == 0 and state.ply < 5


@kernel
def legal_counts(state, keys, n, mask):
    for cell in range(9):
        mask[cell] = 2 * (state.board[cell] == 0)


@kernel
def legal_without_repetition(state, keys, n, mask):
    for cell in range(9):
        mask[cell] = state.board[cell] == 0 and (n != 3 or cell < 5)


@kernel
def legal_by_a_side_effect(state, keys, n, mask):
    state.ply += 0 if state.ply < 3 else 1
    for cell in range(9):
        mask[cell] = state.board[cell] == 0
    state.ply -= 0 if state.ply < 3 else 1
    state.winner = state.winner if state.ply < 3 else 1


@kernel
def outcome_of_the_loser(state, keys, n):
    if state.winner != 0:
        return True, 1.0
    return state.ply == 9, 0.0


@kernel
def outcome_too_large(state, keys, n):
    if state.winner != 0:
        return True, -10.0
    return state.ply == 9, 0.0


@kernel
def outcome_before_the_end(state, keys, n):
    if state.winner != 0:
        return True, -1.0
    return state.ply == 9, 0.1 * (state.board[4] == 1)


@kernel
def outcome_never(state, keys, n):
    return False, 0.0


@kernel
def outcome_counts_down(state, keys, n):
    if state.winner != 0:
        return True, -1.0
    state.ply += 1
    return state.ply == 9, 0.0


@kernel
def key_without_the_left(state):
    digits = np.uint64(state.to_play)
    for cell in range(9):
        if cell % 3 != 0:
            digits = digits * np.uint64(3) + np.uint64(state.board[cell])
    return mix(digits)


@kernel
def key_of_the_first_player(state):
    digits = np.uint64(0)
    for cell in range(9):
        digits = digits * np.uint64(2) + np.uint64(state.board[cell] == 1)
    return mix(digits)


@kernel
def observe_adds_up(state, keys, n, planes):
    for cell in range(9):
        planes[0, cell // 3, cell % 3] += state.board[cell]


@kernel
def observe_transposed(state, keys, n, planes):
    mine = state.to_play + 1
    for cell in range(9):
        stone = state.board[cell]
        if stone != 0:
            planes[0 if stone == mine else 1, cell // 3, cell % 3 if cell < 8 else 1] = 1


@kernel
def observe_too_many_planes(state, keys, n, planes):
    tictactoe.observe(state, keys, n, planes)
    planes[2, 0, 0] = 1


@kernel
def too_large_a_share(state, final, out):
    out[:] = 1.5 - state.to_play


@kernel
def half_filled(state, final, out):
    out[:5] = 1


@kernel
def corner_ownership(state, final, out):
    for cell in range(9):
        out[cell] = final.board[0]


# -- broken functions of people's texts ------------------------------------------------------------


def view_moves_a_stone(state, last_action):
    board = tictactoe.view(state, last_action)
    state["board"][8] = 1
    return board


def action_to_str_moves_a_stone(state, action):
    state["board"][8] = 1
    return tictactoe.action_to_str(state, action)


def str_to_action_of_a_dictionary(state, text):
    return {tictactoe.action_to_str(state, action): action for action in range(9)}[text]


def str_to_action_of_anything(state, text):
    return tictactoe.str_to_action(state, text) if text.strip() else 99


def rows_turned(actions: np.ndarray) -> Symmetries:
    return Symmetries(points=good.symmetries.points, actions=actions)


ROWS = good.symmetries.actions
BROKEN = {  # name -> (what is changed, part of the identity, part of the problem)
    "start leaves a field": (
        {"start": start_leaves_the_winner},
        "start fills every field",
        "winner",
    ),
    "start out of bounds": ({"start": start_out_of_bounds}, "within their arrays", "IndexError"),
    "play: a third player": ({"play": play_third_player}, "random games", "to_play is 2"),
    "play: ply stands still": ({"play": play_forgets_ply}, "random games", "ply went from 3 to 3"),
    "play: one cell is special": (
        {"play": play_favours_the_centre},
        "symmetries commute with play",
        "symmetry",
    ),
    "legal: occupied cells": ({"legal": legal_on_occupied}, "within their arrays", "occupied"),
    "legal: nothing, game goes on": (
        {"legal": legal_nothing_late},
        "random games",
        "no legal action though the game goes on",
    ),
    "legal: more than 1": ({"legal": legal_counts}, "random games", "other numbers than 0 and 1"),
    "legal: undeclared history": (
        {"legal": legal_without_repetition},
        "never looks at earlier positions",
        "depend on earlier",
    ),
    "legal: changes the state": (
        {"legal": legal_by_a_side_effect},
        "leave the state as it is",
        "legal changes the state's winner; after the actions [",
    ),
    "outcome: wrong sign": (
        {"outcome": outcome_of_the_loser},
        "the value is the player to move's",
        "wrong sign",
    ),
    "outcome: out of range": ({"outcome": outcome_too_large}, "random games", "-10"),
    "outcome: value too early": (
        {"outcome": outcome_before_the_end},
        "random games",
        "though the game goes on",
    ),
    "outcome: never over": ({"outcome": outcome_never}, "random games", "no legal action"),
    "outcome: changes the state": (
        {"outcome": outcome_counts_down},
        "leave the state as it is",
        "outcome changes the state's ply",
    ),
    "key: ignores a cell": (
        {"key": key_without_the_left},
        "keys are equal exactly",
        "also belongs to the position after",
    ),
    "key: ignores a player": ({"key": key_of_the_first_player}, "keys are equal exactly", "also"),
    "key: depends on the ply": (
        {"key": lambda state: mix(np.uint64(state.ply))},
        "the declaration is complete",
        "key must be decorated with @kernel",
    ),
    "observe: not symmetric": (
        {"observe": observe_transposed},
        "symmetries commute with play",
        "observation does not follow symmetry",
    ),
    "observe: more planes than declared": (
        {"observe": observe_too_many_planes},
        "within their arrays",
        "IndexError",
    ),
    "max_plies too small": ({"max_plies": 7}, "random games", "goes on after max_plies = 7"),
    "max_legal too small": ({"max_legal": 8}, "random games", "9 legal actions, max_legal is 8"),
    "max_legal too large": ({"max_legal": 10}, "declaration", "more than all 9 actions"),
    "players share a name": ({"players": ("X", "X")}, "declaration", "two different names"),
    "convolutional with odd actions": (
        {"planes": (2, 3, 4), "symmetries": None},
        "declaration",
        "one action per point",
    ),
    "symmetry: not a permutation": (
        {"symmetries": rows_turned(np.where(ROWS == 8, 0, ROWS))},
        "is a permutation",
        "row 0 of actions is not a permutation",
    ),
    "symmetry: row 0": (
        {"symmetries": Symmetries(points=ROWS[::-1], actions=ROWS[::-1])},
        "is a permutation",
        "row 0 of points is not the identity",
    ),
    "symmetry: twice the same": (
        {"symmetries": Symmetries(points=ROWS[[0, 1, 1]], actions=ROWS[[0, 1, 1]])},
        "no row comes twice",
        "the same symmetry",
    ),
    "symmetry: too few actions": (
        {"symmetries": Symmetries(points=ROWS, actions=ROWS[:, :8])},
        "is a permutation",
        "actions must be integers [S, 9]",
    ),
    "symmetry: actions turned the other way": (
        {"symmetries": rows_turned(good.symmetries.inverse_actions)},
        "symmetries commute with play",
        "symmetry 2",
    ),
    "auxiliary: out of range": (
        {"auxiliary": (Auxiliary("share", (), too_large_a_share, loss="bce"),)},
        "auxiliary targets",
        "share leaves [0, 1]",
    ),
    "auxiliary: not filled": (
        {"auxiliary": (Auxiliary("owner", (3, 3), half_filled),)},
        "auxiliary targets",
        "owner is not filled",
    ),
    "auxiliary: not symmetric": (
        {"auxiliary": (Auxiliary("owner", (3, 3), corner_ownership),)},
        "auxiliary targets",
        "owner does not follow symmetry",
    ),
    "text: read as another move": (
        {"str_to_action": lambda state, text: 8 - tictactoe.str_to_action(state, text)},
        "str_to_action(action_to_str(a)) == a",
        "read as",
    ),
    "text: two moves alike": (
        {"action_to_str": lambda state, action: "abc"[action % 3] + "1"},
        "no two legal moves are written alike",
        "is both action",
    ),
    "text: two words": (
        {"action_to_str": lambda state, action: f"cell {action}"},
        "no two legal moves are written alike",
        "not as one word",
    ),
    "text: nonsense raises KeyError": (
        {"str_to_action": str_to_action_of_a_dictionary},
        "a text that is not a move",
        "KeyError",
    ),
    "text: nonsense is a move": (
        {"str_to_action": str_to_action_of_anything},
        "a text that is not a move",
        "read as action 99",
    ),
    "text: changes the state": (
        {"action_to_str": action_to_str_moves_a_stone},
        "str_to_action(action_to_str(a)) == a",
        "changes the state",
    ),
    "view: changes the state": (
        {"view": view_moves_a_stone},
        "the board is drawn",
        "drawing the board changes the state",
    ),
    "render: not ASCII": (
        {"render": lambda state, last: tictactoe.view(state, last).text().replace(".", "·")},
        "the board is drawn",
        "·",
    ),
    "view: last move unmarked": (
        {"view": lambda state, last: tictactoe.view(state, None)},
        "marks the last move",
        "never marked",
    ),
    "view: rows named from the top": (
        {"view": lambda state, last: dataclasses.replace(tictactoe.view(state, last), rows="123")},
        "the cells of a board view",
        "is on the cell",
    ),
    "view: columns named from the right": (
        {
            "view": lambda state, last: dataclasses.replace(
                tictactoe.view(state, last), columns="cba"
            ),
            "fully_convolutional": False,
        },
        "the cells of a board view",
        "changes no cell",
    ),
    "view: a cell is missing": (
        {"view": lambda state, last: BoardView("squares", rows="321", columns="abc")},
        "the board is drawn",
        "9 cells",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_game_is_caught_by_name(name: str) -> None:
    changes, identity, problem = BROKEN[name]
    # Kernels are cached by the game's name: each broken game needs its own.
    game: Game = dataclasses.replace(good, name=name.replace(" ", "-"), **changes)
    failures = check(game, games=30)
    found = [failure for failure in failures if identity in failure.identity]
    assert found, f"missed; found only: {[str(failure) for failure in failures]}"
    assert problem in found[0].problem
    assert failures[0] is found[0], "another identity is blamed first"


def test_the_original_passes_every_check() -> None:
    lines: list[str] = []
    assert check(good, games=30, report=lines.append) == []
    assert all(line.startswith("ok ") for line in lines)


def test_a_failure_shows_the_moves_and_the_board() -> None:
    game = dataclasses.replace(good, name="max-legal-five", max_legal=8)
    failure = check(game, games=1)[0]
    title, *rest = str(failure).splitlines()
    assert title.startswith("failed: random games end within max_plies")
    assert rest == [
        "  9 legal actions, max_legal is 8",
        "  after: the start",
        "       a  b  c",
        "    3  .  .  .  3",
        "    2  .  .  .  2",
        "    1  .  .  .  1",
        "       a  b  c",
    ]


def test_checks_that_rely_on_broken_ones_are_left_out_and_said_so() -> None:
    lines: list[str] = []
    check(dataclasses.replace(good, name="short", max_plies=5), games=5, report=lines.append)
    assert lines[-1].startswith("skipped")
    assert lines[-2].startswith("FAILED")


def test_a_warning_is_not_a_failure() -> None:
    game = dataclasses.replace(good, name="outcome:-wrong-sign", outcome=outcome_of_the_loser)
    failures = check(game, games=30)
    assert [failure.warning for failure in failures] == [True]
    assert str(failures[0]).startswith("warning: ")


def test_the_same_seed_finds_the_same_failure() -> None:
    game = dataclasses.replace(good, name="key:-ignores-a-cell", key=key_without_the_left)
    first, second = (check(game, games=10, seed=3) for _ in range(2))
    assert first == second
    assert isinstance(first[0], Failure)
    assert first[0].moves
