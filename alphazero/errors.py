"""Errors of use, which the command line shows as one line without a traceback."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """An input or a file is wrong; the message names it and the valid choices."""


class RequestError(Exception):
    """A request of another program that cannot be carried out; the message is the response."""


def closest(value: str, choices: Iterable[str]) -> str:
    """Make a hint such as ` (did you mean "connect4"?)`, or "" if no choice is close."""
    matches = difflib.get_close_matches(value, list(choices), n=1, cutoff=0.5)
    return f' (did you mean "{matches[0]}"?)' if matches else ""
