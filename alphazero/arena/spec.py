"""How players are written, `kind:argument,option=value`, taken apart."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from alphazero.errors import UserError, closest


@dataclass(frozen=True)
class Spec:
    """A player as it was written."""

    text: str
    kind: str
    argument: str
    options: dict[str, str]

    def count(self, name: str, default: int = 0) -> int:
        """A whole number above 0: an option, or the argument (`name` is then what it is called)."""
        if default and name not in self.options:
            return default
        text = self.options.get(name, self.argument)
        if not text.isdecimal() or not 0 < int(text) < 2**31:
            raise UserError(
                f"player {self.text!r}: {name} must be a whole number above 0, not {text!r}"
            )
        return int(text)

    def number(self, name: str, default: float) -> float:
        """An option that is a number of at least 0."""
        text = self.options.get(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < math.inf:
            raise UserError(
                f"player {self.text!r}: {name} must be a number of at least 0, not {text!r}"
            )
        return value


class Kind(NamedTuple):
    """A kind of player: how it is written, and how one is made."""

    example: str
    needs: str  # what its argument is; "" if it takes none
    optional: bool  # whether it may be left out
    options: tuple[str, ...]
    make: Callable[..., Any]  # (spec, game, who asks a person)
    takes_command: bool = False  # whose words may look like options
    passes_options: bool = False  # those that are not ours are the program's


def split_options(text: str, rest: str, kind: Kind) -> tuple[str, dict[str, str]]:
    """`argument,name=value,...` from the right, for a path may hold commas and equals signs."""
    options: dict[str, str] = {}
    pattern = r"(?:(.*),)?\s*([a-z_]+)\s*=\s*([^,=]*)"
    if kind.passes_options:
        pattern = r"(.*),\s*([A-Za-z][\w ]*?)\s*=\s*([^,=]*)"
    while matched := re.fullmatch(pattern, rest):
        name = matched[2]
        if name not in kind.options and not kind.passes_options:
            if kind.takes_command or Path(rest).expanduser().exists():
                break
            choices = ", ".join(kind.options)
            raise UserError(
                f"player {text!r} has no option {name!r}{closest(name, kind.options)}"
                + (f"; options: {choices}" if choices else "")
            )
        options.setdefault(name, matched[3].strip())
        rest = matched[1] or ""
    return rest.strip(), options
