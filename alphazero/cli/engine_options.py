"""The engine's options on a command line, the same for every front end."""

import argparse
import os
import re

from alphazero.command_line import count, seconds, seed
from alphazero.engine.options import NETWORK_SIMULATIONS, ROLLOUT_SIMULATIONS, EngineOptions

DEVICE = re.compile("auto|cpu|mps|cuda(:[0-9]+)?")


def add_engine_options(options: argparse.ArgumentParser, game: str = "go") -> None:
    """The options that become EngineOptions, with a game that need not be named."""
    examples = {"go": "go:size=9,komi=7,rules=chinese", "chess": "chess:draws=automatic"}
    options.add_argument(
        "--game",
        metavar="SPEC",
        default=game,
        help=f"a game's name, with parameters as in {examples[game]} ({game})",
    )
    add_thinking(options)


def add_thinking(options: argparse.ArgumentParser) -> None:
    """By which network the engine plays, and how well."""
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
    """A device by its name, for `type=`; whether it is there shows once it is used."""
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
    """A seed that nobody has asked for."""
    return int.from_bytes(os.urandom(4))
