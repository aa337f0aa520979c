"""Shared by all command lines: errors on one line, exit codes, checks of numbers.

Imports nothing heavy, so that `--help` and a mistyped option answer at once.
"""

import argparse
import contextlib
import errno
import math
import os
import re
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from alphazero.errors import UserError, closest

BAD_INPUT = 2
CHOICE = re.compile(r"invalid choice: '?(.*?)'? \(choose from (.*)\)$")  # in argparse's messages
OPTION = re.compile(r"unrecognized arguments: (--[^\s=]+)")
SEEDS = 2**63  # number of seeds: game ids and records hold 63 bits
INTERRUPTED = 130  # exit code after Ctrl-C


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage before it, and name what may
    have been meant."""

    def error(self, message: str) -> NoReturn:
        hint = self._suggestion(message) or " (--help lists the options)"
        self.exit(BAD_INPUT, f"{self.prog}: error: {message}{hint}\n")

    def _suggestion(self, message: str) -> str:
        """The name nearest to a mistyped one in argparse's own messages; "" if there is none."""
        choice = CHOICE.search(message)
        if choice and not choice[1].isdecimal():
            return closest(choice[1], [name.strip("' ") for name in choice[2].split(",")])
        if option := OPTION.search(message):
            return closest(option[1], self._option_string_actions)
        return ""


def run(program: str, command: Callable[[], int]) -> int:
    """Run a command and return its exit code; a UserError becomes one line on stderr."""
    try:
        code = command()
        sys.stdout.flush()  # here, so that a closed pipe shows now and not at exit
        return code
    except UserError as error:
        print(f"{program}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError as error:
        print(f"{program}: error: there is not enough memory: {error}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        # The reader, such as `head`, has seen enough, or the terminal was closed; Python would
        # complain again at exit.
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def count(text: str) -> int:
    """A whole number of at least 1, for `type=`."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def natural(text: str) -> int:
    """A whole number of at least 0, for `type=`."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def seed(text: str) -> int:
    """A seed of random numbers, for `type=`."""
    if not text.isdecimal() or int(text) >= SEEDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {SEEDS - 1}")
    return int(text)


def number(text: str) -> float:
    """Any number, for `type=`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def seconds(text: str) -> float:
    """A time above 0, for `type=`."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def report(text: str) -> None:
    """Print a line on stderr, for a person who may not be there; stdout is for answers."""
    if "utf" not in (sys.stderr.encoding or "").lower():
        text = text.replace("…", "...")
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")  # at once: threads report side by side
        sys.stderr.flush()


class ProgressReport:
    """Says how far long work has come, a line now and then, the first after `QUIET_SECONDS`."""

    QUIET_SECONDS = 5.0

    def __init__(
        self,
        say: Callable[[str], None] = report,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say, self._clock, self._said_at = say, clock, clock()

    def __call__(self, text: str) -> None:
        if self._clock() - self._said_at >= self.QUIET_SECONDS:
            self._said_at = self._clock()
            self._say(text)


class ProgressLine(ProgressReport):
    """Progress on stderr: on a terminal one line, written over again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._width = 0  # of the line on the terminal

    def __call__(self, text: str) -> None:
        if not sys.stderr.isatty():
            return super().__call__(text)
        print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        self._width = len(text)

    def end(self) -> None:
        """Leave the line on the terminal."""
        if self._width:
            print(file=sys.stderr)
        self._width = 0
