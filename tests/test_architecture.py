"""The shape of the code, as tests: who may import whom, who may print, what must be documented.

Imports point one way, in the order of `ROOMS` (`tests/helpers/module_map.py`), so that the engine
can be read from its top down.
"""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.helpers.module_map import (
    ENGINE,
    GAMES,
    RANK,
    README,
    ROOT,
    SOURCES,
    imports,
    module_of,
    name_of,
    picture,
    room_of,
    tree_of,
    with_table,
)

# Arrows that still point up the order, to be cut.
UPWARDS: set[tuple[str, str]] = set()

# Large libraries stay behind one door each.
CONFINED = {
    "pydantic": [
        "alphazero/config.py",
        "alphazero/settings.py",
        "alphazero/protocols/kata_analysis/query.py",
    ],
    "numba": ["alphazero/game/jit.py", "alphazero/game/compile_cache.py"],
    "llvmlite": ["alphazero/game/jit.py", "alphazero/game/compile_cache.py"],
    "ray": ["alphazero/selfplay/workers/ray.py"],
    "fsspec": ["alphazero/storage.py"],
    "gymnasium": ["alphazero/env.py"],
    "PIL": ["alphazero/picture.py"],
    "rich": ["alphazero/terminal/display.py"],
    "safetensors": ["alphazero/network/weights.py"],
    "torch": [
        "alphazero/network/*.py",
        "alphazero/network/architectures/*.py",
        "alphazero/learning/*.py",
        "alphazero/run/metrics/events.py",  # its SummaryWriter
    ],
}
THIRD_PARTY = {"numpy", "filelock", *CONFINED}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
MAY_PRINT = [
    "alphazero/__main__.py",
    "alphazero/command_line.py",
    "alphazero/cli/*.py",
    "alphazero/protocols/*.py",
    "alphazero/terminal/*.py",
    "alphazero/bench/*.py",
    "play.py",
    "train.py",
]


def matches(path: Path, patterns: list[str]) -> bool:
    return any(path.relative_to(ROOT).match(pattern) for pattern in patterns)


# -- imports ---------------------------------------------------------------------------------------


def test_every_module_has_a_place_in_the_order() -> None:
    rooms = {room_of(module_of(path)) for path in ENGINE}
    assert rooms == set(RANK), f"not in ROOMS, or not in the engine: {sorted(rooms ^ set(RANK))}"


def test_imports_point_one_way() -> None:
    wrong = []
    for path in ENGINE:
        room = room_of(module_of(path))
        for module, line in imports(path):
            other = room_of(module)
            if module.split(".")[0] != "alphazero" or other in (room, "__init__"):
                continue
            if RANK[other] >= RANK[room] and (room, other) not in UPWARDS:
                wrong.append(f"{name_of(path)}:{line}: {room} imports {module}")
    assert not wrong, "\n".join([*wrong, picture()])


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = {module_of(path) for path in SOURCES}
    graph = {
        module_of(path): {module for module, _ in imports(path)} & known - {module_of(path)}
        for path in SOURCES
    }
    while leaves := {module for module in graph if not graph[module]}:
        graph = {module: graph[module] - leaves for module in graph if module not in leaves}
    assert not graph, f"in circles, or behind one: {sorted(graph)}"


def test_a_large_library_is_imported_in_its_own_file_alone() -> None:
    wrong = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in SOURCES
        for module, line in imports(path)
        if module.split(".")[0] in CONFINED and not matches(path, CONFINED[module.split(".")[0]])
    ]
    assert not wrong, "\n".join(wrong)


def test_only_declared_libraries_are_imported() -> None:
    ours = {"alphazero", "games", "play"} | THIRD_PARTY | set(sys.stdlib_module_names)
    optional = {"pyspiel": ["alphazero/bench/*.py"], "open_spiel": ["alphazero/bench/*.py"]}
    wrong = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in SOURCES
        for module, line in imports(path)
        if (top := module.split(".")[0]) not in ours and not matches(path, optional.get(top, []))
    ]
    assert not wrong, "\n".join(wrong)


def test_games_know_the_contract_alone() -> None:
    allowed = {"numpy", "alphazero.game", "alphazero.game.jit"} | set(sys.stdlib_module_names)
    wrong = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in GAMES
        for module, line in imports(path)
        if module not in allowed and not re.fullmatch(r"games\.\w+_rules", module)
    ]
    assert not wrong, "\n".join(wrong)


def test_games_import_each_other_by_relative_imports() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in GAMES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("games")
    ]
    assert not wrong, f"the wheel installs games/ under another name: {wrong}"


def test_the_wheel_holds_every_package() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {module_of(path) for path in ENGINE if path.name == "__init__.py"}
    ours = {name for name in listed if name.split(".")[0] == "alphazero"}
    assert ours == folders, f"pyproject.toml, tool.setuptools.packages: {sorted(ours ^ folders)}"


def test_the_engine_never_imports_a_game() -> None:
    wrong = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in [*ENGINE, ROOT / "play.py"]
        for module, line in imports(path)
        if module.split(".")[0] in ("games", "alphazero_games")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_command_line_answers_before_anything_large_is_loaded() -> None:
    heavy = ["numpy", *CONFINED]
    program = (
        "import sys, alphazero.__main__, alphazero.cli.play\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_map_shows_every_module() -> None:
    text = README.read_text()
    assert text == with_table(text), "write it anew: python -m tests.helpers.module_map --write"


# -- habits ----------------------------------------------------------------------------------------


def test_the_library_does_not_print() -> None:
    wrong = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        if not matches(path, MAY_PRINT)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("print", "input")
    ]
    assert not wrong, f"log instead (logging.getLogger(__name__)): {wrong}"


def test_every_module_and_public_name_says_what_it_is() -> None:
    wrong = []
    for path in ENGINE:
        tree = tree_of(path)
        if not ast.get_docstring(tree):
            wrong.append(name_of(path))
        for node in tree.body:
            public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node) and path.name != "config.py":
                wrong.append(f"{name_of(path)}:{node.lineno}: {node.name}")
    assert not wrong, f"without a docstring: {wrong}"


# Names of this project alone, and the words that a reader of the field would search for instead.
PRIVATE_NAMES = {
    "allotment": "ray_resources",
    "crew": "workers",
    "desk": "session",
    "enough": "limits",
    "exhibits": "artifacts",
    "gamefile": "game_file",
    "looking": "query",
    "note": "annotation",
    "outlook": "ownership",
    "pace": "replay_ratio",
    "pieces_talk": "chess",
    "ruler": "gogui_rules",
    "scoresheet": "record_text",
    "stock": "engine_cache",
    "stones_talk": "go",
    "study": "job",
    "thought": "analysis",
    "together": "combined",
    "tuning": "search_options",
}
# Turns of phrase that hide a plain statement.
ODD_PHRASES = [
    r"(?<![Tt]here )\b(?:is|are|was|be) no (?!longer\b|more\b|less\b|fewer\b|such\b|\w+er\b)\w+",
    r"\bhears? of\b",
    r"\bof late\b",
    r"\bever again\b",
    r"\b(?:gone|goes|go) on with\b",
    r"\blooks? around\b",
    r"\b(?:spoilt|spoiled)\b",
    r"\bthat (?:are|is) none\b",
    r"^(?:What|Whether|Those|Whoever)\b",
]


def definitions(path: Path) -> list[tuple[str, int, str]]:
    """(name, line, docstring) of a module and of every class and function in it."""
    nodes = [node for node in ast.walk(tree_of(path)) if isinstance(node, DOCUMENTED)]
    return [
        (
            path.stem if isinstance(node, ast.Module) else node.name,
            getattr(node, "lineno", 1),
            ast.get_docstring(node) or "",
        )
        for node in nodes
    ]


def test_names_and_sentences_are_plain() -> None:
    wrong = []
    for path in [*ENGINE, *GAMES]:
        for name, line, text in definitions(path):
            plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("_")
            if plain in PRIVATE_NAMES:
                wrong.append(f"{name_of(path)}:{line}: {name}, better {PRIVATE_NAMES[plain]}")
            for phrase in ODD_PHRASES:
                if match := re.search(phrase, text):
                    wrong.append(f"{name_of(path)}:{line}: {name}: {match.group()!r}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"/(work|tmp|opt|root|home)/", "a path of one machine"),
        (r"\b(TODO|FIXME|XXX|HACK)\b", "unfinished work belongs in an issue"),
        (r"index-url|\.whl\b", "where packages come from is the user's to say"),
    ],
)
def test_no_trace_of_the_machine_or_of_unfinished_work(pattern: str, reason: str) -> None:
    texts = [*SOURCES, *ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("configs/*.toml")]
    texts += [ROOT / name for name in ("Makefile", "pyproject.toml", "constraints.txt")]
    wrong = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in texts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not wrong, f"{reason}:\n" + "\n".join(wrong)


def test_types_are_seldom_silenced() -> None:
    silenced = [
        f"{name_of(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"type: ignore|noqa|pyright:", line)
    ]
    assert len(silenced) <= 10, f"{len(silenced)} places: {silenced}"
