"""What a person says about a GTP engine on the command line."""

import argparse
from dataclasses import dataclass, field

import alphazero
from alphazero.engine.options import EngineOptions

NAME = "AlphaZero"


@dataclass(frozen=True)
class GtpOptions:
    """The engine, and how it presents itself."""

    engine: EngineOptions = field(default_factory=EngineOptions)
    name: str = NAME
    version: str = alphazero.__version__
    may_resign: bool = True


def add_gtp_options(options: argparse.ArgumentParser) -> None:
    """How the engine presents itself to programs that speak GTP."""
    options.add_argument(
        "--gtp-name",
        metavar="NAME",
        help="what it calls itself, such as KataGo for programs that insist on it (AlphaZero)",
    )
    options.add_argument(
        "--gtp-version",
        metavar="VERSION",
        help="its version, such as 0.17 for Lizzie, which wants that of Leela Zero"
        f" ({alphazero.__version__})",
    )
    options.add_argument("--no-resign", action="store_true", help="play every game to its end")


def gtp_options(options: argparse.Namespace, engine: EngineOptions) -> GtpOptions:
    """What the options of `add_gtp_options` were given."""
    return GtpOptions(
        engine=engine,
        name=NAME if options.gtp_name is None else " ".join(options.gtp_name.split()) or NAME,
        version=alphazero.__version__
        if options.gtp_version is None
        else " ".join(options.gtp_version.split()),
        may_resign=not options.no_resign,
    )
