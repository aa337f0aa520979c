"""The command line: every command with its options.

Every command imports what it needs when it runs, so that help and mistyped options answer at once.
"""

import argparse
import sys
from collections.abc import Callable

import alphazero
from alphazero.cli import games, match, play, protocols, records, train
from alphazero.cli.engine_options import add_engine_options, add_parameters
from alphazero.cli.gtp_options import add_gtp_options
from alphazero.command_line import Parser, run

Command = Callable[[argparse.Namespace], int]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = read_options(sys.argv[1:] if arguments is None else arguments)
    return run("alphazero", lambda: options.command(options))


def gtp() -> int:
    """Run `alphazero gtp`, for programs that take one path without arguments."""
    return main(["gtp", *sys.argv[1:]])


def uci() -> int:
    """Run `alphazero uci`, likewise."""
    return main(["uci", *sys.argv[1:]])


def analysis() -> int:
    """Run `alphazero analysis`, likewise."""
    return main(["analysis", *sys.argv[1:]])


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Parse a command line. Settings and players may stand before and after a command's options."""
    if arguments[:1] == ["bench"]:  # reads its options itself, once it is imported
        return argparse.Namespace(command=bench, arguments=arguments[1:])
    everything = parser()
    options, rest = everything.parse_known_args(arguments)
    many = next((name for name in ("settings", "players") if hasattr(options, name)), None)
    if rest and (many is None or any(argument.startswith("-") for argument in rest)):
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if many is not None:
        setattr(options, many, [*getattr(options, many), *rest])
    return options


def parser() -> argparse.ArgumentParser:
    """Make the parser of all commands."""
    top = Parser(prog="alphazero", description="Train, measure and use players of board games.")
    version = f"%(prog)s {alphazero.__version__}"
    top.add_argument("--version", action="version", version=version)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Command, summary: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=summary, description=summary)
        one.set_defaults(command=command, parser=one)
        return one

    play.add_play(add("play", play.play, "play against the engine, or watch it play"))
    train.add_train(add("train", train.train, "learn a game by self-play"))
    train.add_pretrain(
        add("pretrain", train.pretrain, "learn from recorded games, in PGN or SGF files")
    )
    train.add_join(
        add("join", train.join, "play for a run by way of a shared folder or object store alone")
    )
    train.add_status(add("status", train.status, "tell how a run is doing, from its files"))
    settings = "list every setting: its default, its values and its meaning"
    train.add_list(add("settings", train.settings, settings))
    match.add_match(
        add("match", match.match, "play players against each other and estimate their strength")
    )
    match.add_prove(
        add("prove", match.prove, "try every line that an opponent can play against a player")
    )
    records.add_selfplay(
        add("selfplay", records.selfplay, "have a network play itself, and store the games")
    )
    records.add_show(add("show", records.show, "print records of games as text"))
    records.add_export(
        add("export", records.export, "write the network of a checkpoint or run as a weights file")
    )
    go = add("gtp", protocols.gtp, "speak GTP, for Go boards such as Sabaki, GoGui and Lizzie")
    add_engine_options(go)
    add_parameters(go)
    add_gtp_options(go)
    chess = add("uci", protocols.uci, "speak UCI, for chess boards and servers")
    add_engine_options(chess, "chess")
    summary = "analyse games of Go in KataGo's protocol of JSON lines, as for KaTrain"
    add_engine_options(add("analysis", protocols.analysis, summary))
    add("games", games.games, "list the games")
    games.add_check(
        add("check", games.check, "check that a game's rules keep to what the engine expects")
    )
    games.add_perft(
        add("perft", games.perft, "count the lines of legal moves, as a test of the rules")
    )
    summary = "compile what playing takes, once, so that the first move comes at once"
    games.add_warm_up(add("warm-up", games.warm_up, summary))
    add("bench", bench, "measure how fast the engine is")
    return top


def bench(options: argparse.Namespace) -> int:
    """Run the benchmarks."""
    from alphazero.bench import main as run_benchmarks

    return run_benchmarks(options.arguments)
