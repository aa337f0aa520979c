"""A game: the contract its author fills in, and everything the engine derives from it.

A game is a state dtype and a few kernels about *one position* (see `games/tictactoe.py` for the
example to copy):

    start(state)                        fill in the initial position
    play(state, action)                 make a legal move, in place
    legal(state, keys, n, mask)         set the legal entries of a zeroed uint8 mask [A]
    outcome(state, keys, n)             -> (over, value): value for the player to move in [-1, 1],
                                        0 unless over
    key(state)                          -> uint64, equal exactly for equal positions
    observe(state, keys, n, planes)     set zeroed uint8 planes [C, H, W], for the player to move;
                                        with float inputs (`globals`) also float32 values [G]:
                                        observe(state, keys, n, planes, values)

`keys[:n]` are the keys of all earlier positions of the game, for superko and repetition. The state
has at least the fields `to_play` (0 the first player, 1 the second) and `ply` (moves made).
Letters in shapes: B positions, A actions, C x H x W planes, G float inputs, S symmetries, N plies.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from alphazero.errors import UserError
from alphazero.game import kernels
from alphazero.game.board_view import BoardView
from alphazero.game.jit import bind, is_warm
from alphazero.game.position import Outcome, Position
from alphazero.game.trial import Violation, trial

__all__ = [
    "Auxiliary",
    "Count",
    "Game",
    "Outcome",
    "Pieces",
    "Position",
    "Ruleset",
    "State",
    "Stones",
    "Symmetries",
    "Tactics",
]

State = Any  # one record of a game's state dtype
MAX_ACTIONS = 65_535  # an action is a uint16 in trees and in records
MAX_LEGAL = 32_767  # and the number of a node's edges an int16


class Symmetries(NamedTuple):
    """Permutations that leave the game the same; row 0 is the identity.

    A transformed observation has planes'[c].flat[i] = planes[c].flat[points[s, i]], and the
    policy that belongs to it policy'[a] = policy[actions[s, a]].
    """

    points: np.ndarray  # int32 [S, H * W]
    actions: np.ndarray  # int32 [S, A]

    @property
    def inverse_actions(self) -> np.ndarray:
        return np.argsort(self.actions, axis=1).astype(np.int32)


@dataclass(frozen=True)
class Auxiliary:
    """An auxiliary target that a network learns from finished games, such as ownership of points.

    `target(state, final_state, out)` is a kernel that fills float32 out [prod(shape)], seen by the
    player to move in `state`. A shape (H, W) follows the game's symmetries.
    """

    name: str
    shape: tuple[int, ...]
    target: Callable[..., Any]
    loss: str = "mse"  # or "bce" for targets in [0, 1], "tanh" for targets in [-1, 1]


class Ruleset(NamedTuple):
    """The terms in which rulesets of a game of stones differ."""

    ko: str  # the repetitions that are forbidden: "simple", "positional" or "situational"
    suicide: bool  # a chain of several stones may take its own last liberty
    handicap: str  # points for the second player: "N" for N handicap stones, "N-1" or "0"
    scoring: str = "area"  # stones and the points around them, or "territory": points and prisoners
    # "seki": no points for territory of stones in seki; "all": besides, two points less for every
    # living group; or "none".
    tax: str = "none"
    button: bool = False  # the first pass of a game gets half a point and does not end it
    friendly_pass: bool = True  # area scoring: stones left dead are taken off after the last pass

    @property
    def removes_dead(self) -> bool:
        """True if dead stones are taken off before counting; else all on the board are alive."""
        return self.friendly_pass or self.scoring == "territory"

    @property
    def usual_komi(self) -> float:
        """The komi where none is named."""
        return 6.5 if self.scoring == "territory" else 7.0 if self.button else 7.5


class Count(NamedTuple):
    """The count of a finished game of stones. Pairs are of the first and the second player."""

    owners: np.ndarray  # int8 [H, W]: 1 and 2 for points of the players, 0 for nobody's
    territory: tuple[int, int]  # empty points
    stones: tuple[int, int]  # living stones, which are points under area scoring
    prisoners: tuple[int, int]  # stones taken, dead ones included: points under territory scoring
    tax: tuple[int, int]  # points paid for living groups
    compensation: float  # the second player's other points: komi, for handicap, for the button
    score: float  # the first player's points less the second's, all included


@dataclass(frozen=True)
class Stones:
    """The interface of a game of stones on a grid, such as Go, to GTP, SGF and the terminal. Plain
    Python, never called by a search.

    Boards are int8 [H, W], row 0 on top: 0 empty, 1 the first player's, 2 the second's. A board of
    dead stones is bool [H, W]; None for none. The functions that change a state do so in place.

    The game's own `outcome` counts area without removing stones. Where the rules say otherwise,
    `count` has the result that people agree on.
    """

    board: Callable[[State], np.ndarray]
    captures: Callable[[State], tuple[int, int]]  # stones that each player has taken
    set_captures: Callable[[State, tuple[int, int]], None]
    komi: Callable[[State], float]  # points for the second player, without compensation of handicap
    set_komi: Callable[[State, float], None]
    rules: Mapping[str, Ruleset]  # by name
    terms: Callable[[State], Ruleset]
    set_rules: Callable[[State, Ruleset], None]
    # (state, board, to_play): this board instead, without history, captures or handicap.
    # Raises ValueError when a chain has no liberty.
    set_up: Callable[[State, np.ndarray, int], None]
    # (state, count): the second player is compensated, as the rules say, for so many stones.
    set_handicap: Callable[[State, int], None]
    area: Callable[[State, np.ndarray | None], np.ndarray]  # (state, dead): owners, as a board
    count: Callable[[State, np.ndarray | None], Count]  # (state, dead)
    seki: Callable[[State, np.ndarray | None], np.ndarray]  # (state, dead): stones, bool [H, W]
    pass_alive: Callable[[State], np.ndarray]  # owners of stones and eyes that no attack can take
    # (state): rules with area scoring and the komi under which a search comes nearest to the
    # state's own; a point may be missing.
    by_area: Callable[[State], tuple[Ruleset, float]]

    def score(self, state: State, dead: np.ndarray | None) -> float:
        """The first player's points less the second's, all included."""
        return self.count(state, dead).score


@dataclass(frozen=True)
class Pieces:
    """The interface of a game of pieces, such as chess, to UCI, PGN, perft and the terminal. Plain
    Python, never called by a search.

    Squares are 0..63 from a1, b1, ... to h8 whoever is to move; pieces are PNBRQK the first
    player's, pnbrqk the second's.
    """

    board: Callable[[State], dict[int, str]]  # pieces by square
    fen: Callable[[State], str]
    # The position of a FEN, without earlier ones, in place. ValueError says what is wrong with it.
    set_fen: Callable[[State, str], None]
    san: Callable[[State, int], str]  # a legal move as people write it; ValueError for others
    in_check: Callable[[State], bool]
    ending: Callable[[State, np.ndarray], str]  # (state, keys): why a game is over; "" if it is not
    # (state, keys): why the player to move may claim a draw, in a game that goes on; "": may not.
    claim: Callable[[State, np.ndarray], str]
    count: Callable[[np.ndarray], np.ndarray]  # pieces in each of states [B], kings included
    legal: Callable[[State], list[int]]  # legal actions in ascending order, the game over or not
    # (state, plies): lines by their first action; a draw ends none.
    perft: Callable[[State, int], dict[int, int]]


@dataclass(frozen=True)
class Tactics:
    """Kernels that guide alpha-beta search (`arena/alphabeta.py`): about one position, without its
    history.

    `actions` is an int32 array with room for all legal actions of any position.
    """

    moves: Callable[..., Any]  # (state, actions) -> how many legal ones it has written there
    # (state, actions) -> (count, forced): the legal moves to be looked at where the search ends, as
    # captures, because no value can be given before; if forced, all: there is no standing still.
    noisy: Callable[..., Any]
    gain: Callable[..., Any]  # (state, action) -> int: how good a move looks; 0 for a quiet one
    value: Callable[..., Any]  # (state) -> what the player to move may expect, in (-1, 1)


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
    # (state, last action or None): the board, with coordinates and the last action marked, as data
    # and as ASCII text. A game has at least one of the two; the text is made from the data.
    view: Callable[[State, int | None], BoardView] | None = None
    render: Callable[[State, int | None], str] | None = None
    explain: Callable[[State, int], str] | None = None  # why an illegal action is illegal
    max_legal: int = 0  # most legal actions in any position; 0: num_actions
    players: tuple[str, str] = ("first", "second")
    symmetries: Symmetries | None = None
    auxiliary: tuple[Auxiliary, ...] = ()
    uses_keys: bool = True  # False: neither `legal` nor `outcome` looks at earlier positions
    globals: int = 0  # G, float inputs of the network beside the planes; no symmetry changes them
    plane_scale: tuple[float, ...] = ()  # what the network multiplies each plane by; (): 1
    board_plane: int | None = None  # the plane that marks points on the board, if some may be off
    vary: Callable[[State, np.random.Generator], None] | None = None  # randomise the start state
    prune: Callable[..., Any] | None = (
        None  # kernel (state, mask): drop moves no playout should make
    )
    # kernel (state, mask): make of the ones of a pruned mask weights from 1 to 255, by which a
    # sensible player would make these moves.
    weigh: Callable[..., Any] | None = None
    stones: Stones | None = None
    pieces: Pieces | None = None
    tactics: Tactics | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    in_planes: tuple[str, ...] = ()  # parameters that a network sees: it serves all their values
    fully_convolutional: bool = False  # actions are the points [H * W], or these and then a pass

    def __post_init__(self) -> None:
        for name in ("to_play", "ply"):
            if name not in (self.state.names or ()):
                raise ValueError(f"{self.name}: the state dtype lacks the field {name!r}")
        for name in self.state.names or ():
            if hasattr(np.record, name):  # state.size would mean something else in plain Python
                raise ValueError(f"{self.name}: a state field cannot be called {name!r}")
        if self.view is None and self.render is None:
            raise ValueError(f"{self.name}: a game needs `view` or `render` to show its board")
        object.__setattr__(self, "max_legal", self.max_legal or self.num_actions)
        limits = {"num_actions": MAX_ACTIONS, "max_legal": MAX_LEGAL}
        for name, most in limits.items():
            if getattr(self, name) > most:
                hint = "" if name == "num_actions" else " (the most legal actions of any position)"
                raise ValueError(
                    f"{self.name}: {name} is {getattr(self, name)}{hint}, and the engine's limit "
                    f"is {most}"
                )
        counter = self.state["ply"]
        if counter.kind in "iu" and self.max_plies > np.iinfo(counter).max:
            raise ValueError(
                f"{self.name}: the state's ply is {counter}, which cannot count to max_plies = "
                f"{self.max_plies}"
            )
        # As np.record the fields are attributes in plain Python too, when kernels are not compiled.
        object.__setattr__(self, "state", np.dtype((np.record, self.state)))
        if self.symmetries is None:
            height_width = self.planes[1] * self.planes[2]
            identity = Symmetries(
                np.arange(height_width, dtype=np.int32)[None],
                np.arange(self.num_actions, dtype=np.int32)[None],
            )
            object.__setattr__(self, "symmetries", identity)

    def __repr__(self) -> str:
        return f"Game({self.spec!r})"

    def __copy__(self) -> "Game":
        return self  # nothing in it changes

    def __deepcopy__(self, memo: dict[int, Any]) -> "Game":
        return self

    def name_source(self, source: str) -> None:
        """Note the name or path by which `load` finds this game, unless one is known already."""
        self.__dict__.setdefault("_source", source)

    @property
    def spec(self) -> str:
        """The text from which `load` makes this game again, with all parameters."""
        source = self.__dict__.get("_source", self.name)
        parameters = ",".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{source}:{parameters}" if parameters else source

    @property
    def is_shipped(self) -> bool:
        """True for the rules of the package, False for those of a file or of another package."""
        rules = getattr(self.start, "py_func", self.start)
        return rules.__module__.partition(".")[0] == "alphazero_games"

    def broken(self, problem: str) -> UserError:
        """Make the error that says how the rules of this game break the contract."""
        return UserError(
            f"the rules of {self.spec} break the contract of games: {problem}"
            f" (alphazero check {self.spec} says more)"
        )

    def position(self, moves: str | Iterable[int | str] = ()) -> Position:
        """The initial position, or the one after moves such as `"d d e e"`.

        Raises ValueError with the reason when a move cannot be read or is illegal.
        """
        position = Position(self)
        for move in moves.split() if isinstance(moves, str) else moves:
            position.play(move)
        return position

    def board_view(self, state: State, last_action: int | None = None) -> BoardView:
        """The board of a state as data."""
        if self.view is not None:
            return self.view(state, last_action)
        return BoardView("text", drawing=self.board_text(state, last_action))

    def board_text(self, state: State, last_action: int | None = None) -> str:
        """The board of a state as ASCII lines."""
        if self.render is not None:
            return self.render(state, last_action)
        return self.board_view(state, last_action).text()

    def empty_states(self, count: int) -> np.ndarray:
        """Zeroed states [count]."""
        return np.zeros(count, self.state)

    def bind(self, template: Callable[..., Any], **more: Any) -> Callable[..., Any]:
        """Compile a template of kernels, with this game's functions and constants as its globals
        and `more` that are not the game's. Each is compiled once and lives as long as the game."""
        bound: dict[Any, Any] = self.__dict__.setdefault("_bound", {})
        key = template, *sorted(more.items(), key=lambda item: item[0])
        if key not in bound:
            names = {
                "start": self.start,
                "play": self.play,
                "legal": self.legal,
                "outcome": self.outcome,
                "key": self.key,
                "observe": self.observe,
                "prune": self.prune or kernels.leave_mask,
                "weigh": self.weigh or kernels.leave_mask,
                "USES_KEYS": self.uses_keys,
                "MAX_PLIES": self.max_plies,
                "NUM_ACTIONS": self.num_actions,
            }
            bound[key] = bind(template, self.name, **(names | more))
        return bound[key]

    # Kernels over batches, one compiled copy for each game; their arguments: `kernels.py`.

    @property
    def start_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.start_batch)

    @property
    def play_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.play_batch)

    @property
    def legal_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.legal_batch)

    @property
    def outcome_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.outcome_batch)

    @property
    def observe_batch(self) -> Callable[..., Any]:
        template = kernels.observe_with_globals if self.globals else kernels.observe_batch
        return self.bind(template)

    @property
    def key_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.key_batch)

    @property
    def replay(self) -> Callable[..., Any]:
        return self.bind(kernels.replay)

    @property
    def examine(self) -> Callable[..., Any]:
        return self.bind(kernels.examine)

    @property
    def playout_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.playout_batch)

    @property
    def trace_batch(self) -> Callable[..., Any]:
        return self.bind(kernels.trace_batch)

    def compile(self, report: Callable[[str], None] | None = None) -> None:
        """Compile the rules or load them from disk; `report` is told if it takes long.

        Rules that are not the package's are tried in a few random games: `report` gets warnings.
        Raises UserError if they break the contract.
        """
        if report is not None and not is_warm(self.examine):
            report(f"compiling the {self.title} rules (once)…")
        position = self.position()
        if not self.is_shipped and "_tried" not in self.__dict__:
            self._try(report)
        if not position.is_over:
            position.play(position.legal_actions()[0])
            position.undo()
        self._compile_for_people(position)

    def _try(self, report: Callable[[str], None] | None) -> None:
        """Try the rules once in this process. Raises UserError."""
        try:
            warnings = trial(self)
        except Violation as violation:
            raise self.broken(violation.problem) from violation
        except UserError:
            raise
        except Exception as error:  # the author's code, whatever it raises
            raise self.broken(f"{type(error).__name__}: {error}") from error
        self.__dict__["_tried"] = True
        if report is not None:
            for warning in warnings:
                report(f"warning: {self.title}: {warning}")

    def _compile_for_people(self, position: Position) -> None:
        """Compile what front ends call and no search does: it would be compiled in the middle of a
        game, on the clock."""
        state, stones, pieces = position.state_array.copy()[0], self.stones, self.pieces
        if self.explain is not None and pieces is not None:
            self.explain(state, position.legal_actions()[0])  # looks at everything before it is ""
        if pieces is not None:
            pieces.set_fen(state, pieces.fen(state))
            pieces.san(state, pieces.legal(state)[0])
            pieces.perft(state, 1)
            for ask in (pieces.ending, pieces.claim):
                ask(state, position.keys)
        if stones is not None:
            board = stones.board(state).copy()
            board[0, 0] = 1
            stones.set_up(state, board, 0)
            stones.score(state, None)
            stones.area(state, None)
            stones.pass_alive(state)
