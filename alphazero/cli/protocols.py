"""The commands that other programs start: `gtp`, `uci` and `analysis`."""

import argparse

from alphazero.cli.engine_options import engine_options, with_parameters
from alphazero.cli.gtp_options import gtp_options


def gtp(options: argparse.Namespace) -> int:
    """Serve a program that speaks GTP."""
    from alphazero.protocols.gtp.server import serve

    options.game = with_parameters(options.game, options)
    serve(gtp_options(options, engine_options(options)))


def uci(options: argparse.Namespace) -> int:
    """Serve a program that speaks UCI."""
    from alphazero.protocols.uci.server import serve

    serve(engine_options(options))


def analysis(options: argparse.Namespace) -> int:
    """Serve a program that speaks KataGo's analysis protocol."""
    from alphazero.protocols.kata_analysis.server import serve

    serve(engine_options(options))
