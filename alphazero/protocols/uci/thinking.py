"""One `go`: what may be spent on it, and the answer.

A search that ponders goes on without a limit until the expected move has been made, and then, with
all it has found, as one that has to move in time.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alphazero.engine.analysis import Analysis
from alphazero.engine.engine import Engine
from alphazero.engine.limits import LEVELS, SearchLimits, SearchRequest
from alphazero.engine.options import SearchOptions
from alphazero.game import Position
from alphazero.protocols.uci.board import Board, searchable
from alphazero.protocols.uci.control import Control
from alphazero.protocols.uci.lines import Earlier, Telling, info_lines, statistics, texts
from alphazero.protocols.uci.options import Settings
from alphazero.protocols.uci.timing import seconds_to_think
from alphazero.protocols.uci.words import Go

if TYPE_CHECKING:
    from alphazero.arena.reference import Reference

REPORT_SECONDS = 0.25
LEAST_SECONDS = 0.001
MEGABYTE = 1 << 20
Send = Callable[[str], None]


class Answer(NamedTuple):
    """What `bestmove` says."""

    move: str = "(none)"
    ponder: str = ""  # the move that is expected in return

    def __str__(self) -> str:
        return f"bestmove {self.move}" + (f" ponder {self.ponder}" if self.ponder else "")


def without_search(board: Board, go: Go, send: Send) -> Answer | None:
    """The answer where there is nothing to search: no move, or none that matters. Else None."""
    position, legal = board.position, board.legal()
    wanted = legal if go.search_moves is None else wanted_moves(position, go, legal)
    if not legal:
        is_mate = board.pieces.in_check(position.state)
        send(f"info depth 0 score {'mate 0' if is_mate else 'cp 0'}")
    elif not wanted:
        send("info string no legal move among those to search")
    elif searchable(position) is None:
        send("info depth 0 score cp 0")
        return Answer(position.text(wanted[0]))
    else:
        return None
    return Answer()


def wanted_moves(position: Position, go: Go, legal: list[int]) -> list[int]:
    """Those of the moves named that are legal."""
    wanted = set()
    for text in go.search_moves or ():
        try:
            wanted.add(position.action(text))
        except ValueError:
            continue
    return sorted(wanted & set(legal))


def from_book(
    board: Board, reference: "Reference", settings: Settings, go: Go, seed: int
) -> Answer | None:
    """The opening book's move, where it is about a move to be made and the book has one."""
    is_study = go.infinite or go.ponder or go.mate or settings.flag("UCI_AnalyseMode")
    position = searchable(board.position)
    if is_study or go.search_moves is not None or position is None:
        return None
    move = reference.move(position, np.random.default_rng([seed, position.ply]))
    return None if move is None else Answer(position.text(move))


def search(
    board: Board,
    engine: Engine,
    reference: "Reference | None",
    settings: Settings,
    go: Go,
    control: Control,
    send: Send,
) -> Answer:
    """Search the board's position, telling what is found, and answer once that may be done."""
    position = searchable(board.position)
    assert position is not None, "there is something to search"
    only = None if go.search_moves is None else wanted_moves(position, go, board.legal())
    kept = None if reference is None else reference.only(position)
    if kept is not None:  # of the moves that may be made, those that the tables of endings advise
        only = sorted(set(kept) & set(only or kept)) or only
    engine.set_search_options(tuning(settings))
    telling = Telling(
        settings.integer("MultiPV"), settings.flag("UCI_ShowWDL"), settings.text("ScoreType")
    )
    earlier, hits = Earlier(), int(kept is not None)

    def tell(thought: Analysis) -> None:
        for line in info_lines(thought, position, telling, earlier, hits):
            send(line)

    def think(limit: SearchLimits, stop: Callable[[], bool]) -> Analysis:
        request = SearchRequest(
            position, limit, only=only, report_every=REPORT_SECONDS, continuations=0
        )
        return engine.analyze(request, stop, tell)

    thought = None
    if control.is_pondering:
        thought = think(SearchLimits(), lambda: not control.is_pondering)
        if not control.is_stopped:
            tell(thought)
            earlier = Earlier(thought.simulations, thought.seconds)
            thought = None
    if thought is None:
        limit = limit_of(go, position, engine, settings, control.arrived)
        thought = think(limit, lambda: control.is_stopped)
    if settings.flag("VerboseMoveStats"):
        for line in statistics(thought, position):
            send(line)
    tell(thought)
    chosen = next(line for line in thought.moves if line.action == thought.action)
    return Answer(*texts(position, chosen.pv[:2]))


def limit_of(
    go: Go, position: Position, engine: Engine, settings: Settings, arrived: float
) -> SearchLimits:
    """What a search may spend whose time began to run when time.perf_counter() was `arrived`."""
    level = settings.integer("Level")
    is_analysis = go.infinite or settings.flag("UCI_AnalyseMode")
    limit = SearchLimits(temperature=0.0 if is_analysis else settings.number("Temperature"))
    if go.infinite:
        return limit
    if level and not is_analysis:
        weaker = LEVELS[level]
        limit = SearchLimits(weaker.simulations, temperature=weaker.temperature, fresh=True)
    counts = [limit.simulations, settings.integer("MaxNodes"), go.nodes]
    limit = limit._replace(
        simulations=min((max(count, 1) for count in counts if count), default=None),
        depth=go.depth,
        solve=go.mate is not None,
    )
    overhead = settings.integer("Move Overhead") / 1000
    seconds = seconds_to_think(go, position.to_play, position.ply // 2, overhead)
    usual = engine.limits(full_strength=True).seconds  # what the command line says
    if seconds is None:
        is_limited = not limit.is_endless
        return limit if is_limited or usual is None else limit._replace(seconds=usual)
    if usual is not None:
        seconds = min(seconds, usual)
    seconds = max(seconds - (time.perf_counter() - arrived), LEAST_SECONDS)
    settle = 0.0 if go.move_time is not None else settings.number("SmartPruningFactor")
    return limit._replace(seconds=seconds, settle=settle)


def tuning(settings: Settings) -> SearchOptions:
    """How the search is to go about it."""
    return SearchOptions(
        None if settings.is_default("CPuct") else settings.number("CPuct"),
        None if settings.is_default("FpuValue") else settings.number("FpuValue"),
        settings.integer("MinibatchSize") or None,
        settings.integer("RamLimitMb") * MEGABYTE,
    )
