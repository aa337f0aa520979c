"""Compiled kernels: the only module that imports numba.

A *kernel* is a plain Python function on arrays, records and scalars. It may call other kernels that
are globals of its module, and close over ints; it never takes a kernel as an argument, because
numba then misses its disk cache at every start. Where one algorithm must run over many games'
functions, it is written once as a *template* and `bind` gives each game its own copy of it.

Compiled code is kept on disk under a name that holds a hash of every source it was made from:
numba itself does not notice that a function in *another* file changed. The name does not depend on
where those sources lie, so that a cluster job which unpacks the project elsewhere starts warm.

`NUMBA_DISABLE_JIT=1` runs every kernel as ordinary Python, to debug or to measure coverage.
"""

import ast
import contextlib
import functools
import hashlib
import os
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import config
from numba.core import types as numba_types
from numba.core.caching import UserProvidedCacheLocator
from numba.extending import intrinsic

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

P = ParamSpec("P")
R = TypeVar("R")

numba_config: Any = config  # its settings are made when it is loaded

PURE_PYTHON = bool(numba_config.DISABLE_JIT)
ENGINE = Path(__file__).resolve().parent.parent


def cache_root() -> Path:
    """Where compiled kernels are kept: ALPHAZERO_CACHE, NUMBA_CACHE_DIR, or the user's cache."""
    for variable in ("ALPHAZERO_CACHE", "NUMBA_CACHE_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "alphazero"


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function without the GIL, with C semantics for division, cached on disk."""
    if PURE_PYTHON:
        return _pure(function)
    if not hasattr(function, "__kernel_sources__"):
        sources = _hash_of_loaded([function])
        function.__kernel_sources__ = sources  # type: ignore[attr-defined]
        function.__qualname__ += _distinction(function, sources)
    borrows = getattr(function, "__borrows__", False)
    options: Any = {"nogil": True, "cache": True, "error_model": "numpy"}
    # Said outright, because a kernel would otherwise take them over from whoever calls it first.
    options |= {"_nrt": not borrows, "forceinline": borrows}
    with _content_addressed_cache():
        dispatcher = numba.njit(**options)(function)
    _save_one_at_a_time(dispatcher)
    return dispatcher


def borrows(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function, not yet compiled, that makes no array and returns none: it only borrows
    those it is given. What does make an array fails to compile.

    Nothing counts references to its arrays, and its code becomes part of whoever calls it, for
    handing over arrays is dear: a view of a row or of a field is counted up and down, and a tuple
    of eight arrays is copied word by word, at every call. Both together cost more than half of a
    search's time.
    """
    function.__dict__["__borrows__"] = True
    return function


def borrowing(function: Callable[P, R]) -> Callable[P, R]:
    """A kernel that `borrows`."""
    return kernel(borrows(function))


def bind(template: Callable[..., Any], name: str, **names: Any) -> Callable[..., Any]:
    """A kernel made from a plain function whose globals `names` are replaced.

    `name` is for people who read profiles, for example the game's. What the template does not use
    makes no difference: games that differ elsewhere share one compilation.
    """
    names = {key: names[key] for key in sorted(names) if key in template.__code__.co_names}
    namespace = {**template.__globals__, **names}
    copy = types.FunctionType(
        template.__code__, namespace, template.__name__, template.__defaults__, template.__closure__
    )
    copy.__doc__ = template.__doc__
    copy.__dict__.update(template.__dict__)
    copy.__module__ = template.__module__
    functions = [getattr(value, "py_func", value) for value in names.values()]
    functions = [function for function in functions if isinstance(function, types.FunctionType)]
    identity = [name] + [f"{key}={value!r}" for key, value in names.items() if not callable(value)]
    for function in functions:  # a callee's constants are compiled into the copy
        identity += [f"{function.__qualname__} {function.__code__.co_firstlineno}"]
        identity += [repr(cell.cell_contents) for cell in function.__closure__ or ()]
    sources = _hash_of_loaded([template, *functions], extra="\n".join(identity))
    safe = "".join(character if character.isalnum() else "_" for character in name)
    copy.__qualname__ = f"{template.__qualname__}__{safe}_{sources[:8]}"
    copy.__kernel_sources__ = sources  # type: ignore[attr-defined]
    return kernel(copy)


def _distinction(function: Any, sources: str) -> str:
    """A suffix for the name of a game's kernel that no other code of the same name has.

    Machine code is linked by name, and numba numbers equal names per process: without this the
    rules of connect4:rows=4 loaded from disk could be linked to those of rows=6 just compiled.
    """
    if Path(function.__code__.co_filename).resolve().is_relative_to(ENGINE):
        return ""
    constants = [repr(cell.cell_contents) for cell in function.__closure__ or ()]
    return "__" + hashlib.sha256("\n".join([sources, *constants]).encode()).hexdigest()[:8]


def _name_in_symbols(record: Any) -> tuple[str, tuple[str]]:
    """How the type of a state appears in the names of machine code.

    Numba would write a number that it gives out anew in every process. One helper kernel, compiled
    for 9x9 in one process and for 19x19 in another, then bears the same name in both files, and who
    loads both runs one of them for both.
    """
    return "Record", (hashlib.sha256(record.name.encode()).hexdigest()[:16],)


numba_types.Record.mangling_args = property(_name_in_symbols)  # type: ignore[method-assign]


def _pure(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # as compiled
            return function(*args, **kwargs)

    wrapper.py_func = function  # type: ignore[attr-defined]
    return wrapper


# -- the disk cache --------------------------------------------------------------------------------


class SourceLocator(UserProvidedCacheLocator):
    """Keeps a kernel's machine code in a folder named after the sources it was compiled from."""

    def __init__(self, py_func: Any, py_file: str):
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        self._cache_path = str(cache_root() / py_func.__kernel_sources__)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "SourceLocator | None":
        locator = cls(py_func, py_file)
        try:
            locator.ensure_cache_path()
        except OSError:
            return None
        return locator

    def get_source_stamp(self) -> str:
        return "content-addressed"  # the folder's name already says which sources


@contextlib.contextmanager
def _content_addressed_cache():
    """Numba looks for locators in its configuration while it decorates; other users keep theirs."""
    before = numba_config.CACHE_LOCATOR_CLASSES
    fallbacks = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator"
    numba_config.CACHE_LOCATOR_CLASSES = f"alphazero.game.jit.SourceLocator,{fallbacks}"
    try:
        yield
    finally:
        numba_config.CACHE_LOCATOR_CLASSES = before


def _save_one_at_a_time(dispatcher: Any) -> None:
    """Lock the kernel's folder while its index is read, changed and written. Without that, two
    processes that compile for different arguments at once can leave an entry for one pointing at
    the machine code of the other, which then runs."""
    cache = dispatcher._cache
    save = cache.save_overload

    def locked_save(*arguments: Any) -> Any:
        with _exclusive(Path(cache.cache_path)):
            return save(*arguments)

    cache.save_overload = locked_save


@contextlib.contextmanager
def _exclusive(directory: Path):
    """One process at a time; no lock where the system has none of this kind (Windows)."""
    if fcntl is None:
        yield
        return
    with open(directory / "lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def source_hash(
    files: Iterable[str], extra: str = "", read: Callable[[Path], bytes] = Path.read_bytes
) -> str:
    """A short hash of the engine's kernels, of these files and of the siblings they import."""
    digest = hashlib.sha256(_engine_hash().encode())
    found: dict[Path, bytes] = {}
    for file in files:
        _collect_sources(Path(file).resolve(), found, read)
    for path in sorted(found, key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + found[path])
    digest.update(extra.encode())
    return digest.hexdigest()[:20]


def _collect_sources(path: Path, found: dict[Path, bytes], read: Callable[[Path], bytes]) -> None:
    if path in found or not path.is_file() or path.is_relative_to(ENGINE):
        return
    found[path] = read(path)
    for module in _imported_names(found[path]):
        _collect_sources(path.with_name(module.rpartition(".")[2] + ".py"), found, read)
        _collect_sources(path.parent / (module.replace(".", "/") + ".py"), found, read)


_loaded: dict[Path, tuple[Any, bytes]] = {}  # the module's spec, and its source


def _hash_of_loaded(functions: Iterable[types.FunctionType | Any], extra: str = "") -> str:
    """The hash of the sources that functions in memory were made from.

    A file may have been edited since its module was loaded. To hash what it holds now would file
    the old code's machine code under the new source's name, for every later process to find.
    """
    files = []
    for function in functions:
        file = function.__code__.co_filename
        files.append(file)
        path, spec = Path(file).resolve(), function.__globals__.get("__spec__")
        if path.is_file() and (path not in _loaded or _loaded[path][0] is not spec):
            _loaded[path] = spec, path.read_bytes()  # a module that has just been executed

    def read(path: Path) -> bytes:
        if path not in _loaded:
            _loaded[path] = None, path.read_bytes()
        return _loaded[path][1]

    return source_hash(files, extra, read)


@functools.cache
def _imported_names(source: bytes) -> tuple[str, ...]:
    """Every name in an import of a module's source: of modules, and of what is in them."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names += [node.module or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return tuple(dict.fromkeys(names))


@functools.cache
def _engine_hash() -> str:
    """Hash of the engine's own files that hold kernels, of numba's version and of the processor."""
    digest = hashlib.sha256(f"{numba.__version__} {numba_config.CPU_NAME} ".encode())
    with contextlib.suppress(RuntimeError):
        import llvmlite.binding

        digest.update(llvmlite.binding.get_host_cpu_name().encode())
    for path in sorted(ENGINE.rglob("*.py")):
        source = path.read_bytes()
        if path.name == "jit.py" or b"from alphazero.game.jit import" in source:
            digest.update(path.name.encode() + b"\0" + source)
    return digest.hexdigest()


def is_warm(*kernels: Callable[..., Any]) -> bool:
    """Whether every one of these kernels has machine code in memory or on disk."""
    return PURE_PYTHON or all(
        dispatcher.overloads or _has_cached_code(dispatcher)  # type: ignore[attr-defined]
        for dispatcher in kernels
    )


def _has_cached_code(dispatcher: Any) -> bool:
    cache = dispatcher._cache
    return any(Path(cache.cache_path).glob(f"{cache._impl.filename_base}*.nbi"))


# -- bit operations --------------------------------------------------------------------------------


def _bit_operation(emit: Callable[[Any, Any], Any], result: Any = numba_types.int64) -> Any:
    """A function of one uint64 that is a single instruction."""

    @intrinsic
    def operation(typing_context, x):
        if not isinstance(x, numba_types.Integer):
            return None

        def codegen(context, builder, signature, args):
            value = context.cast(builder, args[0], signature.args[0], numba_types.uint64)
            return emit(builder, value)

        return result(x), codegen

    return operation


_ctpop = _bit_operation(lambda builder, value: builder.ctpop(value))
_cttz = _bit_operation(lambda builder, value: builder.cttz(value, ir.Constant(ir.IntType(1), 0)))
_bswap = _bit_operation(lambda builder, value: builder.bswap(value), numba_types.uint64)

if PURE_PYTHON:

    def popcount(x: Any) -> int:
        """Number of set bits of a uint64."""
        return int(x).bit_count()

    def lowest_bit(x: Any) -> int:
        """Index of the lowest set bit of a uint64; 64 for zero."""
        return (int(x) & -int(x)).bit_length() - 1 if x else 64

    def byte_swap(x: Any) -> Any:
        """The bytes of a uint64 in reverse order: a chess board with its ranks turned round."""
        return np.uint64(int.from_bytes(int(x).to_bytes(8, "little"), "big"))

else:

    @kernel
    def popcount(x: Any) -> int:
        """Number of set bits of a uint64."""
        return _ctpop(x)

    @kernel
    def lowest_bit(x: Any) -> int:
        """Index of the lowest set bit of a uint64; 64 for zero."""
        return _cttz(x)

    @kernel
    def byte_swap(x: Any) -> Any:
        """The bytes of a uint64 in reverse order: a chess board with its ranks turned round."""
        return _bswap(x)


# -- arrays without reference counts ---------------------------------------------------------------
# Handing an array to an inner kernel counts its references up and down with atomic instructions;
# with the fifteen arrays of a forest of trees that costs three times the work itself.


@intrinsic
def _without_owner(typing_context, array):
    if not isinstance(array, numba_types.Array):
        return None

    def codegen(context, builder, signature, args):
        view = context.make_array(signature.args[0])(context, builder, args[0])
        view.meminfo = ir.Constant(view.meminfo.type, None)
        view.parent = ir.Constant(view.parent.type, None)
        return view._getvalue()

    return array(array), codegen


_owner_free: Any = _without_owner  # numba supplies the first argument

if PURE_PYTHON:

    def borrow(array: Any) -> Any:
        """The same array without reference counting, valid while the caller holds the original."""
        return array

else:

    @kernel
    def borrow(array: Any) -> Any:
        """The same array without reference counting, valid while the caller holds the original."""
        return _owner_free(array)


# -- random numbers --------------------------------------------------------------------------------
# SplitMix64 (Steele, Lea, Flood 2014): one uint64 of state per stream, so that thousands of trees
# can each own a stream and a game does not depend on which others are played beside it.

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S40 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(40)
_TO_FLOAT = np.float32(2.0**-24)


@kernel
def mix(x: Any) -> Any:
    """A uint64 scrambled into another, one to one."""
    x = (x ^ (x >> _S30)) * _MIX_1
    x = (x ^ (x >> _S27)) * _MIX_2
    return x ^ (x >> _S31)


@kernel
def next_random(rng: Any, i: int) -> Any:
    """The next uint64 of stream `i`; `rng` is a uint64 array of stream states."""
    rng[i] += _GOLDEN
    return mix(rng[i])


@kernel
def random_float(rng: Any, i: int) -> Any:
    """A float32 in [0, 1) from stream `i`."""
    return np.float32(next_random(rng, i) >> _S40) * _TO_FLOAT


@kernel
def random_below(rng: Any, i: int, n: int) -> Any:
    """An int in [0, n) from stream `i`; the bias of the remainder is below n / 2**64."""
    return np.int64(next_random(rng, i) % np.uint64(n))
