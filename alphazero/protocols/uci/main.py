"""`play.py --game chess --uci` and `python -m alphazero uci`: the engine as a program of UCI."""

import os
import sys
from typing import NoReturn

from alphazero.command_line import INTERRUPTED
from alphazero.engine.options import EngineOptions, require_game
from alphazero.protocols.stdio import Streams, split_lines
from alphazero.protocols.uci.front import Front


def serve(options: EngineOptions) -> NoReturn:
    """Speak UCI on stdin and stdout until told to quit, or until the input ends.

    Raises UserError for a game that is known not to be chess.
    """
    require_game(options.game, "chess", "UCI")
    streams = Streams()
    front = Front(options, streams.write)
    code = 0
    try:
        for line in split_lines(streams.read):
            if not front.take(line):
                break
        front.close()
    except KeyboardInterrupt:
        code = INTERRUPTED
    # Without an orderly end, which a thread that is still loading large libraries would disturb.
    sys.stderr.flush()
    os._exit(code)
