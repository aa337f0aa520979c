"""Games by name: the shipped ones, those of installed packages, and files of a user.

A spec is a text such as `tic-tac-toe`, `connect4:rows=6,cols=7` or `./mygame.py`.
"""

import ast
import copyreg
import functools
import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import WeakValueDictionary

from alphazero.errors import UserError, closest
from alphazero.game.game import Game
from alphazero.game.jit import source_hash
from alphazero.shipped import shipped_folder

log = logging.getLogger(__name__)

SHIPPED = "alphazero_games"  # the package of the shipped games, in a checkout the folder games/

_loaded: WeakValueDictionary[Any, Game] = WeakValueDictionary()


def available() -> dict[str, str]:
    """Map the name of every shipped game and installed plugin to its module; imports none."""
    found = {
        path.stem: f"{SHIPPED}.{path.stem}"
        for path in shipped_folder("games").glob("*.py")
        if not path.stem.startswith("_") and not path.stem.endswith("_rules")
    }
    for point in entry_points(group="alphazero.games"):
        found.pop(_plain(point.name), None)  # an entry point may spell the file's name better
        found[point.name] = point.value
    return dict(sorted(found.items()))


def load(spec: str) -> Game:
    """Load the game of a spec. Specs that mean the same game with the same parameters give the
    same object.

    Raises UserError when there is no such game or it has no such parameter.
    """
    source, arguments = _split(spec)
    parameters = _parse_parameters(spec, arguments)
    if source.endswith(".py"):
        path = Path(source).expanduser().resolve()
        source, made = str(path), _definition(_import_file(path), spec)
    else:
        games = available()
        names = {_plain(name): name for name in games}
        if _plain(source) not in names:
            choices = ", ".join(games)
            raise UserError(
                f"unknown game {source!r}{closest(source, games)}; known games: {choices}; "
                "or give the path of a file such as ./mygame.py"
            )
        source = names[_plain(source)]
        module, _, attribute = games[source].partition(":")
        made = _definition(_import_module(module), spec, attribute or "GAME")
    asked = source, id(made), repr(sorted(parameters.items()))
    game = _loaded.get(asked)
    if game is None:
        game = _make(made, spec, parameters)
        game.name_source(source)
        # Parameters that were left out may have been written as their defaults before.
        game = _loaded.setdefault((id(made), game.spec), game)
        _loaded[asked] = game
    return game


def load_recorded(spec: str, named: str | None = None) -> Game:
    """Load the game that a file of records, moves or weights names.

    Such a file may come from anybody, so a path in it is not executed. `named` is the spec that the
    user gave instead, if any; it wins. Raises UserError as `load` does, and for a path.
    """
    if named is None and _split(spec)[0].endswith(".py"):
        raise UserError(
            f"the file names a game by its path, {spec}, which is not executed unless you name it "
            f"yourself: --game {spec}"
        )
    return load(spec if named is None else named)


def _reduce(game: Game) -> tuple[Any, ...]:
    return load, (game.spec,)


copyreg.pickle(Game, _reduce)


# -- reading a spec --------------------------------------------------------------------------------


def _split(spec: str) -> tuple[str, str]:
    """Split `name:parameters`; the letter of a Windows drive is part of the name."""
    head, colon, tail = spec.partition(":")
    if len(head) == 1 and tail[:1] in ("/", "\\"):
        rest, _, tail = tail.partition(":")
        head = f"{head}{colon}{rest}"
    return head, tail


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def _parse_parameters(spec: str, arguments: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for item in filter(None, arguments.split(",")):
        name, equals, text = item.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UserError(f"cannot read {item!r} in game {spec!r}: write name=value")
        parameters[name.strip()] = _parse_value(text.strip())
    return parameters


def _parse_value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return text


def _definition(module: ModuleType, spec: str, attribute: str = "GAME") -> Any:
    if not hasattr(module, attribute):
        raise UserError(f"game {spec!r}: {module.__file__} does not define {attribute}")
    return getattr(module, attribute)


def _make(made: Any, spec: str, parameters: dict[str, Any]) -> Game:
    """Make the game: a module's GAME is a Game, or a function of parameters that returns one."""
    if isinstance(made, Game):
        if parameters:
            raise UserError(f"game {spec!r} takes no parameters, not {', '.join(parameters)}")
        return made
    if not callable(made):
        raise UserError(f"game {spec!r}: GAME must be a Game or a function that returns one")
    known = inspect.signature(made).parameters
    for name in parameters:
        if name not in known:
            raise UserError(
                f"game {spec!r} has no parameter {name!r}{closest(name, known)}; "
                f"it takes: {', '.join(known)}"
            )
    try:
        game = made(**parameters)
    except (ValueError, TypeError) as error:
        raise UserError(f"game {spec!r}: {error}") from error
    if not isinstance(game, Game):
        raise UserError(f"game {spec!r}: GAME must be a Game or a function that returns one")
    return game


# -- importing -------------------------------------------------------------------------------------


def _import_module(name: str) -> ModuleType:
    """Import a game's module; the shipped ones from beside this very package, whatever else may be
    installed or lie in the working directory."""
    if name.startswith(f"{SHIPPED}.") and SHIPPED not in sys.modules:
        folder = shipped_folder("games")
        found = importlib.util.spec_from_file_location(
            SHIPPED, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert found is not None and found.loader is not None
        package = importlib.util.module_from_spec(found)
        sys.modules[SHIPPED] = package
        found.loader.exec_module(package)
    return importlib.import_module(name)


MOVED = {"alphazero.jit": "alphazero.game.jit"}  # names of earlier versions in people's files
FILES = "_alphazero_files_"  # with a hash of its sources: the package of a game's file
KEPT = {"alphazero", SHIPPED, "numpy", *sys.stdlib_module_names}  # never a file beside the game's


def _import_file(path: Path) -> ModuleType:
    """Import a game's file, once, as a module of a package that finds the files beside it."""
    if not path.is_file():
        raise UserError(f"no such game file: {path}")
    package = _package_of(path)
    if package not in sys.modules:
        sys.modules[package] = ModuleType(package)
        sys.modules[package].__path__ = [str(path.parent)]
        if _FilesFinder not in sys.meta_path:
            sys.meta_path.insert(0, _FilesFinder)
    name = f"{package}.{path.stem.replace('.', '_')}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path, loader=_FileLoader(name, str(path)))
    assert found is not None and found.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(found)
    try:
        found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(f"cannot load the game {path}: {type(error).__name__}: {error}") from error
    return module


def _package_of(path: Path) -> str:
    """The name of the package of a game's file.

    It is made from the sources and not from the folder, because kernels on disk, which are found by
    their sources, refer to it: a file that was moved must still find its own. Only a second copy in
    one process is told apart by its folder.
    """
    try:
        package = FILES + source_hash([str(path)])
    except (SyntaxError, ValueError):  # importing it will say so
        package = FILES + hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    loaded = sys.modules.get(package)
    if loaded is not None and list(loaded.__path__) != [str(path.parent)]:
        package += hashlib.sha256(str(path.parent).encode()).hexdigest()[:8]
    return package


class _FilesFinder:
    """Finds the modules of game files' packages, and no other."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(FILES):
            return None
        stem = name.rpartition(".")[2]
        for folder in map(Path, path or ()):
            for file in (folder / stem / "__init__.py", folder / f"{stem}.py"):
                if file.is_file():
                    below = [str(file.parent)] if file.name == "__init__.py" else None
                    loader = _FileLoader(name, str(file))
                    return importlib.util.spec_from_file_location(
                        name, file, loader=loader, submodule_search_locations=below
                    )
            if _is_package(folder / stem):
                found = importlib.machinery.ModuleSpec(name, None, is_package=True)
                found.submodule_search_locations = [str(folder / stem)]
                return found
        return None


class _FileLoader(importlib.machinery.SourceFileLoader):
    """Loads a game's file, or a helper beside it, so that `import helper` finds the helper of the
    same folder, whatever another game's folder holds under that name."""

    def get_code(self, fullname: str) -> Any:
        """Compile the source; bytecode on disk would be that of an ordinary import."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        package = self.name.partition(".")[0]
        (root,) = sys.modules[package].__path__
        tree = _Neighbours(package, Path(root)).visit(ast.parse(data, path))
        return super().source_to_code(ast.fix_missing_locations(tree), path, _optimize=_optimize)


class _Neighbours(ast.NodeTransformer):
    """Rewrites absolute imports of files beside a game's file into imports from its package."""

    def __init__(self, package: str, root: Path) -> None:
        self.package = package
        self.root = root

    def is_neighbour(self, module: str) -> bool:
        top = module.partition(".")[0]
        return top not in KEPT and (
            (self.root / f"{top}.py").is_file() or _is_package(self.root / top)
        )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if not node.level and node.module in MOVED:
            node.module = mentioned(node.module)
        if not node.level and node.module and self.is_neighbour(node.module):
            node.module = f"{self.package}.{node.module}"
        return node

    def visit_Import(self, node: ast.Import) -> Any:
        statements: list[ast.stmt] = []
        for alias in node.names:
            if not self.is_neighbour(alias.name):
                statements.append(ast.Import([alias]))
                continue
            top, dot, _ = alias.name.partition(".")
            if dot:  # import a.b binds a
                name = f"{self.package}.{alias.name}"
                statements.append(ast.Import([ast.alias(name, alias.asname)]))
            if not (dot and alias.asname):
                bound = ast.alias(top, alias.asname)
                statements.append(ast.ImportFrom(self.package, [bound], 0))
        return [ast.copy_location(statement, node) for statement in statements]


@functools.cache
def mentioned(module: str) -> str:
    """The name that a module has now, logged once."""
    log.warning("%s, which a game's file imports, is now %s", module, MOVED[module])
    return MOVED[module]


def _is_package(folder: Path) -> bool:
    return folder.is_dir() and next(folder.glob("*.py"), None) is not None
