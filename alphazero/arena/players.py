"""Players: whatever chooses moves, for many games at once, and the texts that name them.

A text is `kind:argument,option=value`, for example

    random                                  checkpoint:runs/connect4,simulations=200
    beginner                                policy:runs/connect4
    mcts:1000                               pretrained:200
    rave:1000                               pretrained:level=3
    tactics:1000                            alphabeta:6
    gtp:gnugo --mode gtp --level 10         uci:stockfish,nodes=1000,UCI_Elo=1350

Networks, and torch with them, are loaded only when a player needs them.
"""

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alphazero.arena import level as levels
from alphazero.arena.alphabeta import AlphaBeta
from alphazero.arena.gtp_client import GtpEngine, stones_of
from alphazero.arena.reference import Reference
from alphazero.arena.subprocess_engine import TIMEOUT, EnginePool
from alphazero.arena.tactics import TacticsEvaluator
from alphazero.arena.uci_client import UciEngine, UciLimits, pieces_of
from alphazero.config import RAVE, PuctConfig, SearchConfig
from alphazero.errors import UserError, closest
from alphazero.game import Game, Position
from alphazero.network import find
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import (
    CachedEvaluator,
    Evaluator,
    Leaves,
    RolloutEvaluator,
    TracedRolloutEvaluator,
)
from alphazero.search.search import Search, SearchResult

SIMULATIONS = 200  # of a network player unless it says otherwise
MOST_PROCESSES = 4  # of an external program, unless it says otherwise
MOST_TREES = 256  # searched at once: enough to fill a batch

RESIGN = -(2**31)  # returned for an action by a player that resigns

Ask = Callable[[Position], int]  # asks a person for a legal action


class Player:
    """Chooses moves. Equal positions and an equal generator give the same choice."""

    name = "player"

    @property
    def description(self) -> str:
        """Its name, and how it chooses if the name does not say so."""
        return self.name

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        """Choose an action or RESIGN for every position. None is over; they are left unchanged."""
        raise NotImplementedError


class RandomPlayer(Player):
    """Plays random legal moves."""

    name = "random"

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        return [int(rng.choice(position.legal_actions())) for position in positions]


class HumanPlayer(Player):
    """Asks a person, one position at a time."""

    name = "human"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        return [self._ask(position) for position in positions]


class SearchPlayer(Player):
    """Monte Carlo tree search with any evaluator; all positions are searched in one batch."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        config: SearchConfig,
        name: str,
        temperature: float = 0.0,
        level: levels.Level | None = None,
    ) -> None:
        """At a temperature above 0 a move is drawn from policy ** (1 / temperature). A level limits
        the moves considered, and its number of simulations is the search's."""
        self.game = game
        self.name = name
        self._evaluator = evaluator
        self._config = config
        self._temperature = temperature
        self._level = level
        self._search: Search | None = None

    @property
    def description(self) -> str:
        return f"{self.name} with {self._config.simulations} simulations a move"

    def without_search(self) -> "PolicyPlayer | None":
        """The player that takes the move with the highest prior; None where priors are equal."""
        if not self._evaluator.uses_planes:
            return None
        return PolicyPlayer(self.game, self._evaluator, f"{self.name} without search")

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        seeds = rng.integers(2**63, size=len(positions)).tolist()
        results = self._run(positions, seeds, None)
        return [result.sample(self._temperature, rng) for result in results]

    def look_up(self, reference: Reference) -> None:
        """Search with the reference's tables of endings from now on."""
        self._evaluator, self._search = reference.evaluator(self._evaluator, self.game), None

    def analyse(
        self, position: Position, simulations: int | None = None, seed: int = 0
    ) -> SearchResult:
        """Search one position."""
        return self._run([position], [seed], simulations)[0]

    def _run(
        self, positions: Sequence[Position], seeds: Sequence[int], simulations: int | None
    ) -> list[SearchResult]:
        """Search all positions; a tree that is done takes the next one, to keep batches full."""
        wanted = min(len(positions), MOST_TREES)
        if self._search is None or self._search.num_trees < wanted:
            self._search = Search(self.game, self._evaluator, self._config, wanted)
        search = self._search
        if isinstance(search.evaluator, CachedEvaluator):
            search.evaluator.clear()  # the network may have new weights since
        results: dict[int, SearchResult] = {}
        searching: dict[int, int] = {}  # tree -> row of its position
        opening: set[int] = set()  # trees of which only the root is evaluated
        waiting = iter(range(len(positions)))
        finished = list(range(wanted))  # trees free for a position
        while finished or searching:
            for tree in finished:
                if tree in opening and self._level is not None:
                    opening.remove(tree)
                    row = searching[tree]
                    rng = np.random.default_rng(seeds[row])
                    levels.restrict(search, tree, positions[row], self._level, rng)
                    search.extend(tree, simulations or self._level.simulations)
                    continue
                if tree in searching:
                    results[searching.pop(tree)] = search.result(tree)
                row = next(waiting, None)
                if row is not None:
                    searching[tree] = row
                    budget = simulations
                    if self._level is not None:
                        opening.add(tree)
                        budget = 0
                    search.begin(tree, positions[row], seed=seeds[row], simulations=budget)
            finished = search.step() if searching else []
        return [results[row] for row in range(len(positions))]


class PolicyPlayer(Player):
    """Plays the move with the highest policy of a network, without search."""

    def __init__(
        self, game: Game, evaluator: Evaluator, name: str, temperature: float = 0.0
    ) -> None:
        """At a temperature above 0 a move is drawn from softmax(logits / temperature)."""
        self.game = game
        self.name = name
        self._evaluator = evaluator
        self._temperature = temperature

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        if not positions:
            return []
        states = np.concatenate([position.state_array for position in positions])
        encoder = self._evaluator.encoder or Encoder.of(self.game)
        planes, values = encoder.inputs_of(positions)
        seeds = rng.integers(2**63, size=len(positions)).astype(np.uint64)
        logits = self._evaluator.evaluate(Leaves(planes, states, seeds, values)).logits.copy()
        legal = np.stack([position.legal_mask() for position in positions])
        logits[legal == 0] = -np.inf
        if self._temperature > 0:  # the largest of Gumbel-perturbed logits is a draw by softmax
            logits = logits / self._temperature + rng.gumbel(size=logits.shape)
        return [int(action) for action in logits.argmax(axis=1)]


class InformedPlayer(Player):
    """Plays by an opening book and endgame tables, and asks another player for other moves."""

    def __init__(self, inner: Player, reference: Reference) -> None:
        self.inner, self.name, self._reference = inner, inner.name, reference

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        known: dict[int, int] = {}
        allowed: dict[int, list[int]] = {}  # which moves keep the result, by row
        for row, position in enumerate(positions):
            move = self._reference.move(position, rng)
            if move is not None:
                known[row] = move
                continue
            allowed[row] = self._reference.only(position) or []
            if len(allowed[row]) == 1:
                known[row] = allowed[row][0]
        asked = [row for row in range(len(positions)) if row not in known]
        answers = self.inner.choose([positions[row] for row in asked], rng) if asked else []
        for row, answer in zip(asked, answers, strict=True):
            fits = not allowed[row] or answer in allowed[row]
            known[row] = answer if fits else int(rng.choice(allowed[row]))
        return [known[row] for row in range(len(positions))]


class AlphaBetaPlayer(Player):
    """Plays by alpha-beta search to a depth; ties are broken at random."""

    def __init__(
        self, game: Game, depth: int, name: str | None = None, seconds: float | None = None
    ) -> None:
        self.name = name or f"alphabeta:{depth}"
        self._search = AlphaBeta(game)
        self._depth = depth
        self._seconds = seconds

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        seeds = rng.integers(2**63, size=len(positions)).tolist()
        return [
            self._search.search(position, self._depth, seconds=self._seconds, seed=seed).action
            for position, seed in zip(positions, seeds, strict=True)
        ]


class BeginnerPlayer(Player):
    """Plays a random move one time in three, else takes a win in one move, as a beginner may."""

    name = "beginner"

    def __init__(self, game: Game) -> None:
        self._random, self._greedy = RandomPlayer(), AlphaBetaPlayer(game, 1)

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        players = [
            self._random if draw < 1 / 3 else self._greedy for draw in rng.random(len(positions))
        ]
        return [
            player.choose([position], rng)[0]
            for player, position in zip(players, positions, strict=True)
        ]


class ProgramPlayer(Player):
    """Plays by a program that speaks GTP or UCI, which need not repeat its moves."""

    def __init__(self, pool: EnginePool, name: str) -> None:
        self.name = name
        self.pool = pool

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        return [RESIGN if move is None else move for move in self.pool.choose(positions)]


# -- players by their texts ------------------------------------------------------------------------


@dataclass(frozen=True)
class Spec:
    """The text of a player, parsed."""

    text: str
    kind: str
    argument: str
    options: dict[str, str]

    def count(self, name: str, default: int = 0) -> int:
        """A whole number above 0: the option `name`, or the argument. Raises UserError."""
        if default and name not in self.options:
            return default
        text = self.options.get(name, self.argument)
        if not text.isdecimal() or not 0 < int(text) < 2**31:
            raise UserError(
                f"player {self.text!r}: {name} must be a whole number above 0, not {text!r}"
            )
        return int(text)

    def number(self, name: str, default: float) -> float:
        """An option that is a number of at least 0. Raises UserError."""
        text = self.options.get(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < math.inf:
            raise UserError(
                f"player {self.text!r}: {name} must be a number of at least 0, not {text!r}"
            )
        return value

    def level(self, game: Game, has_network: bool = True) -> levels.Level | None:
        """The level asked for, if one is, which sets simulations and temperature. Raises
        UserError."""
        if "level" not in self.options:
            return None
        is_count = self.argument if self.kind != "checkpoint" else "simulations" in self.options
        if is_count or "temperature" in self.options:
            raise UserError(
                f"player {self.text!r}: a level sets the simulations and the temperature, so write"
                " neither beside it"
            )
        try:
            return levels.level_of(self.count("level"), game.name, has_network)
        except UserError as error:
            raise UserError(f"player {self.text!r}: {error}") from error


class Kind(NamedTuple):
    """A kind of player: the form of its text, and how one is made."""

    example: str
    needs: str  # what its argument is; "" if it takes none
    optional: bool  # whether it may be left out
    options: tuple[str, ...]
    make: Callable[..., Any]  # (spec, game, who asks a person)
    takes_command: bool = False  # whose words may look like options
    passes_options: bool = False  # those that are not ours are the program's


def make_player(text: str, game: Game, ask: Ask | None = None) -> Player:
    """Make the player of a text such as `mcts:1000`; `ask` asks the person who plays `human`.

    Raises UserError, which lists the choices.
    """
    spec = parse_spec(text)
    player = KINDS[spec.kind].make(spec, game, ask)
    book, tables = spec.options.get("book"), spec.options.get("syzygy")
    if book or tables:
        reference = Reference.open(game, book, tables)
        if isinstance(player, SearchPlayer):
            player.look_up(reference)
        return InformedPlayer(player, reference)
    return player


def parse_spec(text: str) -> Spec:
    """Parse the text of a player. Raises UserError."""
    kind, _, rest = text.strip().partition(":")
    kind = kind.strip().lower()
    if kind not in KINDS:
        raise UserError(
            f"unknown player {text!r}{closest(kind, KINDS)}; choices: "
            + ", ".join(kind.example for kind in KINDS.values())
        )
    known = KINDS[kind]
    argument, options = split_options(text, rest, known)
    if known.needs and not argument and not known.optional and "level" not in options:
        raise UserError(f"player {text!r} lacks {known.needs}: write {known.example}")
    if argument and not known.needs:
        raise UserError(f"player {text!r}: {kind} takes no argument")
    return Spec(text, kind, argument, options)


def split_options(text: str, rest: str, kind: Kind) -> tuple[str, dict[str, str]]:
    """Split `argument,name=value,...` from the right: a path may hold commas and equals signs.

    Raises UserError for an unknown option.
    """
    options: dict[str, str] = {}
    pattern = r"(?:(.*),)?\s*([a-z_]+)\s*=\s*([^,=]*)"
    if kind.passes_options:
        pattern = r"(.*),\s*(option\.[^,=]+?|[A-Za-z][\w ]*?)\s*=\s*([^,=]*)"
    while matched := re.fullmatch(pattern, rest):
        name = matched[2]
        if name not in kind.options and not kind.passes_options:
            if kind.takes_command or Path(rest).expanduser().exists():
                break
            choices = ", ".join(kind.options)
            raise UserError(
                f"player {text!r} has no option {name!r}{closest(name, kind.options)}"
                + (f"; options: {choices}" if choices else "")
            )
        options.setdefault(name, matched[3].strip())
        rest = matched[1] or ""
    return rest.strip(), options


def _make_random(spec: Spec, game: Game, ask: Ask | None) -> Player:
    return RandomPlayer()


def _make_beginner(spec: Spec, game: Game, ask: Ask | None) -> Player:
    return BeginnerPlayer(game)


def _make_human(spec: Spec, game: Game, ask: Ask | None) -> Player:
    if ask is None:
        raise UserError(
            "player 'human': there is nobody to ask here; to play yourself, run alphazero play"
        )
    return HumanPlayer(ask)


def _make_mcts(spec: Spec, game: Game, ask: Ask | None) -> Player:
    simulations = spec.count("simulations")
    evaluator = RolloutEvaluator(game, spec.count("playouts", 1))
    # One playout is a coin thrown, and priors are equal: that takes more exploration than a network
    # does. 4.0 scored 62 % against 1.25 in 60 games of Connect Four, 1000 simulations each.
    puct = PuctConfig(c_init=4.0, fpu_reduction=0.0)
    config = SearchConfig(policy="puct", simulations=simulations, symmetry=False, puct=puct)
    return SearchPlayer(game, evaluator, config, spec.text)


def _make_rave(spec: Spec, game: Game, ask: Ask | None) -> Player:
    level = spec.level(game, has_network=False)
    simulations = level.simulations if level else spec.count("simulations")
    config = SearchConfig(policy="puct", simulations=simulations, symmetry=False, puct=RAVE)
    return SearchPlayer(game, TracedRolloutEvaluator(game), config, spec.text, level=level)


def _make_tactics(spec: Spec, game: Game, ask: Ask | None) -> Player:
    level = spec.level(game, has_network=False)
    simulations = level.simulations if level else spec.count("simulations")
    if game.tactics is None:
        raise UserError(
            f"player {spec.text!r}: that is for chess; write mcts:{simulations} for {game.title}"
        )
    config = SearchConfig(policy="puct", simulations=simulations, symmetry=False)
    return SearchPlayer(game, TacticsEvaluator(game), config, spec.text, level=level)


def _make_alphabeta(spec: Spec, game: Game, ask: Ask | None) -> Player:
    depth = spec.count("depth")
    seconds = spec.number("seconds", 0.0) or None
    return AlphaBetaPlayer(game, depth, spec.text, seconds)


def _make_gtp(spec: Spec, game: Game, ask: Ask | None) -> Player:
    stones_of(game)
    processes = spec.count("processes", min(os.cpu_count() or 1, MOST_PROCESSES))
    timeout = spec.number("timeout", TIMEOUT) or TIMEOUT
    seconds = spec.number("seconds", 0.0) or None
    pool = EnginePool(GtpEngine, (spec.argument, timeout, seconds), processes)
    return ProgramPlayer(pool, spec.text)


def _make_uci(spec: Spec, game: Game, ask: Ask | None) -> Player:
    pieces_of(game)
    processes = spec.count("processes", min(os.cpu_count() or 1, MOST_PROCESSES))
    timeout = spec.number("timeout", TIMEOUT) or TIMEOUT
    limits = UciLimits(
        spec.number("seconds", 0.0) or None,
        spec.count("nodes") if "nodes" in spec.options else None,
        spec.count("depth") if "depth" in spec.options else None,
    )
    # Those that begin with `option.` are the program's, whatever they are called.
    theirs = {
        name.removeprefix("option."): text
        for name, text in spec.options.items()
        if name not in UCI_OPTIONS
    }
    pool = EnginePool(UciEngine, (spec.argument, game, limits, theirs, timeout), processes)
    return ProgramPlayer(pool, spec.text)


def _make_checkpoint(spec: Spec, game: Game, ask: Ask | None) -> Player:
    if not spec.argument:
        raise UserError(f"player {spec.text!r} lacks a path: write {KINDS['checkpoint'].example}")
    return _network_player(spec, game, Path(spec.argument), spec.count("simulations", SIMULATIONS))


def _make_pretrained(spec: Spec, game: Game, ask: Ask | None) -> Player:
    simulations = spec.count("simulations") if spec.argument else SIMULATIONS
    path = find.pretrained(game)
    if path is None:
        raise UserError(f"player {spec.text!r}: no trained network for {game.spec} is included")
    return _network_player(spec, game, path, simulations)


def _network_player(spec: Spec, game: Game, path: Path, simulations: int) -> Player:
    # PUCT: with more than a few dozen simulations it plays as well as a Gumbel root, and its visits
    # can be read by people.
    level = spec.level(game)
    config = SearchConfig(policy="puct", simulations=level.simulations if level else simulations)
    evaluator = find.evaluator(game, path, device=spec.options.get("device", "auto"))
    temperature = spec.number("temperature", 0.0)
    return SearchPlayer(game, evaluator, config, spec.text, temperature, level)


def _make_policy(spec: Spec, game: Game, ask: Ask | None) -> Player:
    path = Path(spec.argument)
    evaluator = find.evaluator(game, path, device=spec.options.get("device", "auto"))
    return PolicyPlayer(game, evaluator, spec.text, spec.number("temperature", 0.0))


UCI_OPTIONS = ("seconds", "nodes", "depth", "timeout", "processes")
REFERENCE_OPTIONS = ("book", "syzygy")
NETWORK_OPTIONS = ("temperature", "device", *REFERENCE_OPTIONS)
LEVEL_OPTIONS = ("level", *REFERENCE_OPTIONS)
KINDS = {
    "random": Kind("random", "", True, (), _make_random),
    "beginner": Kind("beginner", "", True, (), _make_beginner),
    "human": Kind("human", "", True, (), _make_human),
    "mcts": Kind(
        "mcts:1000", "its simulations", False, ("playouts", *REFERENCE_OPTIONS), _make_mcts
    ),
    "rave": Kind("rave:1000", "its simulations", False, LEVEL_OPTIONS, _make_rave),
    "tactics": Kind("tactics:1000", "its simulations", False, LEVEL_OPTIONS, _make_tactics),
    "gtp": Kind(
        "gtp:COMMAND",
        "the command line of a program",
        False,
        ("seconds", "timeout", "processes"),
        _make_gtp,
        takes_command=True,
    ),
    "uci": Kind(
        "uci:COMMAND",
        "the command line of a program",
        False,
        UCI_OPTIONS,
        _make_uci,
        takes_command=True,
        passes_options=True,
    ),
    "alphabeta": Kind(
        "alphabeta:6", "its depth", False, ("seconds", *REFERENCE_OPTIONS), _make_alphabeta
    ),
    "checkpoint": Kind(
        "checkpoint:PATH,simulations=200",
        "a path",
        False,
        ("simulations", "level", *NETWORK_OPTIONS),
        _make_checkpoint,
    ),
    "policy": Kind("policy:PATH", "a path", False, NETWORK_OPTIONS, _make_policy),
    "pretrained": Kind(
        "pretrained:200", "its simulations", True, ("level", *NETWORK_OPTIONS), _make_pretrained
    ),
}
