"""The engine's options on a command line, the same for every front end."""

import argparse
import os
import re

from alphazero.command_line import count, number, seconds, seed
from alphazero.engine.options import NETWORK_SIMULATIONS, ROLLOUT_SIMULATIONS, EngineOptions

AGREED_RULES = "chinese"  # of Go where none are named: dead stones are agreed on and taken off
DEVICE = re.compile("auto|cpu|mps|cuda(:[0-9]+)?")


def add_engine_options(options: argparse.ArgumentParser, game: str = "go") -> None:
    """Add the options that become EngineOptions, with a game that need not be named."""
    examples = {"go": "go:size=9,komi=7,rules=chinese", "chess": "chess:draws=automatic"}
    options.add_argument(
        "--game",
        metavar="SPEC",
        default=game,
        help=f"a game's name, with parameters as in {examples[game]} ({game})",
    )
    add_thinking(options)


def add_parameters(options: argparse.ArgumentParser) -> None:
    """Add game parameters that are available as options, too."""
    group = options.add_argument_group("parameters of the game, where it has them, as Go has")
    group.add_argument(
        "--size", type=board_size, metavar="N", help="board size (Go: 19, or as in 19x13)"
    )
    group.add_argument(
        "--komi", type=number, metavar="X", help="points for White (7.5, by japanese rules 6.5)"
    )
    group.add_argument(
        "--rules",
        metavar="NAME",
        help=f"{AGREED_RULES} (the default here), japanese, korean, aga, new-zealand and others, or"
        " tromp-taylor, by which no stone is dead and the board counts as it stands",
    )


def board_size(text: str) -> int | tuple[int, int]:
    """A number of lines, or columns and rows as in `19x13`, for `type=`."""
    columns, by, rows = text.lower().partition("x")
    return (count(columns), count(rows)) if by else count(text)


def parameters_of(options: argparse.Namespace) -> str:
    """The game parameters among the options, as in `size=9,komi=7`."""
    is_rectangle = isinstance(options.size, tuple)
    columns, rows = options.size if is_rectangle else (None, None)
    texts = {
        "size": None if is_rectangle else options.size,
        "width": columns,
        "height": rows,
        "komi": None if options.komi is None else f"{options.komi:g}",
        "rules": options.rules,
    }
    return ",".join(f"{name}={text}" for name, text in texts.items() if text is not None)


def with_parameters(game: str, options: argparse.Namespace) -> str:
    """The spec of a game with the parameters of the options, which win. Go for which no rules are
    named has those by which dead stones are taken off."""
    parameters = parameters_of(options)
    has_parameters = ":" in game[2:]  # the second letter may be the colon of a drive
    spec = f"{game}{',' if has_parameters else ':'}{parameters}" if parameters else game
    name, _, rest = spec.partition(":")
    if name.strip().lower() != "go" or "rules=" in rest:
        return spec
    return f"{name}:{rest + ',' if rest else ''}rules={AGREED_RULES}"


def add_thinking(options: argparse.ArgumentParser) -> None:
    """Add the options about the network and the strength."""
    options.add_argument(
        "--network",
        metavar="PATH",
        help="a weights file, a checkpoint or the folder of a run; without it the network that"
        " comes with the game",
    )
    strength = options.add_mutually_exclusive_group()
    strength.add_argument(
        "--level",
        type=int,
        choices=range(1, 11),
        metavar="1..10",
        help="how well it plays, from 1 (a beginner) to 10",
    )
    strength.add_argument(
        "--simulations",
        type=count,
        metavar="N",
        help=f"how much it searches for a move ({NETWORK_SIMULATIONS}; without a network"
        f" {ROLLOUT_SIMULATIONS})",
    )
    strength.add_argument(
        "--time",
        type=seconds,
        metavar="SECONDS",
        help="how long it may think about a move, also where a clock allows more (with a clock:"
        " a minute in Go, five minutes in chess)",
    )
    options.add_argument(
        "--seed", type=seed, metavar="N", help="random seed, for the same moves every time"
    )
    options.add_argument(
        "--device",
        type=device,
        default="auto",
        metavar="NAME",
        help="where the network runs: auto (the default), cpu, cuda, cuda:1 or mps",
    )
    options.add_argument(
        "--threads",
        type=count,
        default=1,
        metavar="N",
        help="threads of the network, where it runs on the processor (1)",
    )


def device(text: str) -> str:
    """Check a device's name, for `type=`; it is opened once it is used."""
    if not DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not auto, cpu, cuda, cuda:1 or mps")
    return text


def engine_options(options: argparse.Namespace) -> EngineOptions:
    """Collect the options of `add_engine_options`."""
    return EngineOptions(
        game=options.game or "go",
        network=options.network,
        simulations=options.simulations,
        seconds=options.time,
        level=options.level,
        seed=fresh_seed() if options.seed is None else options.seed,
        device=options.device,
        threads=options.threads,
    )


def fresh_seed() -> int:
    """Draw a seed."""
    return int.from_bytes(os.urandom(4))
