"""The disk cache of compiled kernels, and what it takes to make numba keep one of this kind.

A folder of the cache is named after a hash of every source that its machine code was made from
(`jit.source_hash`), so it is never out of date, only unused. Everything that reaches into numba's
inside is in this file; `tests/game/test_compile_cache.py` fails where a version of numba has
changed what it relies on.
"""

import contextlib
import functools
import gc
import hashlib
import os
import re
import shutil
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from numba.core import config, event
from numba.core import types as numba_types
from numba.core.caching import UserProvidedCacheLocator
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

KEEP_DAYS = 30  # since a folder was last used
KEEP_BYTES = 1 << 30  # of all folders; what was used within a day is kept in any case
DAY = 86400.0
CALLEE = "__callee"  # the end of its name
USED = "used"  # an empty file in every folder, whose time is that of the last process to use it

numba_config: Any = config  # its settings are made when it is loaded


def cache_root() -> Path:
    """The folder of the cache: ALPHAZERO_CACHE, NUMBA_CACHE_DIR, or below the user's cache."""
    for variable in ("ALPHAZERO_CACHE", "NUMBA_CACHE_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "alphazero"


def compile_cached(function: Any, **options: Any) -> "Kernel":
    """Make a kernel of a function, with options of numba, that keeps its machine code in the cache.

    `function.__kernel_sources__` is the hash that names the folder.
    """
    kernel = Kernel(function, targetoptions={"nopython": True, "boundscheck": None, **options})
    _keep(kernel)
    return kernel


def _keep(dispatcher: Any) -> None:
    """Have a dispatcher keep its machine code in the cache."""
    with _our_locator():
        dispatcher.enable_caching()
    cache = dispatcher._cache
    save = cache.save_overload

    @functools.wraps(save)
    def save_alone(*arguments: Any) -> Any:
        # Two processes that compile for different arguments at once could otherwise leave an entry
        # for one pointing at the machine code of the other, which then runs.
        folder = Path(cache.cache_path)
        prune_daily(folder.parent)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            return save(*arguments)

    cache.save_overload = save_alone


def is_compiled(dispatcher: Any) -> bool:
    """True if a dispatcher has machine code in memory or on disk."""
    cache = dispatcher._cache
    on_disk = Path(cache.cache_path).glob(f"{cache._impl.filename_base}*.nbi")
    return bool(dispatcher.overloads) or any(on_disk)


@contextlib.contextmanager
def watching(compiled: Callable[[str], object]) -> Iterator[None]:
    """Call `compiled` with the name of every kernel that has been compiled, in the thread that
    did."""
    with event.install_listener("numba:compile", _Compiled(compiled)):
        yield


def kernels_below(*functions: Any) -> set[str]:
    """The names of the kernels that functions are or call, by the names in their code: those to be
    compiled before they can run."""
    found: dict[int, Any] = {}
    waiting = list(functions)
    while waiting:
        function = waiting.pop()
        inner = getattr(function, "py_func", function)
        if id(inner) in found or not isinstance(inner, types.FunctionType):
            continue
        found[id(inner)] = function
        waiting += [inner.__globals__.get(name) for name in inner.__code__.co_names]
        waiting += [cell.cell_contents for cell in inner.__closure__ or ()]
    return {_name(function) for function in found.values() if isinstance(function, Kernel)}


def _name(kernel: Any) -> str:
    return kernel.py_func.__qualname__.removesuffix(CALLEE)


# -- inside numba ----------------------------------------------------------------------------------


class _Compiled(event.Listener):
    """Hears of kernels that have been compiled."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell

    def on_start(self, event: Any) -> None: ...

    def on_end(self, event: Any) -> None:
        if isinstance(event.data["dispatcher"], Kernel | Callee):
            self._tell(_name(event.data["dispatcher"]))


class Kernel(CPUDispatcher):
    """A kernel as Python calls it. Other kernels call its `callee`."""

    def __init__(self, py_func: Any, locals: Any = None, targetoptions: Any = None, **more: Any):
        # Its body once, called by what unpacks the arguments, instead of once more within it.
        options = {**(targetoptions or {}), "forceinline": False, "no_cfunc_wrapper": True}
        super().__init__(py_func, locals, options, **more)
        self.targetoptions = targetoptions

    @functools.cached_property
    def callee(self) -> "Callee":
        """The same function, compiled to become part of its callers."""
        twin = copy_function(self.py_func, self.py_func.__code__, self.py_func.__globals__)
        twin.__qualname__ += CALLEE
        callee = Callee(twin, targetoptions=self.targetoptions, pipeline_class=CalleeCompiler)
        if hasattr(twin, "__kernel_sources__"):
            _keep(callee)
        return callee

    @property
    def _numba_type_(self) -> Any:
        return self.callee._numba_type_

    def compile(self, sig: Any) -> Any:
        """Compile for a signature without collecting garbage, of which there is little: it takes a
        sixth of the time."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return super().compile(sig)
        finally:
            if was_enabled:
                gc.enable()

    def add_overload(self, cres: Any) -> None:
        super().add_overload(cres)
        for environment in cres._find_referenced_environments():  # of the callees linked into it
            cres.codegen.set_env(environment.env_name, environment)


class Callee(CPUDispatcher):
    """A kernel as other kernels call it. It is not optimised, translated to machine code or wrapped
    for Python before it is a part of one that Python calls: that would be done again there."""

    def __init__(self, py_func: Any, locals: Any = None, targetoptions: Any = None, **more: Any):
        options = {**targetoptions, "no_cfunc_wrapper": True, "no_cpython_wrapper": True}
        super().__init__(py_func, locals, options, **more)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Compile for the types of the arguments, but not anew for every constant among them."""
        args = [numba_types.unliteral(one) for one in args]
        kws = {name: numba_types.unliteral(one) for name, one in dict(kws).items()}
        return super().get_call_template(args, kws)


class CalleeCompiler(Compiler):
    """Compiles into a `CalleeLibrary`."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *more: Any):
        super().__init__(typingctx, targetctx, CalleeLibrary(targetctx.codegen(), "callee"), *more)


class CalleeLibrary(JITCodeLibrary):
    """Code that is only ever linked into that of its callers."""

    def __init__(self, codegen: Any, name: str):
        super().__init__(codegen, name)
        self.enable_object_caching()

    def _optimize_final_module(self) -> None: ...

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def serialize_using_object_code(self) -> Any:
        return self.serialize_using_bitcode()

    @property
    def codegen(self) -> Any:
        return self

    def set_env(self, env_name: str, env: Any) -> None:
        """Nothing: there is no machine code yet. The kernel that it becomes part of does it."""


def copy_function(
    function: Any, code: types.CodeType, namespace: dict[str, Any], closure: Any = None
) -> Any:
    """Copy a function with other code, globals and closure (None: its own)."""
    closure = function.__closure__ if closure is None else closure
    copy = types.FunctionType(
        code, namespace, function.__name__, function.__defaults__, closure or None
    )
    functools.update_wrapper(copy, function)
    del copy.__dict__["__wrapped__"]
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


class SourceLocator(UserProvidedCacheLocator):
    """Tells numba the folder of a function's machine code."""

    def __init__(self, py_func: Any, py_file: str):
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        self._cache_path = str(cache_root() / py_func.__kernel_sources__)

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "SourceLocator | None":
        locator = cls(py_func, py_file)
        try:
            _prepare(locator._cache_path, locator.ensure_cache_path)
        except OSError:
            return None
        return locator

    def get_source_stamp(self) -> str:
        return "content-addressed"  # the folder's name already says which sources


_prepared: set[str] = set()


def _prepare(folder: str, ensure: Callable[[], None]) -> None:
    """Make a folder and note that it is in use, once in a process."""
    if folder not in _prepared or not os.path.isdir(folder):
        ensure()
        Path(folder, USED).touch()
        _prepared.add(folder)


@contextlib.contextmanager
def _our_locator() -> Iterator[None]:
    """Have numba ask `SourceLocator` first, while it decorates; other users keep their setting."""
    before = numba_config.CACHE_LOCATOR_CLASSES
    fallbacks = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator"
    numba_config.CACHE_LOCATOR_CLASSES = f"{__name__}.{SourceLocator.__name__},{fallbacks}"
    try:
        yield
    finally:
        numba_config.CACHE_LOCATOR_CLASSES = before


def _name_in_symbols(record: Any) -> tuple[str, tuple[str]]:
    """The name of a record type within the names of machine code, from the type's own description.

    Numba would write a number that it gives out anew in every process. One helper kernel, compiled
    for 9x9 in one process and for 19x19 in another, then bears the same name in both files, and a
    process that loads both runs one of them for both.
    """
    return "Record", (hashlib.sha256(record.name.encode()).hexdigest()[:16],)


setattr(numba_types.Record, "mangling_args", property(_name_in_symbols))  # noqa: B010


# -- pruning ---------------------------------------------------------------------------------------


def prune_daily(root: Path) -> None:
    """Prune the cache if no process has done so within a day."""
    stamp = root / "pruned"
    with contextlib.suppress(OSError, Timeout), FileLock(root / "pruned.lock", timeout=0):
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > DAY:
            stamp.touch()
            prune(root)


def prune(root: Path, now: float | None = None) -> list[str]:
    """Remove folders that were not used for KEEP_DAYS, then the longest unused ones until the rest
    takes less than KEEP_BYTES. Returns the names of removed folders.

    Whatever else lies in `root` is left alone, and so is a folder that is being written to.
    """
    now = time.time() if now is None else now
    folders = [
        (last_used(Path(entry)), sum(file.stat().st_size for file in os.scandir(entry)), entry.path)
        for entry in os.scandir(root)
        if re.fullmatch(r"[0-9a-f]{20}", entry.name) and entry.is_dir(follow_symlinks=False)
    ]
    total = sum(size for _, size, _ in folders)
    removed = []
    for used, size, path in sorted(folders):
        is_old = now - used > KEEP_DAYS * DAY
        if (is_old or (total > KEEP_BYTES and now - used > DAY)) and _remove(Path(path)):
            total -= size
            removed.append(Path(path).name)
    return removed


def last_used(folder: Path) -> float:
    """The time at which a process last used a folder of the cache."""
    stamp = folder / USED
    return (stamp if stamp.exists() else folder).stat().st_mtime


def _remove(folder: Path) -> bool:
    """Remove a folder unless a process is writing to it."""
    try:
        with FileLock(folder / "lock", timeout=0):
            pass
        doomed = folder.rename(folder.with_name(f"{folder.name}.removed"))
    except (OSError, Timeout):
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True
