"""Errors that a person can mend: shown as one line, without a traceback, by the command line."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something a person typed or pointed at is wrong; the message says how to mend it."""


class RequestError(Exception):
    """A request of another program that cannot be carried out; the message is the response."""


def closest(value: str, choices: Iterable[str]) -> str:
    """A hint such as ` (did you mean "connect4"?)`, or nothing when no choice is close."""
    matches = difflib.get_close_matches(value, list(choices), n=1, cutoff=0.5)
    return f' (did you mean "{matches[0]}"?)' if matches else ""
