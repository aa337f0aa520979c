"""The command `play`: play against the engine in a terminal, or watch it play."""

import argparse
import contextlib
import io
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from alphazero.cli.engine_options import (
    add_parameters,
    add_thinking,
    engine_options,
    parameters_of,
    with_parameters,
)
from alphazero.cli.gtp_options import add_gtp_options, gtp_options
from alphazero.command_line import Parser, count, natural, report, run
from alphazero.engine.options import require_game
from alphazero.errors import UserError, closest
from alphazero.files import writable

if TYPE_CHECKING:
    from alphazero.arena.players import Player
    from alphazero.arena.reference import Reference
    from alphazero.engine.engine import Engine
    from alphazero.game import Game, Position

OPTIONS_OF_PLAY = (
    "color",
    "handicap",
    "load",
    "at",
    "fen",
    "book",
    "syzygy",
    "save",
    "moves",
    "style",
    "quiet",
)
OPTIONS_OF_GTP = ("gtp-name", "gtp-version", "no-resign")

# numba and torch take seconds to load, so everything else is imported where it is needed:
# `--help` and a mistyped option must answer at once.


def main(arguments: list[str] | None = None) -> int:
    """Run `play.py`; returns the exit code."""
    options = parser().parse_args(arguments)
    return run("play.py", lambda: play(options))


def parser() -> argparse.ArgumentParser:
    """Make the parser of `play.py`, which is `alphazero play`."""
    options = Parser(prog="play.py", description="Play against the engine, or watch it play.")
    add_play(options)
    return options


def add_play(options: argparse.ArgumentParser) -> None:
    """Add the options of `play`."""
    options.add_argument(
        "--game",
        metavar="SPEC",
        help="a game's name, with parameters as in connect4:rows=5,cols=5, or a file such as"
        " ./mygame.py; without it tic-tac-toe, or the game of --load",
    )
    add_parameters(options)
    options.add_argument(
        "--handicap",
        type=count,
        metavar="N",
        help="stones for Black in a game of Go; komi is then 0.5",
    )
    opponent = options.add_mutually_exclusive_group()
    opponent.add_argument("--vs-human", action="store_true", help="play yourself (the default)")
    opponent.add_argument(
        "--vs",
        metavar="PLAYER",
        help="watch it play another player, such as mcts:200, gtp:COMMAND or uci:COMMAND",
    )
    add_protocols(opponent)
    add_gtp_options(options)
    options.add_argument(
        "--color",
        metavar="SIDE",
        help="your side (or that of --vs): first (the default), second, random, or its name,"
        " such as X or O",
    )
    add_thinking(options)
    add_files(options)
    options.add_argument(
        "--moves", default="", metavar='"D C"', help="what you enter first, separated by spaces"
    )
    options.add_argument(
        "--style", choices=("auto", "ascii", "unicode"), default="auto", help="how the board looks"
    )
    options.add_argument("--quiet", action="store_true", help="print only moves and results")


def add_files(options: argparse.ArgumentParser) -> None:
    """Add the options that name files of games, openings and endings."""
    options.add_argument(
        "--load", metavar="FILE", help="go on with a saved game: .pgn, .fen, .sgf or our own .txt"
    )
    options.add_argument(
        "--at", type=natural, metavar="N", help="with --load: start after its first N moves"
    )
    options.add_argument("--fen", help="begin a game of chess from this position")
    options.add_argument("--book", metavar="FILE", help="chess openings, in Polyglot's format")
    options.add_argument(
        "--syzygy", metavar="DIR", help=f"endgame tables; DIR{os.pathsep}DIR for several"
    )
    options.add_argument("--save", metavar="FILE", help="where to save the game after every move")


def add_protocols(opponent: argparse._MutuallyExclusiveGroup) -> None:
    """Add the options by which a program shows the board instead of the terminal."""
    opponent.add_argument(
        "--gtp", action="store_true", help="speak GTP, for Go boards such as Sabaki, GoGui, Lizzie"
    )
    opponent.add_argument(
        "--uci", action="store_true", help="speak UCI, for chess boards and servers"
    )


def play(options: argparse.Namespace) -> int:
    """Play as the options say; returns the exit code. Raises UserError."""
    command = speak_gtp if options.gtp else speak_uci if options.uci else play_here
    return command(options)


def speak_gtp(options: argparse.Namespace) -> int:
    """Serve a program that speaks GTP."""
    reject_options_of_play(options, "--gtp")
    from alphazero.protocols.gtp.server import serve

    options.game = with_parameters(options.game or "go", options)
    serve(gtp_options(options, engine_options(options)))


def speak_uci(options: argparse.Namespace) -> int:
    """Serve a program that speaks UCI."""
    reject_options_of_play(options, "--uci")
    reject_options_of_gtp(options)
    from alphazero.protocols.uci.server import serve

    options.game = with_parameters(options.game or "chess", options)
    require_game(options.game, "chess", "--uci")
    serve(engine_options(options))


def reject_options_of_play(options: argparse.Namespace, protocol: str) -> None:
    """Raise UserError for options that are for the terminal alone."""
    for name in given(options, OPTIONS_OF_PLAY):
        raise UserError(f"--{name} is for playing here, so it does not go with {protocol}")


def reject_options_of_gtp(options: argparse.Namespace) -> None:
    """Raise UserError for options of GTP."""
    for name in given(options, OPTIONS_OF_GTP):
        raise UserError(f"--{name} goes with --gtp")


def given(options: argparse.Namespace, names: tuple[str, ...]) -> list[str]:
    """Options among `names` that differ from their defaults."""
    usual = parser()
    attributes = {name: name.replace("-", "_") for name in names}
    return [
        name
        for name, attribute in attributes.items()
        if getattr(options, attribute) != usual.get_default(attribute)
    ]


def play_here(options: argparse.Namespace) -> int:
    """Set up the game that the options ask for, and play it to the end."""
    reject_options_of_gtp(options)
    from alphazero.arena.reference import Reference
    from alphazero.terminal.app import TerminalGame, line_reader
    from alphazero.terminal.display import choose_style
    from alphazero.terminal.session import Session

    game = find_game(options)
    seed = int.from_bytes(os.urandom(4)) if options.seed is None else options.seed
    human = choose_side(options.color, game.players, seed) if options.color else None
    path = writable(options.save, make_folder=False) if options.save else None
    start = starting_position(game, options)
    opponent = find_opponent(options, game)
    reference = Reference.open(game, options.book, options.syzygy)
    engine = ready_engine(game, options, reference, seed)
    session = Session(
        game,
        path=path,
        start=start,
        handicap=options.handicap or 0,
    )
    for remark in session.load(options.load, options.at) if options.load else []:
        report(remark)
    if human is not None:
        session.human = human
    stdin, stdout = open_streams()
    terminal = TerminalGame(
        session,
        engine,
        line_reader(options.moves.split(), stdin, stdout),
        stdout,
        sys.stderr,
        opponent=opponent,
        reference=reference,
        style=choose_style(options.style, stdout, os.environ),
        quiet=options.quiet,
        seed=seed,
    )
    return terminal.run()


def ready_engine(
    game: "Game", options: argparse.Namespace, reference: "Reference", seed: int
) -> "Engine":
    """The engine, compiled, with the limits of the options. Raises UserError."""
    from alphazero.engine.engine import make_engine
    from alphazero.engine.warm_up import ready

    wanted = replace(engine_options(options), seed=seed)

    def make() -> "Engine":
        engine = make_engine(game, wanted, report)
        engine.use_reference(reference)
        return engine

    return ready(make, game, wanted, report)


def find_game(options: argparse.Namespace) -> "Game":
    """The game of `--game`, or of the saved game. Raises UserError."""
    from alphazero.formats.game_file import saved_game
    from alphazero.game import load

    if options.load and (parameters_of(options) or options.handicap):
        raise UserError("with --load, size, komi, rules and handicap are the file's")
    if options.load and options.fen:
        raise UserError("--load and --fen both say where the game begins")
    if options.at is not None and not options.load:
        raise UserError("--at is a move of the file that --load names")
    if options.load and options.game is None:
        return saved_game(options.load)
    default = "chess" if options.fen else "tic-tac-toe"
    if options.game is None and not options.fen:
        for name in given(options, ("size", "komi", "rules", "handicap")):
            raise UserError(f"tic-tac-toe has no {name}: for another game add --game (--game go?)")
    return load(with_parameters(options.game or default, options))


def find_opponent(options: argparse.Namespace, game: "Game") -> "Player | None":
    """The player of `--vs`; None for a person. Raises UserError."""
    if options.vs in (None, "human"):
        return None
    if options.moves:
        raise UserError("--moves are yours, so they do not go with --vs")
    from alphazero.arena.players import make_player

    return make_player(options.vs, game)


def starting_position(game: "Game", options: argparse.Namespace) -> "Position | None":
    """The position to start from; None for the game's own. Raises UserError."""
    if options.fen:
        from alphazero.formats.pgn.reader import start_from

        return start_from(game, options.fen)
    if not options.handicap:
        return None
    from alphazero.formats.handicap import HANDICAP_KOMI, handicap_position

    try:
        start = handicap_position(game, options.handicap)
    except ValueError as error:
        raise UserError(str(error)) from error
    if options.komi is None and "komi=" not in (options.game or ""):
        assert game.stones is not None, "handicap_position refuses other games"
        game.stones.set_komi(start.state, HANDICAP_KOMI)
    return start


def choose_side(side: str, players: tuple[str, str], seed: int) -> int:
    """The player, 0 or 1, that `--color` names. Raises UserError."""
    import numpy as np

    names = [("first", players[0].lower()), ("second", players[1].lower())]
    for player, both in enumerate(names):
        if side.lower() in both:
            return player
    if side.lower() == "random":
        return int(np.random.default_rng(seed).integers(2))
    choices = ("first", "second", *players, "random")
    hint = closest(side, choices)
    raise UserError(f"unknown side {side!r}{hint}; choices: {', '.join(dict.fromkeys(choices))}")


def open_streams() -> tuple[TextIO, TextIO]:
    """stdin and stdout, with characters that cannot be decoded or printed replaced."""
    stdin = sys.stdin or io.StringIO()
    for stream in (stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if stdin.isatty():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  (gives input() a history)
    return stdin, sys.stdout
