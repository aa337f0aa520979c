"""The disk cache of compiled kernels: where it lies, what is pruned, what it relies on in numba."""

import gc
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from filelock import FileLock
from numba.core import config, types
from numba.core.codegen import JITCodeLibrary
from numba.core.registry import CPUDispatcher

from alphazero.game import compile_cache
from alphazero.game.compile_cache import (
    DAY,
    KEEP_DAYS,
    USED,
    cache_root,
    kernels_below,
    prune,
    prune_daily,
    watching,
)
from alphazero.game.jit import PURE_PYTHON, kernel

ROOT = Path(__file__).resolve().parents[2]
compiled = pytest.mark.skipif(PURE_PYTHON, reason="nothing is compiled")


def test_cache_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("ALPHAZERO_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    assert cache_root() == Path.home() / ".cache" / "alphazero"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "alphazero"
    monkeypatch.setenv("NUMBA_CACHE_DIR", "~/numba")
    assert cache_root() == Path.home() / "numba"
    monkeypatch.setenv("ALPHAZERO_CACHE", str(tmp_path / "ours"))
    assert cache_root() == tmp_path / "ours"


# -- pruning ---------------------------------------------------------------------------------------


def folder(root: Path, number: int, days: float, size: int = 10) -> Path:
    """A folder of the cache that was last used so many days ago."""
    made = root / f"{number:020x}"
    made.mkdir(parents=True)
    (made / "kernel.nbc").write_bytes(b"x" * size)
    (made / USED).touch()
    os.utime(made / USED, (time.time() - days * DAY,) * 2)
    return made


def test_prune_removes_what_was_not_used_for_long(tmp_path: Path) -> None:
    old, young = folder(tmp_path, 1, KEEP_DAYS + 1), folder(tmp_path, 2, KEEP_DAYS - 1)
    strangers = [tmp_path / "somebody's", tmp_path / "0123.nbi"]  # in a NUMBA_CACHE_DIR
    for path in strangers:
        path.mkdir()
        os.utime(path, (0, 0))
    assert prune(tmp_path) == [old.name]
    assert not old.exists() and young.exists() and all(path.exists() for path in strangers)
    assert not list(tmp_path.glob("*.removed"))


def test_prune_keeps_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile_cache, "KEEP_BYTES", 250)
    folders = [folder(tmp_path, number, days=10 - number, size=100) for number in range(4)]
    assert prune(tmp_path) == [folders[0].name, folders[1].name], "the longest unused first"
    in_use = [folder(tmp_path, number, days=0.5, size=1000) for number in range(5, 8)]
    prune(tmp_path)
    assert all(path.exists() for path in in_use), "used within a day"


def test_prune_leaves_a_folder_that_is_written_to(tmp_path: Path) -> None:
    old = folder(tmp_path, 1, KEEP_DAYS + 1)
    with FileLock(old / "lock"):
        assert prune(tmp_path) == [] and old.exists()
    assert prune(tmp_path) == [old.name]


def test_prune_daily(tmp_path: Path) -> None:
    first = folder(tmp_path, 1, KEEP_DAYS + 1)
    prune_daily(tmp_path)
    assert not first.exists()
    second = folder(tmp_path, 2, KEEP_DAYS + 1)
    prune_daily(tmp_path)
    assert second.exists(), "once a day"
    os.utime(tmp_path / "pruned", (time.time() - 2 * DAY,) * 2)
    with FileLock(tmp_path / "pruned.lock"):
        prune_daily(tmp_path)
    assert second.exists(), "another process is at it"
    prune_daily(tmp_path)
    assert not second.exists()


@compiled
def test_a_folder_that_is_gone_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAZERO_CACHE", str(tmp_path))

    @kernel
    def third(x):
        return x + 3

    (made,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert (made / USED).exists()
    for path in made.iterdir():
        path.unlink()
    made.rmdir()
    assert third(1) == 4
    assert list(made.glob("*.nbc")), "saved all the same"


# -- python -O -------------------------------------------------------------------------------------

BOUNDS = """
    import sys
    from alphazero.game.jit import bind, kernel

    def make(limit):
        @kernel
        def bounded(x):
            assert x < limit, "too large"
            return x
        return bounded

    def inner(x): ...

    def template(x):
        assert x > 0, "too small"
        return inner(x)

    bounded = make(3)
    bound = bind(template, "copy", inner=bounded)
    for x in (0, 1, 3):
        try:
            print(bound(x), end=" ")
        except AssertionError as error:
            print(error, end=" ")
"""


@pytest.mark.slow
@pytest.mark.parametrize("disable", ["0", "1"])
def test_kernels_keep_their_asserts_under_python_O(tmp_path: Path, disable: str) -> None:
    """Neither an optimised process nor one after it may run kernels without bounds."""
    path = tmp_path / "bounds.py"
    path.write_text(textwrap.dedent(BOUNDS))
    environment = os.environ | {
        "ALPHAZERO_CACHE": str(tmp_path / "cache"),
        "NUMBA_DISABLE_JIT": disable,
        "PYTHONPATH": str(ROOT),
    }
    for options in (["-O"], [], ["-OO"]):
        command = [sys.executable, *options, str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.stdout == "too small 1 too large ", done.stderr


# -- what is relied on in numba --------------------------------------------------------------------


@compiled
def test_numba_has_what_is_replaced_in_it() -> None:
    """If this fails, a new numba has changed inside: `compile_cache.py` must follow."""
    assert tuple(map(int, numba.__version__.split(".")[:2])) <= (0, 68), "not tested with it yet"
    assert isinstance(config.CACHE_LOCATOR_CLASSES, str)
    record = numba.from_dtype(np.dtype([("x", np.int8)], align=True))
    assert isinstance(record, types.Record) and "mangling_args" in vars(types.Type)
    name, arguments = record.mangling_args
    again = numba.from_dtype(np.dtype([("x", np.int8)], align=True))
    assert (name, arguments) == ("Record", again.mangling_args[1]), "the same in every process"

    for name in ("_optimize_final_module", "_finalize_final_module", "serialize_using_bitcode"):
        assert callable(getattr(JITCodeLibrary, name)), "replaced, or used, by CalleeLibrary"
    for name in ("add_overload", "compile", "get_call_template", "_numba_type_"):
        assert hasattr(CPUDispatcher, name), "replaced by Kernel or Callee"

    @kernel
    def fourth(x):
        return x + 4

    cache = fourth._cache  # type: ignore[attr-defined]
    assert callable(cache.save_overload) and cache._impl.filename_base
    assert cache.cache_path.endswith(fourth.py_func.__kernel_sources__)  # type: ignore[attr-defined]


def test_other_users_of_numba_keep_their_cache() -> None:
    before = config.CACHE_LOCATOR_CLASSES

    @kernel
    def fifth(x):
        return x + 5

    assert before == config.CACHE_LOCATOR_CLASSES and fifth(1) == 6


# -- kernels that kernels call ---------------------------------------------------------------------


@compiled
def test_a_kernel_is_compiled_once_for_its_callers_and_once_for_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPHAZERO_CACHE", str(tmp_path))  # nothing is there from an earlier run

    @kernel
    def inner(x, y):
        if x > 100:
            raise ValueError("too large")
        return x + y

    @kernel
    def outer(x):
        return inner(x, 0) + inner(x, 1) + inner(3, x)

    names: list[str] = []
    with watching(lambda name: names.append(name.rpartition(".")[2].partition("__")[0])):
        assert outer(2) == 10
        assert sorted(names) == ["inner", "outer"], "constants make no other code"
        assert not inner.overloads and len(inner.callee.overloads) == 1  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="too large"):
            outer(101)
        assert inner(1, 2) == 3
        assert sorted(names) == ["inner", "inner", "outer"]
    below = kernels_below(outer)
    assert len(below) == 2 and below == kernels_below(lambda: outer(1))
    assert gc.isenabled(), "collected again after compiling"


@compiled
@pytest.mark.slow
def test_what_is_compiled_of_another_process_is_used(tmp_path: Path) -> None:
    """A caller is compiled with callees from the cache, and runs from the cache with them."""
    path = tmp_path / "calls.py"
    path.write_text(textwrap.dedent(CALLS))
    environment = os.environ | {"ALPHAZERO_CACHE": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = str(ROOT)
    told = [
        subprocess.run(
            [sys.executable, path, name],
            env=environment, capture_output=True, text=True, check=True,
        ).stdout.split()
        for name in ("first", "second", "second")
    ]  # fmt: skip
    assert told == [
        ["shared", "first", "4", "negative"],
        ["second", "5", "negative"],
        ["5", "negative"],
    ]


CALLS = """
    import sys
    from alphazero.game.compile_cache import watching
    from alphazero.game.jit import kernel

    @kernel
    def shared(x):
        assert x >= 0, "negative"
        return x + 1

    @kernel
    def first(x):
        return shared(x)

    @kernel
    def second(x):
        return shared(x) + 1

    with watching(lambda name: print(name.partition("__")[0])):
        function = {"first": first, "second": second}[sys.argv[1]]
        print(function(3))
        try:
            function(-1)
        except AssertionError as error:
            print(error)
"""
