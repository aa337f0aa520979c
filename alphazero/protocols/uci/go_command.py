"""The command `go`: answered by rule, from the book or by a search, within its limits."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from alphazero.arena.level import level_of
from alphazero.engine.analysis import Analysis
from alphazero.engine.clock import Clock, TimeControl
from alphazero.engine.host import EngineHost, SearchHandle
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.engine.options import SearchOptions
from alphazero.game import Position
from alphazero.protocols.uci.board import Board, searchable
from alphazero.protocols.uci.codec import (
    Go,
    InfoStyle,
    bestmove,
    info_lines,
    move_stats,
    move_texts,
)
from alphazero.protocols.uci.options import Settings

if TYPE_CHECKING:
    from alphazero.arena.reference import Reference

REPORT_SECONDS = 0.25
MEGABYTE = 1 << 20
LONGEST_MOVE = 300.0  # seconds searched with days on the clock, unless a person allows more
USUAL_MOVES = 45  # of one player in a game
FEWEST_MOVES = 20  # still to come that are planned for, however long a game has lasted
RESERVE_MOVES = 0.3  # saved for when more time is added only after so many moves
MILLISECONDS = 1000
Send = Callable[[str], None]


def without_search(board: Board, go: Go, send: Send) -> str | None:
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
        return bestmove(position.text(wanted[0]))
    else:
        return None
    return bestmove()


def wanted_moves(position: Position, go: Go, legal: list[int]) -> list[int]:
    """The legal moves among those named."""
    wanted = set()
    for text in go.search_moves or ():
        try:
            wanted.add(position.action(text))
        except ValueError:
            continue
    return sorted(wanted & set(legal))


def from_book(
    board: Board, reference: "Reference", settings: Settings, go: Go, seed: int
) -> str | None:
    """The answer from the opening book; None for an analysis, or where the book has no move."""
    is_analysis = go.infinite or go.ponder or go.mate or settings.flag("UCI_AnalyseMode")
    position = searchable(board.position)
    if is_analysis or go.search_moves is not None or position is None:
        return None
    move = reference.move(position, np.random.default_rng([seed, position.ply]))
    return None if move is None else bestmove(position.text(move))


def search(
    host: EngineHost,
    board: Board,
    reference: "Reference | None",
    settings: Settings,
    go: Go,
    handle: SearchHandle[None],
    send: Send,
) -> str:
    """Search the board's position, sending `info` lines, and return the answer."""
    position = searchable(board.position)
    assert position is not None, "without_search has answered"
    engine = host.engine(board.game)
    engine.use_reference(reference)
    engine.set_search_options(search_options(settings))
    only = None if go.search_moves is None else wanted_moves(position, go, board.legal())
    ending = None if reference is None else reference.ending(position)
    if ending is not None:  # the moves that keep the result, by the endgame tables
        only = sorted(set(ending.actions) & set(only or ending.actions)) or only
        if not ending.has_distance:
            send("info string no .rtbz table: its moves keep the result, but progress is searched")
    style = InfoStyle(
        settings.integer("MultiPV"), settings.flag("UCI_ShowWDL"), settings.text("ScoreType")
    )

    def send_info(analysis: Analysis) -> None:
        for line in info_lines(analysis, position, style, table_hits=int(ending is not None)):
            send(line)

    usual_seconds = engine.limits(full_strength=True).seconds
    request = SearchRequest(
        position,
        limits_of(go, position, settings, usual_seconds),
        only=only,
        report_every=REPORT_SECONDS,
        continuations=0,
    )
    analysis = host.search(request, handle, send_info)
    if settings.flag("VerboseMoveStats"):
        for line in move_stats(analysis, position):
            send(line)
    send_info(analysis)
    chosen = next(move for move in analysis.moves if move.action == analysis.action)
    return bestmove(*move_texts(position, chosen.pv[:2]))


def limits_of(
    go: Go, position: Position, settings: Settings, usual_seconds: float | None = None
) -> SearchLimits:
    """The limits of a search, by the command, the options, and the usual seconds for a move."""
    level = settings.level
    is_analysis = go.infinite or settings.flag("UCI_AnalyseMode")
    limits = SearchLimits(temperature=0.0 if is_analysis else settings.number("Temperature"))
    if go.infinite:
        return limits
    if level and not is_analysis:
        weaker = level_of(level, position.game.name)
        limits = SearchLimits(weaker.simulations, level=weaker, fresh=True)
    counts = [limits.simulations, settings.integer("MaxNodes"), go.nodes]
    limits = limits._replace(
        simulations=min((max(count, 1) for count in counts if count), default=None),
        depth=go.depth,
        solve=go.mate is not None,
    )
    overhead = settings.integer("Move Overhead") / MILLISECONDS
    seconds = seconds_for_move(go, position.to_play, position.ply // 2, overhead)
    if seconds is None:
        return limits._replace(seconds=usual_seconds) if limits.is_endless else limits
    if usual_seconds is not None:
        seconds = min(seconds, usual_seconds)
    elif go.move_time is None:
        seconds = min(seconds, LONGEST_MOVE)
    settle = 0.0 if go.move_time is not None else settings.number("SmartPruningFactor")
    return limits._replace(seconds=seconds, settle=settle, on_clock=True)


def seconds_for_move(go: Go, player: int, moves_made: int, overhead: float) -> float | None:
    """Seconds for this player's next move after so many of its own; None if no time is given.

    `overhead` seconds are lost on every move between the two programs.
    """
    increment = 0 if go.increment is None else go.increment[player]
    left = clock_of(go, player)
    per_move = go.move_time
    if per_move is None and left is None and go.increment is not None:
        per_move = increment  # all that is known of the clock
    if per_move is not None:
        control = TimeControl(0, overtime=per_move / MILLISECONDS, periods=1)
        return Clock(control).seconds(1, overhead)
    if left is None:
        return None
    control = TimeControl(left, increment / MILLISECONDS)
    to_go = max(USUAL_MOVES - moves_made, FEWEST_MOVES)
    if go.moves_to_go is not None:
        to_go = min(go.moves_to_go + RESERVE_MOVES, to_go)
    return Clock(control).seconds(to_go, overhead)


def clock_of(go: Go, player: int) -> float | None:
    """Seconds on the clock of the player to move; None without one."""
    # Some programs send only the clock that runs.
    left = go.time[player] if go.time[player] is not None else go.time[1 - player]
    return None if left is None else left / MILLISECONDS


def search_options(settings: Settings) -> SearchOptions:
    """The parameters of the search; those left at their defaults are the engine's."""
    return SearchOptions(
        None if settings.is_default("CPuct") else settings.number("CPuct"),
        None if settings.is_default("FpuValue") else settings.number("FpuValue"),
        settings.integer("MinibatchSize") or None,
        settings.integer("RamLimitMb") * MEGABYTE,
    )
