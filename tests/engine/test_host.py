"""The host: tasks in turn, searches that are stopped, ponder and end, and no deadlock."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace

import pytest

from alphazero.engine import engine as engines
from alphazero.engine.engine import Engine
from alphazero.engine.host import EngineHost, SearchHandle
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.engine.options import EngineOptions
from alphazero.errors import UserError
from alphazero.game import Game, load
from alphazero.network import weights
from alphazero.network.evaluator import Evaluation, Leaves, UniformEvaluator

PATIENCE = 120  # seconds without a result: it hangs
TICTACTOE = load("tic-tac-toe")
CONNECT4 = load("connect4")
ENDLESS = SearchLimits()


class Compiling:
    """Stands in for making an engine that takes long: it waits to be let go."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.made: list[EngineOptions] = []


@pytest.fixture
def compiling(monkeypatch: pytest.MonkeyPatch) -> Compiling:
    state = Compiling()

    def make(game, options: EngineOptions, report: Callable, keep_tree: bool) -> Engine:
        state.begun.set()
        assert state.may_end.wait(PATIENCE)
        state.made.append(options)
        return Engine(game, UniformEvaluator(game), "uniform", simulations=20, keep_tree=keep_tree)

    monkeypatch.setattr(engines, "make_engine", make)
    return state


@pytest.fixture
def host(compiling: Compiling):
    compiling.may_end.set()
    made = EngineHost(EngineOptions("connect4"), print)
    yield made
    made.stop()
    made.close(PATIENCE)


def request(limits: SearchLimits | None = None, **how) -> SearchRequest:
    return SearchRequest(CONNECT4.position(), limits, **how)


def blocked(host: EngineHost) -> tuple[SearchHandle[None], threading.Event]:
    """Have the worker busy until the event is set."""
    begun, may_end = threading.Event(), threading.Event()

    def task(handle: SearchHandle[None]) -> None:
        begun.set()
        assert may_end.wait(PATIENCE)

    handle = host.run(task)
    assert begun.wait(PATIENCE)
    return handle, may_end


# -- tasks -----------------------------------------------------------------------------------------


def test_tasks_are_done_by_priority_and_then_in_order(host: EngineHost) -> None:
    done: list[str] = []
    _, may_end = blocked(host)
    for name, priority in (("low", -1), ("one", 0), ("high", 5), ("two", 0)):
        last = host.run(lambda handle, name=name: done.append(name), priority=priority)
    may_end.set()
    last.result(PATIENCE)
    host.close(PATIENCE)
    assert done == ["high", "one", "two", "low"]


def test_a_result_or_an_error_comes_to_whoever_asked(host: EngineHost) -> None:
    assert host.run(lambda handle: 7).result(PATIENCE) == 7
    failed = host.run(lambda handle: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        failed.result(PATIENCE)
    assert host.run(lambda handle: 8).result(PATIENCE) == 8  # the worker lives
    _, may_end = blocked(host)
    with pytest.raises(TimeoutError):
        host.run(lambda handle: 9).result(0.01)
    may_end.set()


def test_what_waits_when_the_host_is_closed_is_cancelled(host: EngineHost) -> None:
    running, may_end = blocked(host)
    waiting = host.run(lambda handle: 1)
    host.close(patience=0.0)
    late = host.run(lambda handle: 2)
    for handle in (waiting, late):
        with pytest.raises(CancelledError):
            handle.result(PATIENCE)
    may_end.set()
    assert running.result(PATIENCE) is None


def test_closing_waits_for_tasks_with_or_without_patience(host: EngineHost) -> None:
    done: list[int] = []
    for number in range(50):
        host.run(lambda handle, number=number: done.append(number))
    host.close()
    assert done == list(range(50))
    other = EngineHost(EngineOptions("connect4"), print)
    _, may_end = blocked(other)
    other.close(patience=0.01)
    may_end.set()


def test_an_idle_worker_says_so_and_goes_on() -> None:
    idle = threading.Event()
    host = EngineHost(EngineOptions("connect4"), print, idle.set)
    assert idle.wait(PATIENCE)
    assert host.run(lambda handle: 1).result(PATIENCE) == 1
    host.close()


# -- searches --------------------------------------------------------------------------------------


def test_a_search_has_the_limits_it_asks_for(host: EngineHost) -> None:
    heard: list[int] = []
    analysis = host.submit(
        request(SearchLimits(3000), report_every=0.0), lambda found: heard.append(found.visits)
    ).result(PATIENCE)
    assert analysis.simulations == 3000 and heard == sorted(heard) and heard
    assert host.submit(request()).result(PATIENCE).simulations == 20  # the engine's own


def test_an_endless_search_ends_when_it_is_stopped(host: EngineHost) -> None:
    heard = threading.Event()
    handle = host.submit(request(ENDLESS, report_every=0.0), lambda found: heard.set())
    assert heard.wait(PATIENCE) and not handle.is_done
    handle.stop()
    assert handle.result(PATIENCE).simulations > 0


def test_a_search_may_be_stopped_before_it_begins(host: EngineHost) -> None:
    _, may_end = blocked(host)
    handles = [host.submit(request(ENDLESS)) for _ in range(5)]
    handles[0].stop()
    host.stop()
    may_end.set()
    for handle in handles:
        assert 1 <= handle.result(PATIENCE).simulations < 100


def test_a_search_may_be_stopped_while_its_engine_is_compiled(compiling: Compiling) -> None:
    host = EngineHost(EngineOptions("connect4"), print)
    handle = host.submit(request(ENDLESS))
    assert compiling.begun.wait(PATIENCE)
    handle.stop()
    assert not handle.is_done
    compiling.may_end.set()
    assert handle.result(PATIENCE).simulations >= 1
    host.close()


def test_closing_does_not_wait_for_a_compilation(compiling: Compiling) -> None:
    host = EngineHost(EngineOptions("connect4"), print)
    host.submit(request(ENDLESS))
    assert compiling.begun.wait(PATIENCE)
    began = time.monotonic()
    host.stop()
    host.close(patience=0.1)
    assert time.monotonic() - began < PATIENCE / 2
    compiling.may_end.set()


def test_pondering_has_no_limit_until_the_move_is_made(host: EngineHost) -> None:
    heard: list[int] = []
    handle = host.submit(
        request(SearchLimits(600), report_every=0.0),
        lambda found: heard.append(found.simulations),
        ponder=True,
    )
    while not heard or heard[-1] < 200:
        time.sleep(0.001)
        assert not handle.is_done
    pondered = heard[-1]
    handle.ponderhit()
    analysis = handle.result(PATIENCE)
    assert analysis.simulations >= pondered + 600 and heard == sorted(heard)
    assert analysis.visits >= analysis.simulations - 1  # nothing found was lost


def test_pondering_ends_when_it_is_stopped(host: EngineHost) -> None:
    _, may_end = blocked(host)
    handle = host.submit(request(SearchLimits(10**9)), ponder=True)
    handle.stop()
    handle.ponderhit()
    may_end.set()
    assert handle.result(PATIENCE).simulations >= 1


def test_seconds_on_a_clock_count_from_the_request(host: EngineHost) -> None:
    host.submit(request()).result(PATIENCE)
    _, may_end = blocked(host)
    limits = SearchLimits(seconds=0.05, on_clock=True)
    late = host.submit(request(limits))
    time.sleep(0.06)
    may_end.set()
    assert late.result(PATIENCE).seconds < 0.05
    assert host.submit(request(limits._replace(on_clock=False))).result(PATIENCE).seconds >= 0.04


def test_an_answer_waits_for_stop_or_ponderhit() -> None:
    for ponder, infinite in ((True, False), (False, True), (True, True)):
        handle = SearchHandle(ponder, infinite)
        waiter = threading.Thread(target=handle.wait_for_stop)
        waiter.start()
        if infinite:
            handle.ponderhit()
            assert waiter.is_alive()
            handle.stop()
        else:
            handle.ponderhit()
        waiter.join(PATIENCE)
        assert not waiter.is_alive()
    SearchHandle().wait_for_stop()


# -- games and engines -----------------------------------------------------------------------------


def test_an_engine_is_made_once_for_every_board(host: EngineHost, compiling: Compiling) -> None:
    game = host.game("connect4:rows=4,cols=5")
    assert host.game("connect4:rows=4,cols=5") is game
    other = host.variant(game, rows=5)
    assert other.parameters["rows"] == 5 and other.parameters["cols"] == 5
    assert host.variant(other, rows=4) is game
    assert host.engine(CONNECT4) is host.engine(CONNECT4) is not host.engine(TICTACTOE)
    assert len(compiling.made) == 2
    with pytest.raises(UserError):
        host.game("no such game")


def test_an_engine_may_be_made_in_the_background(compiling: Compiling) -> None:
    host = EngineHost(EngineOptions("connect4"), print)
    for _ in range(3):
        host.prepare(CONNECT4)
    assert compiling.begun.wait(PATIENCE)
    assert host.run(lambda handle: "not waiting").result(PATIENCE) == "not waiting"
    compiling.may_end.set()
    host.engine(CONNECT4)
    assert len(compiling.made) == 1


def test_an_error_in_the_background_shows_when_the_engine_is_needed(monkeypatch) -> None:
    def refuse(*arguments, **options) -> Engine:
        raise UserError("no such network")

    monkeypatch.setattr(engines, "make_engine", refuse)
    host = EngineHost(EngineOptions("connect4"), print)
    host.prepare(CONNECT4)
    with pytest.raises(UserError, match="network"):
        host.submit(request()).result(PATIENCE)
    host.close()


def test_other_options_make_other_engines(host: EngineHost, compiling: Compiling) -> None:
    before = host.engine(CONNECT4)
    host.configure(host.options)
    assert host.engine(CONNECT4) is before
    host.configure(EngineOptions("connect4", network="another"))
    assert host.engine(CONNECT4) is not before and compiling.made[-1].network == "another"


def test_limits_hold_for_all_engines(host: EngineHost, compiling: Compiling) -> None:
    engine = host.engine(CONNECT4)
    host.set_limits(simulations=33)
    assert engine.limits().simulations == 33 == host.options.simulations
    assert host.submit(request()).result(PATIENCE).simulations == 33
    host.engine(TICTACTOE)
    assert compiling.made[-1].simulations == 33


# -- failures --------------------------------------------------------------------------------------


class Failing(UniformEvaluator):
    """Fails once it is told to."""

    fails = False

    def evaluate(self, leaves: Leaves) -> Evaluation:
        if self.fails:
            raise RuntimeError("the device is lost")
        return super().evaluate(leaves)


@pytest.mark.slow
def test_on_a_board_that_the_network_is_not_for_another_plays(monkeypatch) -> None:
    """A network of five lines, whose layers depend on that, and a board of seven by five."""
    reports: list[str] = []
    five, wide = load("go:size=5"), load("go:width=7,height=5")

    def make(game, options: EngineOptions, report: Callable, keep_tree: bool) -> Engine:
        if options.network is not None and game is not five:
            raise UserError("net holds a network for go with size=5")
        source = options.network or "another network"
        return Engine(game, UniformEvaluator(game), source, simulations=20, keep_tree=keep_tree)

    def misfit(header: dict, game: Game) -> str | None:
        return None if game is five else "is for another board"

    monkeypatch.setattr(engines, "make_engine", make)
    monkeypatch.setattr(weights, "read_header", lambda path: {})
    monkeypatch.setattr(weights, "misfit", misfit)
    host = EngineHost(EngineOptions("go:size=5", network="net"), reports.append)
    assert host.engine(wide).source == "another network" and host.engine(five).source == "net"
    said = [line for line in reports if "plays instead" in line]
    assert said == [
        "net holds a network for go with size=5: on this board another network plays instead"
    ]
    monkeypatch.setattr(weights, "misfit", lambda header, game: "is damaged")
    with pytest.raises(UserError, match="holds a network"):
        host.engine(load("go:size=6"))
    host.close(PATIENCE)


@pytest.mark.parametrize(
    ("broken", "instead"), [({"second"}, "first"), ({"first", "second"}, "None"), (None, "rollout")]
)
def test_after_a_failure_plays_what_played_before(monkeypatch, broken, instead) -> None:
    """Networks become unusable while they play: all of them if `broken` is None."""
    made: dict[str, Failing] = {}
    told: list[str] = []

    def make(game, options: EngineOptions, report: Callable, keep_tree: bool) -> Engine:
        name = str(options.network)
        evaluator = made.setdefault(name, Failing(game))
        assert not evaluator.fails, "cannot be loaded any more"
        return Engine(game, evaluator, name, simulations=20, keep_tree=keep_tree)

    monkeypatch.setattr(engines, "make_engine", make)
    host = EngineHost(EngineOptions("connect4", network="first"), told.append)
    assert host.submit(request(SearchLimits(20, fresh=True))).result(PATIENCE).visits > 0
    host.run(lambda handle: host.configure(replace(host.options, network="second")))
    assert host.submit(request(SearchLimits(20, fresh=True))).result(PATIENCE).visits > 0
    for name in broken if broken is not None else ("first", "second", "None"):
        made.setdefault(name, Failing(CONNECT4)).fails = True
    told.clear()
    assert host.submit(request(SearchLimits(20, fresh=True))).result(PATIENCE).visits > 0
    (line,) = told
    assert "the device is lost" in line and f"{instead} plays instead" in line
    host.close(PATIENCE)
