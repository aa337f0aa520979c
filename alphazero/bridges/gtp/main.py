"""`play.py --gtp` and `python -m alphazero gtp`: the engine as a program that speaks GTP."""

import os
import sys
from typing import NoReturn

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
        code = 130
    # Without an orderly end, which threads that are still loading large libraries would disturb.
    sys.stderr.flush()
    os._exit(code)


def take_stdout() -> int:
    """A descriptor for the answers alone: what else is printed goes to stderr from now on."""
    sys.stdout.flush()
    answers = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # there is no stderr
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return answers


def report(text: str) -> None:
    """Tell the person at the other end, who may see it in a window of the board's program."""
    print(text, file=sys.stderr, flush=True)
