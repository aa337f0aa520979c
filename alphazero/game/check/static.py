"""Checks that need no compiled code: the declaration, the symmetries, the rules interpreted.

Compiled code does not check array bounds, so the first games are played by the rules as plain
Python, where a wrong index is an error and not a crash.
"""

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from alphazero.game import Game, State
from alphazero.game.check.sample import Sample
from alphazero.game.trial import Violation, random_game

INTERPRETED_GAMES = 2
INTERPRETED_PLIES = 60
KERNELS = ("start", "play", "legal", "outcome", "key", "observe")


def declaration(sample: Sample) -> None:
    """the declaration is complete: kernels, counts, shapes, names"""
    game = sample.game
    for name in KERNELS:
        function = getattr(game, name)
        if not hasattr(function, "py_func"):
            raise Violation(f"{name} must be decorated with @kernel")
        cells = [cell.cell_contents for cell in function.py_func.__closure__ or ()]
        if any(hasattr(content, "py_func") for content in cells):
            raise Violation(
                f"{name} closes over another kernel and would be compiled anew at every start; "
                "make that kernel a global of the module"
            )
    for field in ("to_play", "ply"):
        if game.state[field].kind not in "iu":
            raise Violation(f"the state's {field} must be an integer, not {game.state[field]}")
    if len(game.planes) != 3 or min(game.planes) < 1:
        raise Violation(f"planes must be (channels, height, width), not {game.planes}")
    if game.globals < 0:
        raise Violation(f"globals must be at least 0, not {game.globals}")
    for name in ("num_actions", "max_plies", "max_legal"):
        if getattr(game, name) < 1:
            raise Violation(f"{name} must be at least 1, not {getattr(game, name)}")
    if game.max_legal > game.num_actions:
        raise Violation(f"max_legal is {game.max_legal}, more than all {game.num_actions} actions")
    if len(set(game.players)) != 2 or not all(game.players):
        raise Violation(f"players must be two different names, not {game.players}")
    points = game.planes[1] * game.planes[2]
    if game.fully_convolutional and game.num_actions not in (points, points + 1):
        raise Violation(
            f"fully_convolutional needs one action per point ({points}), or those and a pass, "
            f"not {game.num_actions}"
        )


def permutations(sample: Sample) -> None:
    """every row of the symmetries is a permutation, row 0 the identity, no row comes twice"""
    game, symmetries = sample.game, sample.game.symmetries
    assert symmetries is not None
    sizes = {"points": game.planes[1] * game.planes[2], "actions": game.num_actions}
    if len(symmetries.points) != len(symmetries.actions):
        raise Violation("points and actions have different numbers of rows")
    for name, size in sizes.items():
        rows = np.asarray(getattr(symmetries, name))
        if rows.ndim != 2 or rows.shape[1] != size or rows.dtype.kind not in "iu":
            raise Violation(f"{name} must be integers [S, {size}], not {rows.dtype} {rows.shape}")
        for s, row in enumerate(rows):
            if not np.array_equal(np.sort(row), np.arange(size)):
                raise Violation(f"row {s} of {name} is not a permutation of 0..{size - 1}")
        if not np.array_equal(rows[0], np.arange(size)):
            raise Violation(f"row 0 of {name} is not the identity")
    both = np.concatenate([symmetries.points, symmetries.actions], axis=1)
    if len(np.unique(both, axis=0)) != len(both):
        raise Violation("two rows are the same symmetry")


def interpreted_rules(sample: Sample) -> None:
    """interpreted as plain Python, the rules stay within their arrays"""
    for _ in interpreted_games(sample):
        pass


def reading_changes_nothing(sample: Sample) -> None:
    """legal, outcome, key and observe leave the state as it is"""
    for answers in interpreted_games(sample):
        for n, answer in enumerate(answers):
            if answer.changed:
                moves = [before.action for before in answers[:n]]
                raise Violation(f"{answer.changed}; after the actions {moves}")


def planes_are_bytes(sample: Sample) -> None:
    """observe writes whole numbers from 0 to 255, as the planes hold"""
    game, rng = sample.game, np.random.default_rng(0)
    observe = interpreted(game.observe)
    for _ in range(min(INTERPRETED_GAMES, sample.games)):
        for position in random_game(game, rng):
            if len(position.moves) > INTERPRETED_PLIES:
                break
            planes = np.zeros(game.planes)
            values = [np.zeros(game.globals, np.float32)] if game.globals else []
            state = position.state_array.copy()[0]
            try:
                observe(state, position.keys, len(position.moves), planes, *values)
            except Exception:  # it works on bits, which only whole numbers have
                return
            wrong = planes[~((planes >= 0) & (planes <= 255) & (planes == np.floor(planes)))]
            if len(wrong):
                raise Violation(f"observe writes {wrong[0]:g}, but planes are uint8", position)


@dataclass
class Answer:
    """The answers of interpreted rules about one position of a game."""

    over: bool
    value: float
    legal: np.ndarray  # uint8 [A]
    planes: np.ndarray  # uint8 [C, H, W]
    globals: np.ndarray  # float32 [G]
    key: int
    changed: str  # which rule changed the state that it should only read, and what in it
    action: int = -1  # played there, -1 at the end


def interpreted_games(sample: Sample) -> Iterator[list[Answer]]:
    """Random games played without compiled rules."""
    game = sample.game
    rules = {name: interpreted(getattr(game, name)) for name in KERNELS}
    rng = np.random.default_rng(0)
    for _ in range(min(INTERPRETED_GAMES, sample.games)):
        states = game.empty_states(INTERPRETED_PLIES + 1)
        keys = np.zeros(INTERPRETED_PLIES + 1, np.uint64)
        answers: list[Answer] = []
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # as compiled code does
            rules["start"](states[0])
            for n in range(INTERPRETED_PLIES + 1):
                answer = interpreted_answer(game, rules, states[n], keys, n)
                answers.append(answer)
                keys[n] = answer.key
                if answer.over or not answer.legal.any() or n == INTERPRETED_PLIES:
                    break
                answer.action = int(rng.choice(np.flatnonzero(answer.legal)))
                states[n + 1] = states[n]
                rules["play"](states[n + 1], answer.action)
        yield answers


def interpreted_answer(
    game: Game, rules: dict[str, Callable[..., Any]], state: State, keys: np.ndarray, n: int
) -> Answer:
    """Ask every rule about a copy of the state, and see whether the copy stays equal."""
    mask, planes = np.zeros(game.num_actions, np.uint8), np.zeros(game.planes, np.uint8)
    values = np.zeros(game.globals, np.float32)
    changed = ""

    def ask(name: str, *arguments: Any) -> Any:
        nonlocal changed
        copy = game.empty_states(1)
        copy[0] = state
        answer = rules[name](copy[0], *arguments)
        for field in game.state.names or ():
            if not np.array_equal(copy[0][field], state[field]):
                changed = changed or f"{name} changes the state's {field}"
        return answer

    over, value = ask("outcome", keys, n)
    if not over:
        ask("legal", keys, n, mask)
    ask("observe", keys, n, planes, *([values] if game.globals else []))
    key = int(ask("key")) % 2**64
    return Answer(bool(over), float(value), mask, planes, values, key, changed)


def interpreted(kernel: Any, made: dict[Any, Any] | None = None) -> Callable[..., Any]:
    """A kernel as plain Python, the kernels of the game's own files that it calls included."""
    made = {} if made is None else made  # kernels may call each other in a circle
    function = kernel.py_func
    if function not in made:
        copy = types.FunctionType(
            function.__code__,
            dict(function.__globals__),
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        made[function] = copy
        for name in function.__code__.co_names:
            callee = function.__globals__.get(name)
            if hasattr(callee, "py_func") and callee.py_func.__module__ != "alphazero.game.jit":
                copy.__globals__[name] = interpreted(callee, made)
    return made[function]
