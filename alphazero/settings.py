"""Typed settings in nested frozen dataclasses: checked, described, read and written as TOML.

A section is a frozen dataclass whose fields are made by `setting` (a value with its explanation and
range) or hold another section; its `__post_init__` calls `check`. The sections themselves are in
`alphazero.config`.
"""

import json
import math
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import Field, field, fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeGuard

from alphazero.errors import UserError, closest


def setting(
    default: Any,
    explanation: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A dataclass field that knows its explanation and its values: low <= value <= high,
    above < value < below, or one of the choices."""
    limits = {"low": low, "above": above, "high": high, "below": below}
    metadata = {"explanation": explanation, "limits": limits, "choices": tuple(choices)}
    return field(default=default, metadata=metadata)


class Setting(NamedTuple):
    """One setting, as people see it."""

    path: str  # "search.puct.c_init"
    kind: Any  # its type: int, float, bool, str, int | str, tuple[str, ...]
    default: Any
    values: str  # "a number of at least 0"
    explanation: str


def settings(section: type, prefix: str = "") -> Iterator[Setting]:
    """All settings below a section, in the order they are defined."""
    for item in fields(section):
        path = prefix + item.name
        if is_section(item.type):
            yield from settings(item.type, path + ".")
        else:
            explanation = item.metadata["explanation"]
            yield Setting(path, item.type, item.default, valid_values(item), explanation)


def is_section(kind: Any) -> TypeGuard[type]:
    return isinstance(kind, type) and is_dataclass(kind)


def load(root: type, path: Path | str | None, overrides: Sequence[str]) -> Any:
    """The settings of a TOML file (None: all defaults) with the overrides `path=value` in turn.

    Raises UserError when the file cannot be read, a setting is unknown or a value is bad.
    """
    tables: dict[str, Any] = {}
    if path is not None:
        tables = read_toml(Path(path))
        reject_unknown(root, tables, f" in {path}")
    for override in overrides:
        apply_override(root, tables, override)
    return build(root, tables)


def to_toml(config: Any) -> str:
    """The settings as a TOML file that `load_config` reads back to an equal config."""
    plain: dict[str, list[str]] = {}
    for entry in settings(type(config)):
        value: Any = config
        for name in entry.path.split("."):
            value = getattr(value, name)
        table, _, name = entry.path.rpartition(".")
        plain.setdefault(table, []).append(f"{name} = {toml_value(value)}")
    # Settings outside any table must come first: TOML has no way back out of one.
    blocks = []
    for table in sorted(plain, key=lambda table: table != ""):
        blocks.append("\n".join([f"[{table}]"] * bool(table) + plain[table]))
    return "\n\n".join(blocks) + "\n"


def describe(section: type) -> str:
    """A table of all settings: path and default, valid values, explanation."""
    rows = []
    for entry in settings(section):
        rows.append(
            (f"{entry.path} = {toml_value(entry.default)}", entry.values, entry.explanation)
        )
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)


def check(section: Any, prefix: str) -> None:
    """Check the types and ranges of one section's own settings; a whole number given for a
    number becomes one, a list becomes a tuple."""
    for item in fields(section):
        value = getattr(section, item.name)
        path = f"{prefix}.{item.name}".lstrip(".")
        if is_section(item.type):
            assert isinstance(value, item.type), f"{path} must be a {item.type.__name__}"
            continue
        value = convert(value, item.type)
        if not is_valid(value, item):
            hint = closest(value, item.metadata["choices"]) if isinstance(value, str) else ""
            complain(path, value, f"must be {valid_values(item)}{hint}")
        object.__setattr__(section, item.name, value)  # the way to normalise a frozen dataclass


def complain(path: str, value: Any, problem: str) -> NoReturn:
    raise UserError(f"{path} = {toml_value(value)}: {problem}")


def convert(value: Any, kind: Any) -> Any:
    """A value in the setting's own type where nothing is lost by it."""
    if kind is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if kind == tuple[str, ...] and isinstance(value, list):
        return tuple(value)
    return value


def is_valid(value: Any, item: Field[Any]) -> bool:
    """Whether a value has the type of a dataclass field and lies in its range."""
    kind: Any = item.type
    found = type(value)
    choices = item.metadata["choices"]
    if kind == tuple[str, ...]:
        return isinstance(value, tuple) and all(type(part) is str for part in value)
    if kind == int | str:
        kind = str if found is str else int
    if found is not kind:  # not isinstance: True is no number
        return False
    if kind is str:
        return not choices or value in choices
    if kind is bool:
        return True
    limits = item.metadata["limits"]
    return -math.inf < value < math.inf and (
        (limits["low"] is None or value >= limits["low"])
        and (limits["high"] is None or value <= limits["high"])
        and (limits["above"] is None or value > limits["above"])
        and (limits["below"] is None or value < limits["below"])
    )


WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    tuple[str, ...]: 'a list of texts, as in ["a", "b"]',
}


BOUNDS = {"low": "of at least", "above": "above", "high": "at most", "below": "below"}


def valid_values(item: Field[Any]) -> str:
    """The values a dataclass field takes, in words."""
    choices = [f'"{choice}"' for choice in item.metadata["choices"]]
    if item.type is str and choices:
        return " or ".join([", ".join(choices[:-1]), choices[-1]])
    limits = {
        name: f"{limit:g}" if abs(limit) < 1e6 else str(limit)
        for name, limit in item.metadata["limits"].items()
        if limit is not None
    }
    bounds = " and ".join(f"{BOUNDS[name]} {limit}" for name, limit in limits.items())
    if limits.keys() == {"low", "high"}:
        bounds = f"between {limits['low']} and {limits['high']}"
    words = WORDS[int if item.type == int | str else item.type]
    return " or ".join([f"{words} {bounds}".strip(), *choices])


def toml_value(value: Any) -> str:
    """A value as TOML; one that TOML does not know, for a message, as Python shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON escapes as TOML does, but for the delete character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(part) for part in value) + "]"
    return repr(value)


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the settings {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the settings {path} are not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the settings {path} are not TOML: {error}") from error


def reject_unknown(root: type, tables: dict[str, Any], where: str, prefix: str = "") -> None:
    """Raise for the first key that is no setting, or a table where a value belongs."""
    for name, value in tables.items():
        path = prefix + name
        if is_section(kind_of(root, path, where)) != isinstance(value, dict):
            what = "one setting" if isinstance(value, dict) else "a table of settings"
            raise UserError(f"{path} is {what}{where}")
        if isinstance(value, dict):
            reject_unknown(root, value, where, path + ".")


def kind_of(root: type, path: str, where: str = "") -> Any:
    """The type of the setting (or the dataclass of the section) at a dotted path."""
    section: Any = root
    for name in path.split("."):
        kinds = {item.name: item.type for item in fields(section)} if is_section(section) else {}
        if name not in kinds:
            raise UserError(f'unknown setting "{path}"{where}{suggestion(root, path)}')
        section = kinds[name]
    return section


def suggestion(root: type, path: str) -> str:
    """The right path for a wrong one: the same name elsewhere, else the nearest spelling."""
    paths = [entry.path for entry in settings(root)]
    name = path.rpartition(".")[2]
    same_name = [f'"{right}"' for right in paths if right.rpartition(".")[2] == name]
    if same_name:
        return f" (did you mean {' or '.join(same_name)}?)"
    top_level = ", ".join(item.name for item in fields(root))
    return closest(path, paths) or f"; there are {top_level}"


def apply_override(root: type, tables: dict[str, Any], override: str) -> None:
    """Set one value, given as `path=value`, in nested tables."""
    path, equals, text = override.partition("=")
    path = path.strip()
    if not equals:
        raise UserError(f'"{override}" is no setting: write it as search.simulations=32')
    kind = kind_of(root, path)
    if is_section(kind):
        names = ", ".join(f"{path}.{item.name}" for item in fields(kind))
        raise UserError(f"{path} is a table of settings: {names}")
    *sections, name = path.split(".")
    for section in sections:
        tables = tables.setdefault(section, {})
    tables[name] = parse_value(text.strip(), kind)


def parse_value(text: str, kind: Any) -> Any:
    """A value from the command line: TOML, where a text needs no quotes."""
    if kind is str and not text.startswith(('"', "'")):
        return text  # a directory called 2026-01-01 is no date
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def build(section: type, tables: dict[str, Any]) -> Any:
    """A section from the nested tables of a file, whose keys are known to be right."""
    values = {}
    for item in fields(section):
        if item.name in tables:
            value = tables[item.name]
            values[item.name] = build(item.type, value) if is_section(item.type) else value
    return section(**values)
