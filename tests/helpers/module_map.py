"""The rooms of the engine in the order of imports, and the module table of `alphazero/README.md`.

    python -m tests.helpers.module_map            print the rooms and the arrows between them
    python -m tests.helpers.module_map --write    write the table into alphazero/README.md anew

A room imports itself and rooms of earlier lines, nothing after. The table holds, room by room, the
first sentence of every module's docstring.
"""

import ast
import functools
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "alphazero" / "README.md"
BEGIN, END = "<!-- modules: generated -->", "<!-- modules: end -->"

ROOMS = [
    ["errors"],
    ["files", "settings", "shipped", "command_line"],
    ["storage", "config"],
    ["game"],
    ["picture"],
    ["network"],
    ["search"],
    ["data"],
    ["selfplay"],
    ["learning"],
    ["arena"],
    ["formats"],
    ["run"],
    ["engine"],
    ["protocols"],
    ["terminal"],
    ["env", "library"],
    ["bench"],
    ["cli"],
    ["__init__", "__main__"],
]
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}

ENGINE = sorted((ROOT / "alphazero").rglob("*.py"))
GAMES = sorted((ROOT / "games").glob("*.py"))
SOURCES = [*ENGINE, *GAMES, ROOT / "play.py", ROOT / "train.py"]


def name_of(path: Path) -> str:
    """A file's path below the project, with slashes."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """A file's dotted name: `alphazero.search.layout`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room that holds a module: `alphazero.search.layout` -> `search`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(), str(path))


@functools.cache
def imports(path: Path) -> list[tuple[str, int]]:
    """Every module a file imports, wherever in the file but for types alone, with the line."""
    known = {module_of(source) for source in SOURCES}
    tree = tree_of(path)
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = module_of(path).split(".")
                package = package[: len(package) - node.level + (path.name == "__init__.py")]
                module = ".".join([*package, *filter(None, [module])])
            inner = [f"{module}.{alias.name}" for alias in node.names]
            found += [(name if name in known else module, node.lineno) for name in inner]
    return found


def arrows() -> dict[str, Counter[str]]:
    """Room -> the rooms it imports, with the number of its files that do."""
    found: dict[str, Counter[str]] = {room: Counter() for rooms in ROOMS for room in rooms}
    for path in ENGINE:
        room = room_of(module_of(path))
        others = {room_of(module) for module, _ in imports(path) if module.startswith("alphazero.")}
        found[room].update(others - {room, "__init__"})
    return found


def picture() -> str:
    """The rooms in the order of imports, each with the arrows that leave it."""
    found = arrows()
    lines = []
    for rooms in ROOMS:
        for room in rooms:
            targets = sorted(found[room], key=lambda other: RANK[other])
            lines.append(f"{room:<10} -> {' '.join(targets)}".rstrip(" ->"))
    return "\n".join(lines)


def first_sentence(path: Path) -> str:
    """The first sentence of a module's docstring, on one line."""
    paragraph = (ast.get_docstring(tree_of(path)) or "").partition("\n\n")[0]
    return re.split(r"(?<=[.!?])\s(?=[A-Z`])", " ".join(paragraph.split()), maxsplit=1)[0]


def table() -> str:
    """The module table of the map: a row for every module, in the order of the rooms."""
    rows = ["| module | what it does |", "|---|---|"]
    for rooms in ROOMS:
        for room in rooms:
            paths = [path for path in ENGINE if room_of(module_of(path)) == room]
            paths.sort(key=lambda path: (path.name != "__init__.py", path))
            for path in paths:
                name = path.relative_to(ROOT / "alphazero").as_posix()
                name = name.removesuffix("__init__.py") or "__init__.py"
                rows.append(f"| `{name}` | {first_sentence(path)} |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """The README's text with its table written anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        README.write_text(with_table(README.read_text()))
    else:
        print(picture())
