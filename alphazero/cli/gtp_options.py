"""Command-line options of the GTP engine."""

import argparse

import alphazero
from alphazero.engine.options import EngineOptions
from alphazero.protocols.gtp.session import NAME, GtpOptions


def add_gtp_options(options: argparse.ArgumentParser) -> None:
    """Add the options with which the engine presents itself to other programs."""
    options.add_argument(
        "--gtp-name",
        metavar="NAME",
        help="what it calls itself, such as KataGo for programs that insist on it (AlphaZero)",
    )
    options.add_argument(
        "--gtp-version",
        metavar="VERSION",
        help="its version, for programs that insist on another than its own"
        f" ({alphazero.__version__})",
    )
    options.add_argument("--no-resign", action="store_true", help="play every game to its end")


def gtp_options(options: argparse.Namespace, engine: EngineOptions) -> GtpOptions:
    """Read the options of `add_gtp_options`; line breaks in them become blanks."""
    name = " ".join((options.gtp_name or "").split()) or NAME
    version = alphazero.__version__ if options.gtp_version is None else options.gtp_version
    return GtpOptions(engine, name, " ".join(version.split()), not options.no_resign)
