"""Players by their texts, `kind:argument,option=value`, for example

    random                                  checkpoint:runs/connect4,simulations=200
    mcts:1000                               policy:runs/connect4
    rave:1000                               pretrained:200
    tactics:1000                            alphabeta:6
    gtp:gnugo --mode gtp --level 10         uci:stockfish,nodes=1000,UCI_Elo=1350

Networks, and torch with them, are loaded only when a player needs them.
"""

import os
from pathlib import Path

from alphazero.arena.gtp_client import GtpEngine, stones_of
from alphazero.arena.player import (
    AlphaBetaPlayer,
    Ask,
    HumanPlayer,
    InformedPlayer,
    Player,
    PolicyPlayer,
    ProgramPlayer,
    RandomPlayer,
    SearchPlayer,
)
from alphazero.arena.reference import Reference
from alphazero.arena.spec import Kind, Spec, split_options
from alphazero.arena.subprocess_engine import TIMEOUT, EnginePool
from alphazero.arena.tactics import TacticsEvaluator
from alphazero.arena.uci_client import UciEngine, UciLimits, pieces_of
from alphazero.config import RAVE, PuctConfig, SearchConfig
from alphazero.errors import UserError, closest
from alphazero.game import Game
from alphazero.network import find
from alphazero.network.evaluator import RolloutEvaluator, TracedRolloutEvaluator

SIMULATIONS = 200  # of a network player unless it says otherwise
MOST_PROCESSES = 4  # of an external program, unless it says otherwise


def make_player(text: str, game: Game, ask: Ask | None = None) -> Player:
    """The player that a text such as `mcts:1000` means; `ask` asks the person who plays `human`.

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
    """Take a player's text apart. Raises UserError."""
    kind, _, rest = text.strip().partition(":")
    kind = kind.strip().lower()
    if kind not in KINDS:
        raise UserError(
            f"unknown player {text!r}{closest(kind, KINDS)}; choices: "
            + ", ".join(kind.example for kind in KINDS.values())
        )
    known = KINDS[kind]
    argument, options = split_options(text, rest, known)
    if known.needs and not argument and not known.optional:
        raise UserError(f"player {text!r} lacks {known.needs}: write {known.example}")
    if argument and not known.needs:
        raise UserError(f"player {text!r}: {kind} takes no argument")
    return Spec(text, kind, argument, options)


def _make_random(spec: Spec, game: Game, ask: Ask | None) -> Player:
    return RandomPlayer()


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
    simulations = spec.count("simulations")
    config = SearchConfig(policy="puct", simulations=simulations, symmetry=False, puct=RAVE)
    return SearchPlayer(game, TracedRolloutEvaluator(game), config, spec.text)


def _make_tactics(spec: Spec, game: Game, ask: Ask | None) -> Player:
    simulations = spec.count("simulations")
    if game.tactics is None:
        raise UserError(
            f"player {spec.text!r}: that is for chess; write mcts:{simulations} for {game.title}"
        )
    config = SearchConfig(policy="puct", simulations=simulations, symmetry=False)
    return SearchPlayer(game, TacticsEvaluator(game), config, spec.text)


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
    theirs = {name: text for name, text in spec.options.items() if name not in UCI_OPTIONS}
    pool = EnginePool(UciEngine, (spec.argument, game, limits, theirs, timeout), processes)
    return ProgramPlayer(pool, spec.text)


def _make_checkpoint(spec: Spec, game: Game, ask: Ask | None) -> Player:
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
    config = SearchConfig(policy="puct", simulations=simulations)
    evaluator = find.evaluator(game, path, device=spec.options.get("device", "auto"))
    return SearchPlayer(game, evaluator, config, spec.text, spec.number("temperature", 0.0))


def _make_policy(spec: Spec, game: Game, ask: Ask | None) -> Player:
    path = Path(spec.argument)
    evaluator = find.evaluator(game, path, device=spec.options.get("device", "auto"))
    return PolicyPlayer(game, evaluator, spec.text, spec.number("temperature", 0.0))


UCI_OPTIONS = ("seconds", "nodes", "depth", "timeout", "processes")
REFERENCE_OPTIONS = ("book", "syzygy")
NETWORK_OPTIONS = ("temperature", "device", *REFERENCE_OPTIONS)
KINDS = {
    "random": Kind("random", "", True, (), _make_random),
    "human": Kind("human", "", True, (), _make_human),
    "mcts": Kind(
        "mcts:1000", "its simulations", False, ("playouts", *REFERENCE_OPTIONS), _make_mcts
    ),
    "rave": Kind("rave:1000", "its simulations", False, REFERENCE_OPTIONS, _make_rave),
    "tactics": Kind("tactics:1000", "its simulations", False, REFERENCE_OPTIONS, _make_tactics),
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
        ("simulations", *NETWORK_OPTIONS),
        _make_checkpoint,
    ),
    "policy": Kind("policy:PATH", "a path", False, NETWORK_OPTIONS, _make_policy),
    "pretrained": Kind(
        "pretrained:200", "its simulations", True, NETWORK_OPTIONS, _make_pretrained
    ),
}
