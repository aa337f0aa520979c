"""UCI's options: their declarations and their values.

The names are those of Stockfish and lc0 where these have such an option, since programs and people
look for them. Names are compared without regard to case.
"""

import math
from dataclasses import dataclass, replace

from alphazero.arena.level import NUMBERS
from alphazero.engine.options import EngineOptions
from alphazero.errors import UserError, closest

EMPTY = "<empty>"
AUTODISCOVER = "<autodiscover>"
LARGEST_SPIN = 2**31 - 1
BOOLEANS = {"true": "true", "false": "false", "1": "true", "0": "false"}


@dataclass(frozen=True)
class Option:
    """One option. Fractional numbers are strings in UCI."""

    name: str
    kind: str  # check, spin, combo, string or button
    default: str = ""
    low: float = 0
    high: float = LARGEST_SPIN
    choices: tuple[str, ...] = ()
    is_number: bool = False  # a string that holds a number

    def with_default(self, value: str) -> "Option":
        """The same option with another default, which is added to its choices."""
        choices = self.choices
        if self.kind == "combo" and value not in choices:
            choices = (*choices, value)
        return replace(self, default=value, choices=choices)

    def declaration(self) -> str:
        """Write the line that declares it."""
        words = [f"option name {self.name} type {self.kind}"]
        if self.kind != "button":
            words.append(f"default {self.default}")
        if self.kind == "spin":
            words.append(f"min {self.low:g} max {int(self.high)}")
        words += [f"var {choice}" for choice in self.choices]
        return " ".join(words)

    def read(self, text: str) -> str:
        """Parse a value into the text that is kept. Raises UserError."""
        if self.kind == "check":
            if text.lower() in BOOLEANS:
                return BOOLEANS[text.lower()]
            raise UserError(f"option {self.name} is true or false, not {text!r}")
        if self.kind == "combo":
            for choice in self.choices:
                if choice.lower() == text.lower():
                    return choice
            choices = ", ".join(self.choices)
            raise UserError(f"option {self.name} is one of {choices}, not {text!r}")
        if self.kind == "spin" or self.is_number:
            return self._read_number(text)
        return text or EMPTY

    def _read_number(self, text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        is_whole = self.is_number or value == math.floor(value) if math.isfinite(value) else False
        if not is_whole or not self.low <= value <= self.high:
            kind = "a number" if self.is_number else "a whole number"
            raise UserError(
                f"option {self.name} is {kind} from {self.low:g} to {self.high:.10g}, not {text!r}"
            )
        return text if self.is_number else str(int(value))


def check(name: str, default: bool) -> Option:
    return Option(name, "check", "true" if default else "false")


def spin(name: str, default: int, low: int, high: int = LARGEST_SPIN) -> Option:
    return Option(name, "spin", str(default), low, high)


def number(name: str, default: str, low: float, high: float) -> Option:
    return Option(name, "string", default, low, high, is_number=True)


def combo(name: str, *choices: str) -> Option:
    return Option(name, "combo", choices[0], choices=choices)


# The level of the nearest rating is played. Provisional, until levels are measured against programs
# whose ratings are known.
LEVEL_OF_ELO = {300 + 200 * level: level for level in NUMBERS}
OPTIONS = (
    # Set by every program. Threads and Hash (megabytes) are those of the network's evaluations.
    spin("Threads", 1, 1, 1024),
    spin("Hash", 64, 1, 1 << 20),
    Option("Clear Hash", "button"),
    spin("Move Overhead", 100, 0, 5000),
    check("Ponder", False),
    spin("MultiPV", 1, 1, 500),
    check("UCI_Chess960", False),
    check("UCI_LimitStrength", False),
    spin("UCI_Elo", 1500, min(LEVEL_OF_ELO), max(LEVEL_OF_ELO)),
    check("UCI_AnalyseMode", False),
    check("UCI_ShowWDL", False),
    Option("UCI_Opponent", "string", EMPTY),
    # A Polyglot book, and folders of Syzygy tables.
    Option("BookFile", "string", EMPTY),
    Option("SyzygyPath", "string", EMPTY),
    check("Syzygy50MoveRule", True),
    # Strength. A level sees some of the moves and searches little; 0: no level.
    spin("Level", 0, 0, 10),
    spin("MaxNodes", 0, 0),
    number("Temperature", "0", 0, 100),
    Option("WeightsFile", "string", AUTODISCOVER),
    combo("Device", "auto", "cpu", "cuda", "mps"),
    # The search, with lc0's meanings and mostly its names.
    number("CPuct", "1.25", 0, 100),
    number("FpuValue", "0.2", 0, 100),
    spin("MinibatchSize", 0, 0, 1024),
    number("SmartPruningFactor", "1.0", 0, 10),
    spin("RamLimitMb", 2048, 1, 1 << 24),
    # Output.
    combo("ScoreType", "centipawn", "win_percentage", "Q"),
    check("VerboseMoveStats", False),
    Option("LogFile", "string", EMPTY),
)


class Settings:
    """The options with their values; the command line sets the defaults of some."""

    def __init__(self, options: EngineOptions) -> None:
        said = {
            "Level": options.level,
            "MaxNodes": options.simulations,
            "WeightsFile": options.network,
            "Device": options.device,
            "Threads": options.threads,
        }
        self.options = tuple(
            option if said.get(option.name) is None else option.with_default(str(said[option.name]))
            for option in OPTIONS
        )
        self._by_name = {option.name.lower(): option for option in self.options}
        self._values = {option.name: option.default for option in self.options}

    def set(self, name: str, value: str | None) -> str:
        """Set an option and return its name as declared.

        Raises UserError for an unknown name or a bad value.
        """
        option = self._by_name.get(name.lower())
        if option is None:
            names = [option.name for option in self.options]
            raise UserError(f"no such option: {name}{closest(name, names)}")
        if option.kind != "button":
            self._values[option.name] = option.read(value or "")
        return option.name

    def text(self, name: str) -> str:
        """The value of a string; "" if it is empty or left to the engine."""
        value = self._values[name]
        return "" if value in (EMPTY, AUTODISCOVER) else value

    def integer(self, name: str) -> int:
        return int(self._values[name])

    def number(self, name: str) -> float:
        return float(self._values[name])

    def flag(self, name: str) -> bool:
        return self._values[name] == "true"

    @property
    def level(self) -> int:
        """The level to play at, by Level and by UCI_Elo the lower; 0 for full strength."""
        level = self.integer("Level")
        if not self.flag("UCI_LimitStrength"):
            return level
        elo = self.integer("UCI_Elo")
        by_elo = LEVEL_OF_ELO[min(LEVEL_OF_ELO, key=lambda rating: abs(rating - elo))]
        return min(level or by_elo, by_elo)

    def is_default(self, name: str) -> bool:
        return self._values[name] == self._by_name[name.lower()].default
