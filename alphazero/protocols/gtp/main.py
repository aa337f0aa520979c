"""`play.py --gtp` and `python -m alphazero gtp`: the engine as a program that speaks GTP."""

import os
import sys
from typing import NoReturn

from alphazero.command_line import INTERRUPTED, report
from alphazero.protocols.gtp.front import Front
from alphazero.protocols.gtp.options import GtpOptions
from alphazero.protocols.gtp.server import Server
from alphazero.protocols.stdio import Streams


def serve(options: GtpOptions) -> NoReturn:
    """Speak GTP on stdin and stdout, and leave when told to."""
    streams = Streams()
    code = 0
    try:
        Server(Front(options, report), streams.read, streams.write, streams.is_abandoned).run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    # Without an orderly end, which threads that are still loading large libraries would disturb.
    sys.stderr.flush()
    os._exit(code)
