"""The shape of the code, as tests: who may import whom, how large a module may grow, who may print.

Imports point one way, so that the engine can be read from the top of `LAYERS` down.
"""

import ast
import functools
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ENGINE = sorted((ROOT / "alphazero").rglob("*.py"))
GAMES = sorted((ROOT / "games").glob("*.py"))
SOURCES = [*ENGINE, *GAMES, ROOT / "play.py"]

# A unit (a module, or a package but for the modules named on their own) imports itself and units of
# earlier lines, nothing after.
LAYERS = [
    ["alphazero", "errors"],
    ["files", "jit", "settings", "picture"],
    ["journal", "remote"],
    ["config", "events", "kernels", "position"],
    ["game"],
    ["check", "perft"],
    ["evaluate"],
    ["search"],
    ["network"],
    ["training"],
    ["arena"],
    ["training.strength"],  # of a run under way, measured in the arena
    ["training.trainer"],
    ["training.loop"],
    ["training.join"],  # of a machine without a learner
    ["bridges"],
    ["bench", "pretrain"],
    ["runs"],
    ["__main__", "play"],
]
RANK = {unit: rank for rank, units in enumerate(LAYERS) for unit in units}

# Imported only once a method is called, and therefore not the circle it looks like.
DEFERRED = {
    ("alphazero.training.record", "alphazero.training.scoresheet"): "to_text, a method of a record",
}

# Large libraries stay behind one door each.
CONFINED = {
    "numba": ["alphazero/jit.py"],
    "llvmlite": ["alphazero/jit.py"],
    "ray": ["alphazero/training/cluster.py", "alphazero/training/actor.py"],
    "fsspec": ["alphazero/remote.py"],
    "gymnasium": ["alphazero/bridges/env.py"],
    "tensorboard": ["alphazero/events.py"],
    "safetensors": ["alphazero/network/weights.py"],
    "torch": [
        "alphazero/network/*.py",
        "alphazero/training/learner.py",
        "alphazero/training/parallel.py",
        "alphazero/training/checkpoint.py",
    ],
}
THIRD_PARTY = {"numpy", *CONFINED}
MAY_PRINT = [
    "alphazero/__main__.py",
    "alphazero/runs.py",
    "alphazero/bridges/*.py",
    "alphazero/bench/*.py",
    "play.py",
]

MODULE_LINES = 300  # of code: docstrings, comments and blank lines are free
FUNCTION_LINES = 50
LARGER: dict[str, str] = {  # "path" or "path:function" -> why it is better whole
    "games/go.py:go": "two thirds of it are the declaration of the game in one call",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str) -> str:
    """The longest unit that holds a module: `alphazero.search.tree` -> `search`."""
    name = module.removeprefix("alphazero.")
    while name not in RANK and "." in name:
        name = name.rpartition(".")[0]
    return name


@functools.cache
def tree_of(path: Path) -> ast.Module:
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
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            module = node.module or ""
            inner = [f"{module}.{alias.name}" for alias in node.names]
            found += [(name if name in known else module, node.lineno) for name in inner]
    return found


def matches(path: Path, patterns: list[str]) -> bool:
    return any(path.relative_to(ROOT).match(pattern) for pattern in patterns)


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code: no docstring, comment or blank line."""
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
               tokenize.ENDMARKER, tokenize.ENCODING}  # fmt: skip
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            lines.difference_update(range(value.lineno, (value.end_lineno or 0) + 1))
    return lines


# -- imports ---------------------------------------------------------------------------------------


def test_every_module_has_a_place_in_the_order() -> None:
    units = {unit_of(module_of(path)) for path in [*ENGINE, ROOT / "play.py"]}
    assert units <= set(RANK), f"not in LAYERS: {sorted(units - set(RANK))}"


def test_imports_point_one_way() -> None:
    wrong = []
    for path in [*ENGINE, ROOT / "play.py"]:
        unit = unit_of(module_of(path))
        for module, line in imports(path):
            other = unit_of(module)
            if module.split(".")[0] not in ("alphazero", "play") or other == unit:
                continue
            if RANK[other] >= RANK[unit]:
                wrong.append(f"{name_of(path)}:{line}: {unit} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = {module_of(path) for path in SOURCES}
    graph = {
        module_of(path): {module for module, _ in imports(path)} & known - {module_of(path)}
        for path in SOURCES
    }
    for module, imported in DEFERRED:
        graph[module].remove(imported)  # KeyError: no longer needed in DEFERRED
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
    allowed = {"numpy", "alphazero.game", "alphazero.jit"} | set(sys.stdlib_module_names)
    wrong = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in GAMES
        for module, line in imports(path)
        if module not in allowed and not re.fullmatch(r"games\.\w+_rules", module)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_engine_never_imports_a_game() -> None:
    wrong = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in [*ENGINE, ROOT / "play.py"]
        for module, line in imports(path)
        if module.split(".")[0] == "games"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_command_line_answers_before_anything_large_is_loaded() -> None:
    heavy = ["numpy", *CONFINED]
    program = (
        "import sys, alphazero.__main__, play\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# -- size ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_module_and_its_functions_stay_small(path: Path) -> None:
    source, name = path.read_text(), name_of(path)
    lines = code_lines(source)
    if name not in LARGER:
        assert len(lines) <= MODULE_LINES, f"{name} has {len(lines)} lines of code"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and f"{name}:{node.name}" not in LARGER:
            own = lines & set(range(node.lineno, (node.end_lineno or 0) + 1))
            for inner in ast.walk(node):  # a function within counts on its own
                if isinstance(inner, ast.FunctionDef) and inner is not node:
                    own -= set(range(inner.lineno, (inner.end_lineno or 0) + 1))
            assert len(own) <= FUNCTION_LINES, f"{name}:{node.name} has {len(own)} lines of code"


def test_exceptions_from_the_size_limits_are_still_needed() -> None:
    for entry in LARGER:
        assert (ROOT / entry.partition(":")[0]).is_file(), entry


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
