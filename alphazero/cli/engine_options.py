"""What a person says about the engine on a command line, whatever protocol it speaks."""

import argparse
import os
import re
from dataclasses import dataclass

from alphazero.cli.command_line import count, seconds, seed
from alphazero.errors import UserError

NETWORK_SIMULATIONS = 800  # AlphaZero's; a fraction of a second for the package's networks
ROLLOUT_SIMULATIONS = 4000
DEVICE = re.compile("auto|cpu|mps|cuda(:[0-9]+)?")
TITLES = {"go": "Go", "chess": "chess", "connect4": "Connect Four", "tictactoe": "tic-tac-toe"}


@dataclass(frozen=True)
class EngineOptions:
    """None where nothing was said."""

    game: str = "go"
    network: str | None = None
    simulations: int | None = None
    seconds: float | None = None
    level: int | None = None
    seed: int = 0
    device: str = "auto"
    threads: int = 1  # of the network on a processor
    cache: int = 0  # bytes of the network's answers that are remembered


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
    strength.add_argument("--time", type=seconds, metavar="SECONDS", help="how long it may think")
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
    """What the options of `add_engine_options` were given."""
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


def require_game(spec: str, wanted: str, what: str) -> None:
    """Raise UserError if the spec names a game of the package's other than the one that `what` is
    for. Nothing is loaded for it: a program must answer at once. A game that is not known here may
    be right, and is asked once it is loaded."""
    name = spec.partition(":")[0].replace("-", "").replace("_", "").lower()
    if name in TITLES and name != wanted:
        raise UserError(f"{what} is for {TITLES[wanted]}, not for {TITLES[name]}")


def fresh_seed() -> int:
    """A seed that nobody has asked for."""
    return int.from_bytes(os.urandom(4))
