"""Compiled kernels.

A *kernel* is a plain Python function on arrays, records and scalars. It may call other kernels that
are globals of its module, and close over ints; it never takes a kernel as an argument, because
numba then misses its disk cache at every start. Where one algorithm must run over many games'
functions, it is written once as a *template* and `bind` gives each game its own copy of it.

Compiled code is kept on disk (`compile_cache.py`) under a name that holds a hash of every source it
was made from: numba itself does not notice that a function in *another* file changed. The name does
not depend on where those sources lie, so that a cluster job which unpacks the project elsewhere
starts warm.

`NUMBA_DISABLE_JIT=1` runs every kernel as ordinary Python, to debug or to measure coverage.
"""

import ast
import contextlib
import functools
import hashlib
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba.core import types as numba_types
from numba.extending import intrinsic

from alphazero.game.compile_cache import compile_cached, copy_function, is_compiled, numba_config

P = ParamSpec("P")
R = TypeVar("R")

PURE_PYTHON = bool(numba_config.DISABLE_JIT)
ENGINE = Path(__file__).resolve().parent.parent
ELSEWHERE = {"alphazero", "numpy", "numba", *sys.stdlib_module_names}  # never a game's own modules


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function without the GIL, with C semantics for division, cached on disk."""
    function = _with_asserts(function)
    if PURE_PYTHON:
        return _pure(function)
    if not hasattr(function, "__kernel_sources__"):
        sources = _hash_of_loaded([function])
        function.__dict__["__kernel_sources__"] = sources
        function.__qualname__ += _distinction(function, sources)
    borrows = getattr(function, "__borrows__", False)
    # Said outright, because a kernel would otherwise take them over from whoever calls it first.
    options = {"_nrt": not borrows, "forceinline": borrows}
    return compile_cached(function, nogil=True, error_model="numpy", **options)


def borrows(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function, not yet compiled, that makes no array and returns none: it only borrows
    those it is given. A function that does make an array fails to compile.

    Nothing counts references to its arrays, and its code becomes part of its callers, because
    passing arrays is expensive: a view of a row or of a field is counted up and down, and a tuple
    of eight arrays is copied word by word, at every call. Both together cost more than half of a
    search's time.
    """
    function.__dict__["__borrows__"] = True
    return function


def borrowing(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that `borrows`."""
    return kernel(borrows(function))


def bind(template: Callable[..., Any], name: str, **names: Any) -> Callable[..., Any]:
    """Make a kernel from a plain function whose globals `names` are replaced.

    `name` is for people who read profiles, for example the game's. Names that the template does not
    use make no difference: games that differ elsewhere share one compilation.
    """
    template = _with_asserts(template)
    names = {key: names[key] for key in sorted(names) if key in template.__code__.co_names}
    namespace = {**template.__globals__, **names}
    copy = copy_function(template, template.__code__, namespace, template.__closure__)
    functions = [getattr(value, "py_func", value) for value in names.values()]
    functions = [function for function in functions if isinstance(function, types.FunctionType)]
    identity = [name] + [f"{key}={value!r}" for key, value in names.items() if not callable(value)]
    for function in functions:  # a callee's constants are compiled into the copy
        identity += [f"{function.__qualname__} {function.__code__.co_firstlineno}"]
        identity += [repr(cell.cell_contents) for cell in function.__closure__ or ()]
    sources = _hash_of_loaded([template, *functions], extra="\n".join(identity))
    safe = "".join(character if character.isalnum() else "_" for character in name)
    copy.__qualname__ = f"{template.__qualname__}__{safe}_{sources[:8]}"
    copy.__kernel_sources__ = sources
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


def _pure(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # as compiled
            return function(*args, **kwargs)

    wrapper.__dict__["py_func"] = function
    return wrapper


# -- asserts ---------------------------------------------------------------------------------------
# Every bound that a kernel relies on is an assert. `python -O` leaves asserts out of the bytecode
# that numba compiles; a kernel without them does not fail, it writes over other memory.


def _with_asserts(function: Any) -> Any:
    """A function as it is without `python -O`; the function itself where its source is unknown."""
    if not sys.flags.optimize or hasattr(function, "__asserts__"):
        return function
    source = _source_of(function)
    if source is None:
        return function
    found = _codes(source, function.__code__.co_filename)
    code = found.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
    if code is None:
        return function
    names = function.__code__.co_freevars
    cells = dict(zip(names, function.__closure__ or (), strict=True))
    closure = tuple(cells.get(name) or _cell_of_caller(name, function) for name in code.co_freevars)
    copy = copy_function(function, code, function.__globals__, closure)
    copy.__asserts__ = True
    return copy


@functools.cache
def _codes(source: bytes, filename: str) -> dict[tuple[str, int], types.CodeType]:
    """Code objects of a file compiled with asserts, by qualified name and first line."""
    found: dict[tuple[str, int], types.CodeType] = {}
    waiting = [compile(source, filename, "exec", dont_inherit=True, optimize=0)]
    while waiting:
        code = waiting.pop()
        found[code.co_qualname, code.co_firstlineno] = code
        waiting += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return found


def _cell_of_caller(name: str, function: Any) -> types.CellType:
    """A cell with a variable that only an assert of `function` uses: it is still a local of the
    function around it, which is running."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == function.__code__.co_filename and name in frame.f_locals:
            return types.CellType(frame.f_locals[name])
        frame = frame.f_back
    raise RuntimeError(f"python -O: {function.__qualname__} uses {name} in an assert alone")


# -- hashes of sources -----------------------------------------------------------------------------


def source_hash(
    files: Iterable[str], extra: str = "", read: Callable[[Path], bytes] = Path.read_bytes
) -> str:
    """A short hash of the engine's kernels, of these files and of the neighbours they import."""
    digest = hashlib.sha256(_engine_hash().encode())
    found: dict[Path, bytes] = {}
    for file in files:
        path = Path(file).resolve()
        _collect_sources(path, _roots.get(path, path.parent), found, read)
    for path in sorted(found, key=lambda path: path.name):
        digest.update(path.name.encode() + b"\0" + found[path])
    digest.update(extra.encode())
    return digest.hexdigest()[:20]


def _collect_sources(
    path: Path, root: Path, found: dict[Path, bytes], read: Callable[[Path], bytes]
) -> None:
    """Add a file, and the files that it imports from its folder and from `root`, where its
    package begins."""
    if path in found or not path.is_file() or path.is_relative_to(ENGINE):
        return
    found[path] = read(path)
    for level, module in _imported_names(found[path]):
        if not level and module.partition(".")[0] in ELSEWHERE:
            continue
        folders = [path.parents[level - 1]] if level else [path.parent, root]
        steps = module.split(".")
        for folder in folders:
            for below in (folder.joinpath(*steps), folder / steps[-1]):
                _collect_sources(below.with_name(f"{below.name}.py"), root, found, read)
                _collect_sources(below / "__init__.py", root, found, read)


_loaded: dict[Path, tuple[Any, bytes]] = {}  # the module's spec, and its source
_roots: dict[Path, Path] = {}  # of a file in a package: the folder of the package


def _source_of(function: Any) -> bytes | None:
    """The source of the module that a function was loaded from, None if it is not a file.

    A file may have been edited since its module was loaded. To hash its present content would file
    the old code's machine code under the new source's name, for every later process to find.
    """
    path, spec = Path(function.__code__.co_filename).resolve(), function.__globals__.get("__spec__")
    if path.is_file() and (path not in _loaded or _loaded[path][0] is not spec):
        _loaded[path] = spec, path.read_bytes()  # a module that has just been executed
        depth = function.__globals__.get("__name__", "").count(".") - (path.stem != "__init__")
        _roots[path] = path.parents[max(0, min(depth, len(path.parents) - 1))]
    return _loaded[path][1] if path in _loaded else None


def _hash_of_loaded(functions: Iterable[types.FunctionType | Any], extra: str = "") -> str:
    """The hash of the sources that functions in memory were made from."""
    files = []
    for function in functions:
        files.append(function.__code__.co_filename)
        _source_of(function)

    def read(path: Path) -> bytes:
        if path not in _loaded:
            _loaded[path] = None, path.read_bytes()
        return _loaded[path][1]

    return source_hash(files, extra, read)


@functools.cache
def _imported_names(source: bytes) -> tuple[tuple[int, str], ...]:
    """Every name in an import of a module's source, of modules and of what is in them, with the
    number of dots before it."""
    names: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" if node.module else alias.name
                     for alias in node.names]  # fmt: skip
            names += [(node.level, name) for name in [*inner, *filter(None, [node.module])]]
        elif isinstance(node, ast.Import):
            names += [(0, alias.name) for alias in node.names]
    return tuple(dict.fromkeys(names))


@functools.cache
def _engine_hash() -> str:
    """Hash of the engine's own files that hold kernels, of numba's version, of the processor and of
    `python -O`."""
    version = f"{numba.__version__} {numba_config.CPU_NAME} {sys.flags.optimize} "
    digest = hashlib.sha256(version.encode())
    with contextlib.suppress(RuntimeError):
        import llvmlite.binding

        digest.update(llvmlite.binding.get_host_cpu_name().encode())
    for path in sorted(ENGINE.rglob("*.py")):
        source = path.read_bytes()
        if (
            path.name in ("jit.py", "compile_cache.py")
            or b"from alphazero.game.jit import" in source
        ):
            digest.update(path.name.encode() + b"\0" + source)
    return digest.hexdigest()


def is_warm(*kernels: Callable[..., Any]) -> bool:
    """True if all kernels have machine code in memory or on disk."""
    return PURE_PYTHON or all(is_compiled(dispatcher) for dispatcher in kernels)


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
