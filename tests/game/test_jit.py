"""Compiled kernels: the disk cache, copies of templates, bits, borrowed arrays, random streams."""

import functools
import importlib
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.game import load as load_anew
from alphazero.game.jit import (
    PURE_PYTHON,
    bind,
    borrow,
    borrowing,
    borrows,
    is_warm,
    kernel,
    mix,
    next_random,
    popcount,
    random_below,
    random_float,
    source_hash,
)

load = functools.cache(load_anew)
ROOT = Path(__file__).resolve().parents[2]
WORDS = st.integers(0, 2**64 - 1)
compiled = pytest.mark.skipif(PURE_PYTHON, reason="nothing is compiled")


# -- the name of the cache -------------------------------------------------------------------------


def write(folder: Path, **files: str) -> str:
    """Write name=text as modules and return the path of the first."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return str(folder / f"{next(iter(files))}.py")


def test_the_hash_follows_the_sources_and_not_their_place(tmp_path: Path) -> None:
    sources = {
        "game": "from helper import SIZE\nimport other\n",
        "helper": "SIZE = 3\n",
        "other": "",
    }
    first = source_hash([write(tmp_path / "here", **sources)])
    assert source_hash([write(tmp_path / "there", **sources)]) == first
    for name, text in (
        ("game", "from helper import SIZE\n"),
        ("helper", "SIZE = 4\n"),
        ("other", "1\n"),
    ):
        changed = source_hash([write(tmp_path / f"changed {name}", **(sources | {name: text}))])
        assert changed != first
    write(tmp_path / "here", stranger="1\n")
    assert source_hash([str(tmp_path / "here" / "game.py")]) == first, "nobody imports it"
    assert source_hash([str(tmp_path / "here" / "game.py")], extra="size=9") != first


@pytest.mark.parametrize(
    "statement",
    [
        "import helper",
        "import helper as h",
        "from helper import x",
        "from . import helper",
        "from .helper import x",
        "from package.helper import x",
        "def late():\n    import helper",
    ],
)
def test_however_a_neighbour_is_imported_it_counts(tmp_path: Path, statement: str) -> None:
    path = write(tmp_path, game=statement, helper="x = 1")
    before = source_hash([path])
    write(tmp_path, helper="x = 2")
    assert source_hash([path]) != before


def test_neighbours_of_neighbours_count_and_circles_end(tmp_path: Path) -> None:
    path = write(tmp_path, game="import a", a="import b", b="import a, game", c="")
    before = source_hash([path])
    write(tmp_path, b="import a, game  # changed")
    assert source_hash([path]) != before


def test_a_helper_in_a_package_below_counts(tmp_path: Path) -> None:
    """A game `shogi.py` may keep its tables in `shogi_rules/tables.py`."""
    path = write(tmp_path, game="from rules.tables import x")
    write(tmp_path / "rules", tables="x = 1")
    before = source_hash([path])
    write(tmp_path / "rules", tables="x = 2")
    assert source_hash([path]) != before


def test_code_in_memory_is_filed_under_the_source_it_was_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not under what somebody has written into the file meanwhile, until that is executed."""
    game = """
        from alphazero.game.jit import kernel
        from edited_steps import STEP

        def make(unused):
            @kernel
            def step(n):
                return n + STEP
            return step
        """
    path = Path(write(tmp_path, edited_game=game, edited_steps="STEP = 1"))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("edited_game")
    before = module.make(1).__kernel_sources__
    write(tmp_path, edited_steps="STEP = 2")
    path.write_text(path.read_text().replace("n + STEP", "n - STEP"))
    assert module.make(2).__kernel_sources__ == before
    importlib.reload(module)
    assert module.make(3).__kernel_sources__ != before


# -- the cache at work -----------------------------------------------------------------------------


GAME = """
    import numpy as np
    from alphazero.game import Game
    from alphazero.game.jit import kernel, mix
    from steps import STEP, step

    STATE = np.dtype([("n", np.int64), ("to_play", np.int8), ("ply", np.int16)], align=True)

    @kernel
    def start(state):
        state.n = 0
        state.to_play = 0
        state.ply = 0

    @kernel
    def play(state, action):
        state.n += step(action) + STEP
        state.to_play = 1 - state.to_play
        state.ply += 1

    @kernel
    def nothing(state, keys, n, planes):
        pass

    @kernel
    def legal(state, keys, n, mask):
        mask[0] = 1

    @kernel
    def outcome(state, keys, n):
        return state.ply == 3, 0.0

    @kernel
    def key(state):
        return mix(np.uint64(state.n))

    GAME = Game(
        name="steps", title="Steps", state=STATE, num_actions=1, planes=(1, 1, 1), max_plies=3,
        start=start, play=play, legal=legal, outcome=outcome, key=key, observe=nothing,
        action_to_str=str, str_to_action=int, render=str,
    )
"""
STEPS = """
    from alphazero.game.jit import kernel

    STEP = {constant}

    @kernel
    def step(action):
        return {result}
"""
USE = """
    import sys
    import numpy as np
    from alphazero.game import load
    from alphazero.game.jit import is_warm

    game = load(sys.argv[1])
    warm = is_warm(game.start_batch, game.play_batch)
    states = game.empty_states(1)
    game.start_batch(states)
    game.play_batch(states, np.array([0], np.int32))
    print(int(states["n"][0]), warm, is_warm(game.start_batch, game.play_batch))
"""


@compiled
@pytest.mark.slow
def test_machine_code_is_found_again_unless_a_source_has_changed(tmp_path: Path) -> None:
    def use(folder: Path) -> str:
        environment = os.environ | {
            "ALPHAZERO_CACHE": str(tmp_path / "cache"),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        }
        command = [sys.executable, "-c", textwrap.dedent(USE), str(folder / "steps_game.py")]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    def files() -> set[Path]:
        return {path for path in (tmp_path / "cache").rglob("*") if path.is_file()}

    def place(folder: str, constant: int, result: int) -> Path:
        steps = STEPS.format(constant=constant, result=result)
        write(tmp_path / folder, steps_game=GAME, steps=steps)
        return tmp_path / folder

    here = place("here", constant=10, result=1)
    assert use(here) == "11 False True", "compiled"
    after_first = files()
    assert use(here) == "11 True True", "found again"
    assert use(place("moved", constant=10, result=1)) == "11 True True", "a copy elsewhere too"
    assert files() == after_first, "and nothing was written"
    place("here", constant=20, result=1)
    assert use(here) == "21 False True", "a constant in the other file has changed"
    place("here", constant=20, result=2)
    assert use(here) == "22 False True", "a kernel in the other file has changed"
    place("here", constant=10, result=1)
    assert use(here) == "11 True True", "the first version is still there"


SEARCH = """
    import json
    from alphazero.config import SearchConfig
    from alphazero.network.evaluator import RolloutEvaluator, UniformEvaluator
    from alphazero.game import load
    from alphazero.search.search import Search

    found = []
    for spec, policy, kind in (
        ("tic-tac-toe", "puct", UniformEvaluator),
        ("tic-tac-toe", "gumbel", RolloutEvaluator),
        ("connect4:rows=4,cols=5", "puct", RolloutEvaluator),
    ):
        game = load(spec)
        config = SearchConfig(policy=policy, simulations=40, leaves_per_tree=2, nn_cache_size=50)
        search = Search(game, kind(game), config)
        position = game.position()
        search.begin(0, position, seed=3, noise=True)
        for _ in range(3):
            search.run()
            result = search.result(0)
            found.append([result.visits.tolist(), result.pv, round(result.value, 9)])
            found.append([round(float(x), 5) for x in result.policy])
            position.play(result.best)
            search.reroot(0, position, noise=True)
    print(json.dumps(found))
"""


@pytest.mark.slow
def test_kernels_do_the_same_as_plain_python() -> None:
    def run(disable: str) -> list:
        command = [sys.executable, "-c", textwrap.dedent(SEARCH)]
        environment = os.environ | {"NUMBA_DISABLE_JIT": disable}
        ran = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        return json.loads(ran.stdout)

    assert run("1") == run("0")


# -- copies of templates ---------------------------------------------------------------------------

SCALE = 1


def shift(x: int) -> int: ...  # type: ignore[empty-body]


def template(array):
    """Documented."""
    for i in range(array.shape[0]):
        array[i] = shift(array[i]) * SCALE


def shift_by(distance: int):
    @kernel
    def shifted(x):
        return x + distance

    return shifted


def test_each_copy_of_a_template_keeps_its_own_functions_and_constants() -> None:
    copies = {
        (distance, scale): bind(template, "the same name", shift=shift_by(distance), SCALE=scale)
        for distance in (1, 2)
        for scale in (1, 10)
    }
    for _ in range(2):
        for (distance, scale), copy in copies.items():
            array = np.arange(3)
            copy(array)
            assert array.tolist() == [(x + distance) * scale for x in range(3)]
    assert copies[1, 1].__doc__ == "Documented."
    assert "the_same_name" in copies[1, 1].__qualname__
    assert SCALE == 1 and shift(3) is None, "the template itself is untouched"


def test_sizes_of_connect_four_do_not_mix() -> None:
    """One after the other and back again; a kernel of another size would miss columns or wins."""
    sizes = {
        spec: load(f"connect4:{spec}")
        for spec in ("rows=4,cols=5", "rows=6,cols=7", "rows=7,cols=5")
    }
    for _ in range(2):
        for spec, game in sizes.items():
            rows, cols = (int(part.split("=")[1]) for part in spec.split(","))
            position = game.position()
            assert position.legal_actions() == list(range(cols))
            for _ in range(rows):
                position.play(0)
            assert position.legal_actions() == list(range(1, cols))
            for action in (cols - 1, 1, cols - 1, 1, cols - 1, 1, cols - 1)[
                : 7 if rows % 2 == 0 else 6
            ]:
                position.play(action)
            if rows % 2 == 0:
                outcome = position.outcome()
                assert outcome is not None and outcome.winner == 0
            assert position.planes().shape == (2, rows, cols)


FLOOD = """
    import sys
    import numpy as np
    from alphazero.game.jit import kernel

    @kernel
    def flood(state, stack, i):
        count, done = 1, 0
        stack[0] = i
        while done < count:
            i = stack[done]
            done += 1
            for beside in (i - 1, i + 1):
                if 0 <= beside < state.points.shape[0] and state.points[beside] == 0:
                    state.points[beside] = 1
                    stack[count] = beside
                    count += 1
        return count

    @kernel
    def flood_all(state):
        stack = np.empty(state.points.shape[0], np.int64)
        total = 0
        for i in range(state.points.shape[0]):
            total += flood(state, stack, i)
        for i in range(0, state.points.shape[0], 2):
            state.points[i] = 0
        return total + flood(state, stack, 1)

    @kernel
    def run(states):
        total = 0
        for i in range(states.shape[0]):
            total += flood_all(states[i])
            states[i].points[0] = 0
            total += flood_all(states[i])
        return total

    for size in map(int, sys.argv[1:]):
        states = np.zeros(2, np.dtype([("points", np.uint8, size)], align=True))
        print(size, run(states), states["points"].tolist())
"""


@pytest.mark.slow
@compiled
def test_a_helper_compiled_for_different_states_does_not_mix(tmp_path: Path) -> None:
    """Each by a process of its own; one that loads both must run each for its own states."""
    path = write(tmp_path, flooding=FLOOD)
    environment = os.environ | {"ALPHAZERO_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}

    def run(*sizes: str) -> list[str]:
        command = [sys.executable, path, *sizes]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return ran.stdout.splitlines()

    alone = [*run("3"), *run("5")]
    assert run("3", "5") == alone
    assert run("5", "3") == alone[::-1]


@compiled
def test_warm_means_compiled_or_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALPHAZERO_CACHE", str(tmp_path))

    def plain(x):
        return x + 12.5

    first = kernel(plain)
    assert not is_warm(first)
    assert first(1.0) == 13.5
    assert is_warm(first) and is_warm()
    assert is_warm(kernel(plain)), "another process would find it on disk"


# -- what kernels are given ------------------------------------------------------------------------


@given(WORDS)
def test_number_of_bits(x: int) -> None:
    assert popcount(np.uint64(x)) == x.bit_count()


def test_lowest_bit() -> None:
    code = """
        import numpy as np
        from alphazero.game.jit import lowest_bit
        for i in range(64):
            for above in (0, 2**63, 2**64 - 1):
                x = (above >> i << i) | 1 << i
                assert lowest_bit(np.uint64(x)) == i
        assert lowest_bit(np.uint64(0)) == 64
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, check=True)


@kernel
def fill_borrowed(array, value):
    mine = borrow(array)
    for i in range(mine.shape[0]):
        for j in range(mine.shape[1]):
            mine[i, j] = value + i
    return mine.shape[0] * mine.shape[1]


def test_a_borrowed_array_is_the_same_array() -> None:
    whole = np.zeros((6, 8), np.int64)
    part = whole[1:5:2, ::2]  # not contiguous
    before = sys.getrefcount(whole), sys.getrefcount(part)
    for _ in range(1000):
        assert fill_borrowed(part, 5) == 8
    assert (sys.getrefcount(whole), sys.getrefcount(part)) == before
    assert whole[1].tolist() == [5, 0] * 4 and whole[3].tolist() == [6, 0] * 4
    assert not whole[[0, 2, 4, 5]].any()


@kernel
def sum_of_squares(row):
    squares = np.empty(row.shape[0])
    for i in range(row.shape[0]):
        squares[i] = row[i] * row[i]
    return squares.sum()


@borrowing
def largest_sum(array):
    best = 0.0
    for i in range(array.shape[0]):
        best = max(best, sum_of_squares(array[i]))  # it may make arrays: it returns none
    return best


@borrowing
def made(n):
    return np.zeros(n).sum()


def test_kernels_that_borrow_count_no_references() -> None:
    whole = np.arange(12.0).reshape(3, 4)
    before = sys.getrefcount(whole)
    for _ in range(1000):
        assert largest_sum(whole[1:]) == 8**2 + 9**2 + 10**2 + 11**2
    assert sys.getrefcount(whole) == before


@compiled
def test_kernels_that_borrow_cannot_make_arrays() -> None:
    with pytest.raises(Exception, match="Failed in nopython mode"):
        made(3)


MORE = 0


@borrows
def first_and_more(array):
    return array[0] + MORE


@compiled
def test_a_template_that_borrows_is_copied_as_such() -> None:
    copy: Any = bind(first_and_more, "copy", MORE=2)
    assert copy(np.ones(3)) == 3
    assert copy.targetoptions["_nrt"] is False
    assert largest_sum.targetoptions["_nrt"] is False  # type: ignore[attr-defined]
    assert sum_of_squares.targetoptions["_nrt"] is True  # type: ignore[attr-defined]


@kernel
def divide(a, b):
    return a / b


@compiled
def test_division_is_as_in_c() -> None:
    assert divide(1.0, 0.0) == np.inf and np.isnan(divide(0.0, 0.0))


# -- random streams --------------------------------------------------------------------------------


def test_streams_are_splitmix64() -> None:
    """The published reference values for the seed 1234567."""
    rng = np.array([1234567], np.uint64)
    assert [int(next_random(rng, 0)) for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_streams_are_independent_of_each_other() -> None:
    together = np.array([5, 6, 7], np.uint64)
    mixed = [[int(next_random(together, i)) for i in range(3)] for _ in range(4)]
    for i in range(3):
        alone = np.array([5 + i], np.uint64)
        assert [row[i] for row in mixed] == [int(next_random(alone, 0)) for _ in range(4)]


def test_random_numbers_are_uniform() -> None:
    rng = np.array([99], np.uint64)
    floats = np.array([random_float(rng, 0) for _ in range(20000)])
    assert floats.min() >= 0 and floats.max() < 1
    assert abs(floats.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(floats))
    assert np.abs(np.sort(floats) - np.linspace(0, 1, len(floats))).max() < 1.63 / np.sqrt(20000)
    for n in (1, 2, 7, 1000):
        draws = np.array([random_below(rng, 0, n) for _ in range(7000)])
        assert draws.min() >= 0 and draws.max() < n
        if n <= 7:
            counts = np.bincount(draws, minlength=n)
            assert np.abs(counts - 7000 / n).max() < 4 * np.sqrt(7000 / n)
        else:
            assert len(np.unique(draws)) > 980


@given(WORDS, WORDS)
def test_mix_is_one_to_one(x: int, y: int) -> None:
    assert (mix(np.uint64(x)) == mix(np.uint64(y))) == (x == y)
