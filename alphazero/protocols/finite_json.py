"""JSON as its standard has it: without NaN, and with numbers that are finite."""

import json
import math
from typing import Any


def read_json(text: str | bytes) -> Any:
    """Parse JSON. Raises ValueError, for NaN and infinities as well, or RecursionError."""
    return json.loads(text, parse_constant=_refuse, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse(text)
    return number


def _refuse(text: str) -> None:
    raise ValueError(f"{text[:20]} is not a finite number")
