"""The host of a front end: its engines, and the one thread that does whatever takes time.

    host = EngineHost(EngineOptions("chess"), report)
    handle = host.submit(SearchRequest(position), on_info)
    handle.stop()                         # from any thread, at any time, also before it begins
    analysis = handle.result()

A protocol's reader thread never waits for an engine, so that it hears `stop` while one is compiling
or searching. It gives the host tasks instead (`run`, or `submit` for a search alone). They are done
one after the other, those of the highest priority first, else in the order in which they came.

Imports nothing heavy: protocols say who they are before a game or a network is loaded.
"""

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.engine.options import EngineOptions
from alphazero.errors import UserError

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis
    from alphazero.engine.engine import Engine
    from alphazero.game import Game

# Networks and devices to play with after a failure; None is the package's network.
FALLBACKS = ((None, "auto"), (None, "cpu"), ("rollout", "cpu"))
IDLE_SECONDS = 0.2  # without a task, after which `on_idle` is called
LEAST_SECONDS = 0.001  # for a search whose time was over before it began

T = TypeVar("T")


class SearchHandle(Generic[T]):
    """Control over one task of the host, from when it is asked for until its result is there."""

    def __init__(self, ponder: bool = False, infinite: bool = False) -> None:
        """With `ponder` no time counts before `ponderhit`; with `infinite` the answer waits for
        `stop`."""
        self.started = time.perf_counter()  # when its time began to run
        self.is_stopped = False
        self._ponder, self._infinite = ponder, infinite
        self._is_done = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    def stop(self) -> None:
        """Ask for the result as soon as there can be one."""
        with self._changed:
            self.is_stopped = True
            self._changed.notify_all()

    def ponderhit(self) -> None:
        """The expected move was made: time runs from now on. Without pondering, nothing."""
        with self._changed:
            if self._ponder:
                self._ponder, self.started = False, time.perf_counter()
                self._changed.notify_all()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the task and return its result, or raise what it raised.

        Raises TimeoutError after so many seconds. Not to be called within a task.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_done, timeout):
                raise TimeoutError(f"no result within {timeout:g} seconds")
        if self._error is not None:
            raise self._error
        return cast(T, self._result)

    @property
    def is_done(self) -> bool:
        return self._is_done

    @property
    def is_pondering(self) -> bool:
        """True while the position is only expected, so that no time runs yet."""
        return self._ponder and not self.is_stopped

    def wait_for_stop(self) -> None:
        """Return once an answer may be given: at once, unless it is infinite or pondering."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_stopped or not (self._infinite or self._ponder))

    def _finish(self, result: T | None, error: BaseException | None) -> None:
        with self._changed:
            self._result, self._error, self._is_done = result, error, True
            self._changed.notify_all()


@dataclass(order=True)
class _Queued:
    """A task in the queue: the highest priority first, then the lowest number."""

    rank: float
    number: int
    task: Callable[[SearchHandle[Any]], Any] = field(compare=False)
    handle: SearchHandle[Any] = field(compare=False)


class EngineHost:
    """Engines of one front end, made when they are needed, and the thread that works with them."""

    def __init__(
        self,
        options: EngineOptions,
        report: Callable[[str], None],
        on_idle: Callable[[], object] = lambda: None,
    ) -> None:
        """`report` gets what a person should know, a line at a time; `on_idle` is called by the
        worker whenever it has had no task for IDLE_SECONDS."""
        self.options, self._report, self._on_idle = options, report, on_idle
        self._games: dict[str, Game] = {}
        self._engines: dict[str, Engine] = {}
        self._prepared: dict[str, threading.Thread] = {}  # that make engines, by the game's spec
        self._played: list[tuple[str | None, str]] = []  # networks and devices, the last one last
        self._loading, self._making = threading.Lock(), threading.Lock()
        self._queue: list[_Queued] = []
        self._pending: dict[int, SearchHandle[Any]] = {}  # of tasks that are not done, by number
        self._numbers = itertools.count()
        self._is_closed = False
        self._changed = threading.Condition()
        self._worker = threading.Thread(target=self._work, name="engine host", daemon=True)
        self._worker.start()

    # -- tasks -------------------------------------------------------------------------------------

    def submit(
        self,
        request: SearchRequest,
        on_info: "Callable[[Analysis], None] | None" = None,
        *,
        priority: float = 0,
        ponder: bool = False,
    ) -> "SearchHandle[Analysis]":
        """Search a position in its turn. The handle's result is an Analysis; `on_info` is called by
        the worker. With `ponder` the limits hold from `ponderhit` on."""
        return self.run(
            lambda handle: self.search(request, handle, on_info), priority=priority, ponder=ponder
        )

    def run(
        self,
        task: "Callable[[SearchHandle[T]], T]",
        *,
        priority: float = 0,
        ponder: bool = False,
        infinite: bool = False,
    ) -> "SearchHandle[T]":
        """Do anything in its turn: call `task(handle)`, whose result becomes the handle's.

        An exception is raised by the handle's `result`. After `close` every task is cancelled.
        """
        handle: SearchHandle[T] = SearchHandle(ponder, infinite)
        with self._changed:
            if self._is_closed:
                handle._finish(None, CancelledError())
                return handle
            queued = _Queued(-priority, next(self._numbers), task, handle)
            self._pending[queued.number] = handle
            heapq.heappush(self._queue, queued)
            self._changed.notify_all()
        return handle

    def search(
        self,
        request: SearchRequest,
        handle: SearchHandle[Any],
        on_info: "Callable[[Analysis], None] | None" = None,
    ) -> "Analysis":
        """Search a position within a task, until the handle is stopped or the limits are reached.

        A search that ponders goes on without limits until the ponderhit and then, with all it has
        found, within them; its simulations and seconds are counted together. If the engine fails
        before it has searched anything, another takes its place (`fall_back`).
        """
        game = request.position.game
        while True:
            try:
                analysis = self._search(self.engine(game), request, handle, on_info)
            except (UserError, ValueError):  # of the request, or of the first engine there is
                raise
            except Exception as error:
                if not self.fall_back(game, f"{type(error).__name__}: {error}"):
                    raise
            else:
                if analysis.problem:
                    self._report(analysis.problem)
                return analysis

    def _search(
        self,
        engine: "Engine",
        request: SearchRequest,
        handle: SearchHandle[Any],
        on_info: "Callable[[Analysis], None] | None",
    ) -> "Analysis":
        """Search with this engine, as `search` says."""
        simulations, seconds = 0, 0.0  # spent while pondering

        def counted(analysis: "Analysis") -> "Analysis":
            return replace(
                analysis,
                simulations=analysis.simulations + simulations,
                seconds=analysis.seconds + seconds,
            )

        def report(analysis: "Analysis") -> None:
            if on_info is not None:
                on_info(counted(analysis))

        reports = None if on_info is None else report
        if handle.is_pondering:
            endless = replace(request, limits=SearchLimits())
            found = engine.analyze(endless, lambda: not handle.is_pondering, reports)
            if handle.is_stopped:
                return found
            report(found)
            simulations, seconds = found.simulations, found.seconds
        limits = request.limits or engine.limits(request.full_strength)
        if limits.on_clock and limits.seconds is not None:
            left = limits.seconds - (time.perf_counter() - handle.started)
            limits = limits._replace(seconds=max(left, LEAST_SECONDS))
        limited = replace(request, limits=limits)
        return counted(engine.analyze(limited, lambda: handle.is_stopped, reports))

    @property
    def is_busy(self) -> bool:
        """True while a task is not done."""
        return bool(self._pending)

    def stop(self) -> None:
        """Stop all tasks there are now, those that have not begun included."""
        with self._changed:
            handles = list(self._pending.values())
        for handle in handles:
            handle.stop()

    def close(self, patience: float | None = None) -> None:
        """Wait until all tasks are done, at most `patience` seconds; then do no more. Tasks that
        have not begun are cancelled."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, patience)
            self._is_closed = True
            for queued in self._queue:
                del self._pending[queued.number]
                queued.handle._finish(None, CancelledError())
            self._queue.clear()
            self._changed.notify_all()

    def _work(self) -> None:
        while (queued := self._next()) is not None:
            result, error = None, None
            try:
                result = queued.task(queued.handle)
            except BaseException as raised:  # the handle's owner decides what to do about it
                error = raised
            with self._changed:
                del self._pending[queued.number]
                self._changed.notify_all()
            queued.handle._finish(result, error)

    def _next(self) -> "_Queued | None":
        """Wait for the next task; None once the host is closed."""
        with self._changed:
            is_idle = not self._changed.wait_for(self._is_awake, IDLE_SECONDS)
        if is_idle:
            with contextlib.suppress(Exception):  # shows again once what failed is needed
                self._on_idle()
        with self._changed:
            self._changed.wait_for(self._is_awake)
            return None if self._is_closed else heapq.heappop(self._queue)

    def _is_awake(self) -> bool:
        return bool(self._queue) or self._is_closed

    # -- games and engines -------------------------------------------------------------------------

    def game(self, spec: str) -> "Game":
        """The game of a text as `alphazero.game.load` takes it. Raises UserError."""
        from alphazero.game import load

        with self._loading:
            if spec not in self._games:
                self._games[spec] = load(spec)
            return self._games[spec]

    def variant(self, game: "Game", **parameters: Any) -> "Game":
        """The same game with other values of some of its parameters. Raises UserError."""
        source = game.spec.removesuffix(_written(game.parameters))
        return self.game(source + _written(game.parameters | parameters))

    def engine(self, game: "Game") -> "Engine":
        """The engine for a game, compiled and ready to search. On a board that the network is not
        for, another plays, and that is reported. Raises UserError."""
        from alphazero.engine.engine import make_engine
        from alphazero.engine.warm_up import ready

        with self._making:
            if game.spec not in self._engines:
                options, report = self.options, self._report

                def make() -> "Engine":
                    try:
                        return make_engine(game, options, report, keep_tree=True)
                    except UserError as error:
                        if not self._is_for_another_board(game):
                            raise
                        problem = str(error)
                    other = replace(options, network=None)
                    engine = make_engine(game, other, report, keep_tree=True)
                    report(f"{problem}: on this board {engine.source} plays instead")
                    return engine

                self._engines[game.spec] = ready(make, game, options, report)
                choice = options.network, options.device
                self._played = [other for other in self._played if other != choice] + [choice]
            return self._engines[game.spec]

    def _is_for_another_board(self, game: "Game") -> bool:
        """True if the network fits the game that the front end has begun with, but not this one."""
        from alphazero.network.find import WITHOUT_NETWORK, weights_path
        from alphazero.network.weights import misfit, read_header

        network, first = self.options.network, self.game(self.options.game)
        if network is None or network in WITHOUT_NETWORK or first.name != game.name:
            return False
        try:
            header = read_header(weights_path(network))
        except UserError:
            return False
        return misfit(header, first) is None and misfit(header, game) is not None

    def fall_back(self, game: "Game", problem: str) -> bool:
        """Replace an engine that has failed by the one that played before it, else by the package's
        network, on the processor, or by random playouts. Reports the problem and what plays
        instead; returns False if there is nothing left to try."""
        wanted = self.options
        failed = {(wanted.network, wanted.device)}
        self._played = [choice for choice in self._played if choice not in failed]
        for choice in [*reversed(self._played), *FALLBACKS]:
            if choice in failed:
                continue
            network, device = choice
            self.configure(replace(wanted, network=network, device=device))
            try:
                engine = self.engine(game)
            except Exception:
                failed.add(choice)
                continue
            self._report(f"{problem}; {engine.source} plays instead")
            return True
        self.configure(wanted)
        return False

    def prepare(self, game: "Game") -> None:
        """Make the engine in the background. An error shows once the engine is needed."""
        self._prepare(game)

    def is_ready_within(self, game: "Game", seconds: float) -> bool:
        """Wait for the engine, or for what prevents it, at most so many seconds; True once there is
        nothing to wait for."""
        if game.spec in self._engines:
            return True
        thread = self._prepare(game)
        thread.join(seconds)
        return not thread.is_alive()

    def _prepare(self, game: "Game") -> threading.Thread:
        """The thread that makes the engine."""

        def make() -> None:
            with contextlib.suppress(Exception):
                self.engine(game)

        if game.spec not in self._prepared:
            self._prepared[game.spec] = threading.Thread(target=make, daemon=True)
            self._prepared[game.spec].start()
        return self._prepared[game.spec]

    def configure(self, options: EngineOptions) -> None:
        """Use other options from now on: engines are made anew. Only within a task, or while there
        is none."""
        if options != self.options:
            with self._making:
                self.options = options
                self._engines.clear()
                self._prepared.clear()

    def set_limits(self, *, simulations: int | None = None, seconds: float | None = None) -> None:
        """Replace the limits of all engines, and their level."""
        with self._making:
            self.options = replace(
                self.options, simulations=simulations, seconds=seconds, level=None
            )
            for engine in self._engines.values():
                engine.set_limits(simulations=simulations, seconds=seconds)

    def forget(self) -> None:
        """Have all engines drop what earlier searches found."""
        for engine in list(self._engines.values()):
            engine.forget()


def _written(parameters: dict[str, Any]) -> str:
    """Parameters as they stand in a game's spec, with the colon before them."""
    text = ",".join(f"{name}={value}" for name, value in parameters.items())
    return f":{text}" if text else ""
