"""Compiling before the first move: in two processes, with a percentage for whoever waits.

    engine = ready(lambda: make_engine(game, options, report), game, options, report)

Machine code is kept on disk, so two processes can share the work. This one compiles the rules and
loads the network. A second one compiles what needs neither: the search, which knows no game, and
the kernels that judge the end of a game of stones. Whatever it leaves undone is done here, and with
a warm cache it is not started.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from alphazero.arena.tactics import without_network
from alphazero.engine.engine import Engine, search_config
from alphazero.engine.judge import compile_judge, kernels_of_judge
from alphazero.engine.options import EngineOptions
from alphazero.game import Game, load
from alphazero.game.compile_cache import kernels_below, watching
from alphazero.game.jit import is_warm
from alphazero.network import find
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import Evaluator, UniformEvaluator
from alphazero.search.layout import add_root
from alphazero.search.result import measure_depth
from alphazero.search.search import Search, kernels_of
from alphazero.search.simulate import step_leaves

SLOW_SECONDS = 1.0  # after which a person is told what is being waited for
PAUSE_SECONDS = 2.0  # between two messages
HINT = "once; `alphazero warm-up` does it beforehand"
SILENT_SECONDS = 60.0  # of the second process, after which it is not waited for
LEAST_PROCESSORS = 2  # for a second process
SIMULATIONS = 1  # of the second process's search, which makes none


def ready(
    make: Callable[[], Engine],
    game: Game,
    options: EngineOptions,
    report: Callable[[str], None],
) -> Engine:
    """Make an engine, with `make`, and compile all that it uses, so that its first move comes at
    once. `report` is told how far that is if it takes long. Raises what `make` raises."""
    has_network = options.network is not None or find.has_pretrained(game.name)
    progress = Progress(game, has_network, report)
    with (
        progress.counting(),
        second_process(game, has_network, progress.count) as second,
        ThreadPoolExecutor(1, "engine") as beside,
    ):
        making = beside.submit(make)  # imports torch, which takes long
        game.compile(report)
        engine = making.result()
        second.wait()
        engine.warm_up()
    return engine


class Progress:
    """The share of the kernels that are compiled, told in per cent."""

    def __init__(self, game: Game, has_network: bool, report: Callable[[str], None]) -> None:
        self._game, self._has_network, self._report = game, has_network, report
        self._compiled: set[str] = set()
        self._expected: set[str] = set()
        self._next = time.monotonic() + SLOW_SECONDS
        self._hint = HINT  # of the first message
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Count what this process compiles."""
        with watching(self.count):
            yield

    def count(self, kernel: str) -> None:
        """Count a kernel as compiled, by this process or another."""
        with self._lock:
            self._expected = self._expected or expected_kernels(self._game, self._has_network)
            self._compiled.add(kernel)
            now = time.monotonic()
            if now < self._next or not self._expected:
                return
            self._next = now + PAUSE_SECONDS
            percent = 100 * len(self._compiled & self._expected) // len(self._expected)
            hint, self._hint = self._hint, "once"
        self._report(f"compiling {self._game.title} ({hint}): {percent} %")


# -- two processes ---------------------------------------------------------------------------------


class Second:
    """The second process, or none."""

    def __init__(self, process: "subprocess.Popen[bytes] | None", count: Callable[[str], None]):
        self._process, self._count = process, count
        self._heard = time.monotonic()  # when it last said something
        if process is not None:
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Count the kernels that it says it has compiled."""
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self._heard = time.monotonic()
            self._count(line.decode().strip())

    def wait(self) -> None:
        """Wait until it has ended, in whatever way, or has said nothing for SILENT_SECONDS."""
        while self._process is not None and time.monotonic() - self._heard < SILENT_SECONDS:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PAUSE_SECONDS)
                return


@contextlib.contextmanager
def second_process(game: Game, has_network: bool, count: Callable[[str], None]) -> Iterator[Second]:
    """Start the second process, if there is something to compile and a processor for it. It ends
    with this block."""
    process = None
    if _processors() >= LEAST_PROCESSORS and not is_warm(*_shared_kernels(game, has_network)):
        main = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
        command = [sys.executable, *["-O"] * sys.flags.optimize, "-c", main, game.spec]
        with contextlib.suppress(OSError):
            process = subprocess.Popen(
                [*command, "network"] if has_network else command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
    try:
        yield Second(process, count)
    finally:
        if process is not None:
            process.kill()


def _processors() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main() -> None:
    """Be the second process: compile for the game of the first argument, with a network if there is
    a second one, and write the name of every kernel. It ends once stdin is closed."""
    threading.Thread(target=_end_with_first, daemon=True).start()
    game, has_network = load(sys.argv[1]), len(sys.argv) > 2
    with watching(lambda name: os.write(1, f"{name}\n".encode())):
        evaluator = _stand_in(game, has_network)
        config = search_config(SIMULATIONS, rave=evaluator.traces)
        Search(game, evaluator, config).compile()
        if game.stones is not None:
            compile_judge(game, uses_planes=has_network)
    os._exit(0)


def _end_with_first() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


# -- what there is to compile ----------------------------------------------------------------------


def _stand_in(game: Game, has_network: bool) -> Evaluator:
    """An evaluator that is searched with as the engine's will be."""
    return UniformEvaluator(game) if has_network else without_network(game)[0]


def _shared_kernels(game: Game, has_network: bool) -> list[Callable[..., Any]]:
    """The kernels that the second process compiles."""
    config = search_config(SIMULATIONS, rave=_stand_in(game, has_network).traces)
    judge = kernels_of_judge(game, uses_planes=has_network) if game.stones is not None else []
    return [*kernels_of(config), *judge]


def expected_kernels(game: Game, has_network: bool) -> set[str]:
    """The names of the kernels that are to be compiled for a game, as far as is known."""
    encoder = Encoder.of(game)
    kernels = [game.examine, game.start_batch, game.play_batch, encoder.encode_batch]
    kernels += [game.bind(step_leaves, encode=encoder.encode), add_root, measure_depth]
    kernels += _shared_kernels(game, has_network)
    groups = [vars(group) for group in (game.tactics, game.pieces) if group is not None]
    parts = [part for group in groups for part in group.values()]
    return kernels_below(*parts, *(kernel for kernel in kernels if not is_warm(kernel)))
