"""`play.py --gtp` and `python -m alphazero gtp`: the engine as a program that speaks GTP."""

import os
import sys
from typing import NoReturn

from alphazero.bridges.commandline import INTERRUPTED, report, take_stdout
from alphazero.bridges.gtp.front import Front
from alphazero.bridges.gtp.options import GtpOptions
from alphazero.bridges.gtp.server import Server, has_no_reader

CHUNK = 1 << 16


def serve(options: GtpOptions) -> NoReturn:
    """Speak GTP on stdin and stdout, and leave when told to."""
    answers = take_stdout()

    def write(data: bytes) -> None:
        while data:
            data = data[os.write(answers, data) :]

    def read() -> bytes:
        return os.read(0, CHUNK)

    code = 0
    try:
        Server(Front(options, report), read, write, lambda: has_no_reader(answers)).run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    # Without an orderly end, which threads that are still loading large libraries would disturb.
    sys.stderr.flush()
    os._exit(code)
