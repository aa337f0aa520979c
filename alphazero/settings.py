"""Typed, immutable settings in nested sections: checked by pydantic, read and written as TOML.

    @section("search.puct")
    class PuctConfig:
        c_init: NonNegativeFloat = 1.25
        \"""Exploration constant.\"""

makes a frozen dataclass that takes keywords only, checks every value when it is made and raises a
one-line UserError with the setting's full name. A field holds another section, or a value: its type
gives the range, the docstring below it the meaning. The sections of a run are in
`alphazero.config`.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeGuard, TypeVar, dataclass_transform

import pydantic.dataclasses
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from alphazero.errors import UserError, closest

CHECKS = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def section(path: str) -> Callable[[type[T]], type[T]]:
    """Make a class the section of settings at a dotted path ("" for the outermost one)."""

    def decorate(cls: type[T]) -> type[T]:
        made: Any = pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=CHECKS)(cls)
        validate = made.__init__

        @wraps(validate)
        def init(self: Any, **values: Any) -> None:
            try:
                validate(self, **values)
            except ValidationError as error:
                raise first_problem(made, path, error, values) from None

        made.__init__ = init
        return made

    return decorate


def complain(path: str, value: Any, problem: str) -> NoReturn:
    """Raise a UserError about the value of a setting."""
    raise UserError(f"{path} = {toml_value(value)}: {problem}")


def first_problem(
    section: type, prefix: str, error: ValidationError, values: Mapping[str, Any]
) -> UserError:
    """The first of pydantic's complaints about a section's values, in our words."""
    first = error.errors(include_url=False)[0]
    if isinstance(raised := first.get("ctx", {}).get("error"), UserError):
        return raised  # by a section's own __post_init__
    name = str(first["loc"][0])
    path = f"{prefix}.{name}".lstrip(".")
    properties = json_schema(section)["properties"]
    if name not in properties:
        return UserError(f'unknown setting "{path}"{closest(name, properties)}')
    value, schema = values[name], properties[name]
    if "$ref" in schema:
        return UserError(f"{path} is a table of settings, not {toml_value(value)}")
    hint = closest(value, choices(schema)) if isinstance(value, str) else ""
    return UserError(f"{path} = {toml_value(value)}: must be {valid_values(schema)}{hint}")


# -- what settings there are -----------------------------------------------------------------------


class Setting(NamedTuple):
    """One setting, as people see it."""

    path: str  # "search.puct.c_init"
    default: Any
    explanation: str
    schema: dict[str, Any]  # its JSON schema: type, range, choices


def settings(section: type, prefix: str = "") -> Iterator[Setting]:
    """All settings below a section, in the order of their definition."""
    properties = json_schema(section)["properties"]
    for item in fields(section):
        path, schema = prefix + item.name, properties[item.name]
        if is_section(item.type):
            yield from settings(item.type, path + ".")
        else:
            explanation = " ".join(schema.get("description", "").split())
            yield Setting(path, schema["default"], explanation, schema)


def tables_of(section: type, prefix: str = "") -> Iterator[str]:
    """The paths of all sections below a section."""
    for item in fields(section):
        if is_section(item.type):
            yield prefix + item.name
            yield from tables_of(item.type, f"{prefix}{item.name}.")


def is_section(kind: Any) -> TypeGuard[type]:
    """Return whether a field's type is a section of settings."""
    return isinstance(kind, type) and is_dataclass(kind)


@cache
def json_schema(section: type) -> dict[str, Any]:
    """The JSON schema of a section's TOML, for editors and other programs."""
    schema = TypeAdapter(section).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def describe(section: type) -> str:
    """A table of all settings: path and default, valid values, explanation."""
    rows = [
        (
            f"{entry.path} = {toml_value(entry.default)}",
            valid_values(entry.schema),
            entry.explanation,
        )
        for entry in settings(section)
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)


WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list of texts",
}
BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def valid_values(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows, in words: "a whole number of at least 1"."""
    if "anyOf" in schema:
        return either([valid_values(part) for part in schema["anyOf"]])
    if found := choices(schema):
        return either([toml_value(choice) for choice in found])
    words = WORDS[schema["type"]]
    limits = {name: schema[name] for name in BOUNDS if name in schema}
    if schema["type"] == "integer" and "exclusiveMinimum" in limits:
        limits = {"minimum": limits.pop("exclusiveMinimum") + 1, **limits}
    if limits.keys() == {"minimum", "maximum"}:
        return f"{words} between {limits['minimum']} and {limits['maximum']}"
    bounds = " and ".join(f"{BOUNDS[name]} {limit}" for name, limit in limits.items())
    examples = either([toml_value(example) for example in schema.get("examples", ())])
    return f"{words} {bounds}".strip() + (f", as in {examples}" if examples else "")


def choices(schema: Mapping[str, Any]) -> list[str]:
    """The texts that a JSON schema names as values."""
    if "anyOf" in schema:
        return [choice for part in schema["anyOf"] for choice in choices(part)]
    return [schema["const"]] if "const" in schema else schema.get("enum", [])


def either(words: Sequence[str]) -> str:
    """Join alternatives: "a, b or c"."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


# -- TOML ------------------------------------------------------------------------------------------


def load(
    root: type,
    path: Path | str | None,
    overrides: Sequence[str],
    renamed: Mapping[str, str],
    found_old: Callable[[Path, list[str]], None],
) -> Any:
    """Read settings from a TOML file (None: all defaults), then apply overrides `path=value`.

    `renamed` maps old names of settings to those of today: a file may use either, and `found_old`
    is called with the old ones in it. Raises UserError when the file cannot be read, a setting is
    unknown or a value is bad.
    """
    tables: dict[str, Any] = {}
    if path is not None:
        tables = read_toml(Path(path))
        if old := rename(tables, renamed):
            found_old(Path(path), old)
        reject_unknown(root, tables, f" in {path}")
    for override in overrides:
        apply_override(root, tables, override, renamed)
    return build(root, tables)


def to_toml(config: Any) -> str:
    """The settings as a TOML file that reads back to an equal config."""
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
    """Read the nested tables of a TOML file. Raises UserError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the settings {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the settings {path} are not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"the settings {path} are not TOML: {error}") from error


def rename(tables: dict[str, Any], renamed: Mapping[str, str]) -> list[str]:
    """Move the values of old names to the new ones, in place; the old names that were found."""
    found = []
    for old, new in renamed.items():
        *sections, name = old.split(".")
        table: Any = tables
        for section in sections:
            table = table.get(section) if isinstance(table, dict) else None
        if not isinstance(table, dict) or name not in table:
            continue
        value = table.pop(name)
        *sections, name = new.split(".")
        table = tables
        for section in sections:
            table = table.setdefault(section, {})
        table.setdefault(name, value)
        found.append(old)
    return found


def reject_unknown(root: type, tables: Mapping[str, Any], where: str, prefix: str = "") -> None:
    """Raise UserError for an unknown key, or a table where a value belongs, or the reverse."""
    for name, value in tables.items():
        path = prefix + name
        if is_section(kind_of(root, path, where)) != isinstance(value, dict):
            what = "one setting" if isinstance(value, dict) else "a table of settings"
            raise UserError(f"{path} is {what}{where}")
        if isinstance(value, dict):
            reject_unknown(root, value, where, path + ".")


def kind_of(root: type, path: str, where: str = "") -> Any:
    """The type of the setting, or the class of the section, at a dotted path."""
    section: Any = root
    for name in path.split("."):
        kinds = {item.name: item.type for item in fields(section)} if is_section(section) else {}
        if name not in kinds:
            raise UserError(f'unknown setting "{path}"{where}{suggestion(root, path)}')
        section = kinds[name]
    return section


def suggestion(root: type, path: str) -> str:
    """The right path for a wrong one: the same name elsewhere, else the nearest spelling."""
    paths = [*tables_of(root), *(entry.path for entry in settings(root))]
    name = path.rpartition(".")[2]
    same_name = [f'"{right}"' for right in paths if right.rpartition(".")[2] == name]
    if same_name:
        return f" (did you mean {' or '.join(same_name)}?)"
    top_level = ", ".join(item.name for item in fields(root))
    return closest(path, paths) or f"; there are {top_level}"


def apply_override(
    root: type, tables: dict[str, Any], override: str, renamed: Mapping[str, str]
) -> None:
    """Set one value, given as `path=value`, in nested tables."""
    path, equals, text = override.partition("=")
    path = path.strip()
    if not equals:
        raise UserError(f'"{override}" is not a setting: write it as search.simulations=32')
    if path in renamed:
        raise UserError(f'the setting "{path}" was renamed to "{renamed[path]}"')
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
        return text  # a directory called 2026-01-01 is not a date
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def build(section: type, tables: Mapping[str, Any]) -> Any:
    """A section from nested tables whose keys are known to be right."""
    values = {}
    for item in fields(section):
        if item.name in tables:
            value = tables[item.name]
            values[item.name] = build(item.type, value) if is_section(item.type) else value
    return section(**values)
