"""A game: the contract its author fills in, and everything the engine derives from it.

A game is a state dtype and a few kernels about *one position* (see `games/tictactoe.py` for the
example to copy):

    start(state)                        fill in the initial position
    play(state, action)                 make a legal move, in place
    legal(state, keys, n, mask)         set the legal entries of a zeroed uint8 mask [A]
    outcome(state, keys, n)             -> (over, value): value for the player to move in [-1, 1],
                                        0 unless over
    key(state)                          -> uint64, equal exactly for equal positions
    observe(state, planes)              set uint8 planes [C, H, W], zeroed, seen by the player to move

`keys[:n]` are the keys of all earlier positions of the game, for superko and repetition. The state
has at least the fields `to_play` (0 the first player, 1 the second) and `ply` (moves made).
Letters in shapes: B positions, A actions, C x H x W planes, S symmetries, N plies.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from alphazero import kernels
from alphazero.errors import UserError, closest
from alphazero.jit import bind, is_warm

State = Any  # one record of a game's state dtype


class Symmetries(NamedTuple):
    """Permutations that leave the game the same; row 0 is the identity.

    A transformed observation has planes'[c].flat[i] = planes[c].flat[points[s, i]], and the
    policy that belongs to it policy'[a] = policy[actions[s, a]].
    """

    points: np.ndarray  # int32 [S, H * W]
    actions: np.ndarray  # int32 [S, A]

    @property
    def inverse_points(self) -> np.ndarray:
        return np.argsort(self.points, axis=1).astype(np.int32)

    @property
    def inverse_actions(self) -> np.ndarray:
        return np.argsort(self.actions, axis=1).astype(np.int32)


@dataclass(frozen=True)
class Auxiliary:
    """Something else a network can learn from a finished game, such as ownership of points.

    `target(state, final_state, out)` is a kernel that fills float32 out [prod(shape)], seen by the
    player to move in `state`. A shape (H, W) follows the game's symmetries.
    """

    name: str
    shape: tuple[int, ...]
    target: Callable[..., Any]
    loss: str = "mse"  # or "bce", for targets in [0, 1]


@dataclass(frozen=True, eq=False)
class Game:
    """One game with its parameters fixed. Compiled parts are made when first used."""

    name: str
    title: str
    state: np.dtype
    num_actions: int
    planes: tuple[int, int, int]
    max_plies: int
    start: Callable[..., Any]
    play: Callable[..., Any]
    legal: Callable[..., Any]
    outcome: Callable[..., Any]
    key: Callable[..., Any]
    observe: Callable[..., Any]
    action_to_str: Callable[[State, int], str]
    str_to_action: Callable[[State, str], int]  # ValueError for what no position could mean
    render: Callable[[State, int | None], str]  # board with coordinates, last action marked
    explain: Callable[[State, int], str] | None = None  # why an illegal action is illegal
    max_legal: int = 0  # most legal actions in any position; 0: num_actions
    players: tuple[str, str] = ("first", "second")
    symmetries: Symmetries | None = None
    auxiliary: tuple[Auxiliary, ...] = ()
    uses_keys: bool = True  # False: neither `legal` nor `outcome` looks at earlier positions
    parameters: dict[str, Any] = field(default_factory=dict)
    fully_convolutional: bool = False  # actions are the points [H * W], or these and then a pass

    def __post_init__(self) -> None:
        for name in ("to_play", "ply"):
            if name not in (self.state.names or ()):
                raise ValueError(f"{self.name}: the state dtype lacks the field {name!r}")
        # As np.record the fields are attributes in plain Python too, when kernels are not compiled.
        object.__setattr__(self, "state", np.dtype((np.record, self.state)))
        object.__setattr__(self, "max_legal", self.max_legal or self.num_actions)
        if self.symmetries is None:
            height_width = self.planes[1] * self.planes[2]
            identity = Symmetries(
                np.arange(height_width, dtype=np.int32)[None],
                np.arange(self.num_actions, dtype=np.int32)[None],
            )
            object.__setattr__(self, "symmetries", identity)

    def __repr__(self) -> str:
        return f"Game({self.spec!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return load, (self.spec,)

    @property
    def spec(self) -> str:
        """What `load` takes to make this game again."""
        source = getattr(self, "_source", self.name)
        parameters = ",".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{source}:{parameters}" if parameters else source

    def position(self) -> "Position":
        """The initial position."""
        return Position(self)

    def empty_states(self, count: int) -> np.ndarray:
        """Zeroed states [count]."""
        return np.zeros(count, self.state)

    def bind(self, template: Callable[..., Any]) -> Callable[..., Any]:
        """A template of kernels with this game's functions and constants as its globals."""
        return bind(
            template,
            f"{self.name}_{'_'.join(f'{k}{v}' for k, v in self.parameters.items())}",
            start=self.start,
            play=self.play,
            legal=self.legal,
            outcome=self.outcome,
            key=self.key,
            observe=self.observe,
            USES_KEYS=self.uses_keys,
            MAX_PLIES=self.max_plies,
            NUM_ACTIONS=self.num_actions,
        )

    @cached_property
    def start_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.start_batch)

    @cached_property
    def play_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.play_batch)

    @cached_property
    def legal_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.legal_batch)

    @cached_property
    def outcome_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.outcome_batch)

    @cached_property
    def observe_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.observe_batch)

    @cached_property
    def key_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.key_batch)

    @cached_property
    def replay(self) -> Callable[..., Any]:
        return self.bind(kernels.replay)

    @cached_property
    def examine(self) -> Callable[..., Any]:
        return self.bind(kernels.examine)

    @cached_property
    def playout_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.playout_batch)

    def compile(self, report: Callable[[str], None] | None = None) -> None:
        """Have the rules compiled (or loaded from disk); `report` hears of it when it takes a while."""
        if report is not None and not is_warm(self.playout_batch, self.observe_batch):
            report(f"compiling the {self.title} rules (once, about 10 s)…")
        position = self.position()
        position.legal_mask()
        position.planes()
        values = np.empty(1, np.float32)
        self.playout_batch(position.state_array.copy(), np.zeros(1, np.uint64), values)


class Outcome(NamedTuple):
    """How a game ended: the winner (0, 1, or None for a draw) and each player's value in [-1, 1]."""

    winner: int | None
    values: tuple[float, float]


class Position:
    """A position with the game that led to it; moves are made and taken back in place."""

    def __init__(self, game: Game, state: State | None = None) -> None:
        """The initial position, or `state` as the start of a game without history."""
        self.game = game
        self._states = game.empty_states(16)  # after 0, 1, ... moves; grown as needed
        self._keys = np.empty(16, np.uint64)  # of these states
        self.moves: list[int] = []
        if state is None:
            game.start_batch(self._states[:1])
        else:
            self._states[0] = state
        self._mask = np.empty(game.num_actions, np.uint8)
        self._verdict = np.empty(2, np.float32)  # whether the game is over, and the value
        self._examine()

    def _examine(self) -> None:
        self.game.examine(self._states, self._keys, len(self.moves), self._mask, self._verdict)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The current state record (do not change it)."""
        return self._states[len(self.moves)]

    @property
    def state_array(self) -> np.ndarray:
        """The current state as an array [1], a view."""
        return self._states[len(self.moves) : len(self.moves) + 1]

    @property
    def start_state(self) -> State:
        """The state before the first move."""
        return self._states[0]

    @property
    def keys(self) -> np.ndarray:
        """Keys of all earlier positions, uint64 [N]."""
        return self._keys[: len(self.moves)]

    @property
    def key(self) -> int:
        """Key of this position."""
        return int(self._keys[len(self.moves)])

    @property
    def to_play(self) -> int:
        """Whose move it is: 0 for the first player, 1 for the second."""
        return int(self.state["to_play"])

    @property
    def ply(self) -> int:
        """Moves made since the game began, as the state counts them."""
        return int(self.state["ply"])

    @property
    def last_action(self) -> int | None:
        return self.moves[-1] if self.moves else None

    def legal_mask(self) -> np.ndarray:
        """uint8 mask of legal actions [A]; all zero once the game is over."""
        return self._mask.copy()

    def legal_actions(self) -> list[int]:
        """Legal actions in ascending order; empty once the game is over."""
        return self._mask.nonzero()[0].tolist()

    def is_legal(self, action: int) -> bool:
        return 0 <= action < self.game.num_actions and bool(self._mask[action])

    @property
    def is_over(self) -> bool:
        return bool(self._verdict[0])

    def value_to_move(self) -> float:
        """The result for the player to move, in [-1, 1]; 0 while the game goes on."""
        return float(self._verdict[1])

    def outcome(self) -> Outcome | None:
        """The result, or None while the game goes on."""
        if not self.is_over:
            return None
        value = self.value_to_move()
        first = value if self.to_play == 0 else -value
        winner = None if first == 0 else int(first < 0)
        return Outcome(winner, (first, 0.0 - first))

    def planes(self) -> np.ndarray:
        """What the network sees: uint8 [C, H, W], for the player to move."""
        planes = np.zeros((1, *self.game.planes), np.uint8)
        self.game.observe_batch(self.state_array, planes)
        return planes[0]

    # -- moving ------------------------------------------------------------------------------------

    def play(self, move: int | str) -> int:
        """Make a move, given as an action or as text; returns the action.

        Raises ValueError with the reason when the move cannot be read or is illegal; the position
        is then unchanged.
        """
        action = self.action(move) if isinstance(move, str) else int(move)
        if not self.is_legal(action):
            raise ValueError(self._why_illegal(action))
        n = len(self.moves)
        if n + 1 == len(self._states):
            self._states = np.concatenate([self._states, self.game.empty_states(n + 1)])
            self._keys = np.concatenate([self._keys, np.empty(n + 1, np.uint64)])
        self._states[n + 1] = self._states[n]
        self.game.play_batch(self._states[n + 1 : n + 2], np.array([action], np.int32))
        self.moves.append(action)
        self._examine()
        return action

    def undo(self) -> int:
        """Take the last move back and return it. Raises ValueError at the start."""
        if not self.moves:
            raise ValueError("there is no move to take back")
        action = self.moves.pop()
        self._examine()
        return action

    def copy(self) -> "Position":
        """An independent position with the same history."""
        other = object.__new__(Position)
        other.__dict__.update(self.__dict__)
        for name in ("_states", "_keys", "_mask", "_verdict", "moves"):
            setattr(other, name, getattr(self, name).copy())
        return other

    # -- text --------------------------------------------------------------------------------------

    def action(self, text: str) -> int:
        """The action a text means here; ValueError if it means none. Does not check legality."""
        return self.game.str_to_action(self.state, text)

    def text(self, action: int) -> str:
        """An action as people write it here."""
        return self.game.action_to_str(self.state, action)

    def render(self) -> str:
        """The board as ASCII lines, last move marked."""
        return self.game.render(self.state, self.last_action)

    def __str__(self) -> str:
        return self.render()

    # -- inside ------------------------------------------------------------------------------------

    def _why_illegal(self, action: int) -> str:
        game = self.game
        if not 0 <= action < game.num_actions:
            return f"action {action} is not in 0..{game.num_actions - 1}"
        text = self.text(action)
        if self.is_over:
            return f"{text} is illegal: the game is over"
        reason = game.explain(self.state, action) if game.explain else ""
        return f"{text} is illegal: {reason}" if reason else f"{text} is illegal here"


# -- finding games ---------------------------------------------------------------------------------


def available() -> dict[str, str]:
    """Name -> module of every game in `games/` and of installed plugins, without importing any."""
    found = {}
    package = importlib.util.find_spec("games")
    if package is not None and package.submodule_search_locations:
        for module in pkgutil.iter_modules(package.submodule_search_locations):
            if not module.name.startswith("_") and not module.name.endswith("_rules"):
                found[module.name] = f"games.{module.name}"
    for point in entry_points(group="alphazero.games"):
        found.pop(_plain(point.name), None)  # an entry point may spell the file's name better
        found[point.name] = point.value
    return dict(sorted(found.items()))


def load(spec: str) -> Game:
    """The game of a text such as `tic-tac-toe`, `connect4:rows=6,cols=7` or `./mygame.py`.

    Raises UserError when there is no such game or it has no such parameter.
    """
    source, _, arguments = _split(spec)
    parameters = _parse_parameters(spec, arguments)
    if source.endswith(".py"):
        path = Path(source).expanduser().resolve()
        source, made = str(path), _definition(_import_file(path), spec)
    else:
        games = available()
        names = {_plain(name): name for name in games}
        if _plain(source) not in names:
            choices = ", ".join(games)
            raise UserError(
                f"unknown game {source!r}{closest(source, games)}; known games: {choices}; "
                "or give the path of a file such as ./mygame.py"
            )
        source = names[_plain(source)]
        module, _, attribute = games[source].partition(":")
        made = _definition(importlib.import_module(module), spec, attribute or "GAME")
    game = _make(made, spec, parameters)
    object.__setattr__(game, "_source", source)
    return game


def _split(spec: str) -> tuple[str, str, str]:
    """`name:parameters`, where a Windows drive letter is not a name."""
    head, colon, tail = spec.partition(":")
    if len(head) == 1 and tail[:1] in ("/", "\\"):
        head2, colon, tail = tail.partition(":")
        head = f"{head}:{head2}"
    return head, colon, tail


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def _parse_parameters(spec: str, arguments: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for item in filter(None, arguments.split(",")):
        name, equals, text = item.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UserError(f"cannot read {item!r} in game {spec!r}: write name=value")
        parameters[name.strip()] = _parse_value(text.strip())
    return parameters


def _parse_value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def _definition(module: ModuleType, spec: str, attribute: str = "GAME") -> Any:
    if not hasattr(module, attribute):
        raise UserError(f"game {spec!r}: {module.__file__} does not define {attribute}")
    return getattr(module, attribute)


def _make(made: Any, spec: str, parameters: dict[str, Any]) -> Game:
    """A module's GAME is a Game, or a function of the game's parameters that returns one."""
    if isinstance(made, Game):
        if parameters:
            raise UserError(f"game {spec!r} takes no parameters, not {', '.join(parameters)}")
        return made
    known = inspect.signature(made).parameters
    for name in parameters:
        if name not in known:
            raise UserError(
                f"game {spec!r} has no parameter {name!r}{closest(name, known)}; "
                f"it takes: {', '.join(known)}"
            )
    try:
        game = made(**parameters)
    except (ValueError, TypeError) as error:
        raise UserError(f"game {spec!r}: {error}") from error
    if not isinstance(game, Game):
        raise UserError(f"game {spec!r}: GAME must be a Game or a function that returns one")
    return game


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"no such game file: {path}")
    name = f"alphazero_game_{path.stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"cannot load the game {path}: {type(error).__name__}: {error}") from error
    return module
