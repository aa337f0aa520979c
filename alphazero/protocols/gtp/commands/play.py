"""Commands with which the engine moves, and those about its clocks."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from alphazero.engine.clock import KINDS, canadian, named_control
from alphazero.engine.limits import Restriction, SearchLimits, SearchRequest
from alphazero.errors import RequestError
from alphazero.protocols.gtp.arguments import SYNTAX_ERROR, Arguments, read_number
from alphazero.protocols.gtp.session import LastSearch, Session

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis
    from alphazero.game import Position

NEVER = 1e9  # seconds
GLANCE = SearchLimits(16)  # for a report on a position in which the move is known
KGS_TIME_SYSTEMS = ("none", "absolute", "byoyomi", "canadian")


def genmove(session: Session, arguments: Arguments) -> str:
    return generate(session, arguments.color())


def genmove_cleanup(session: Session, arguments: Arguments) -> str:
    """Move, but do not pass while dead stones of the opponent are on the board (KGS)."""
    player = arguments.color()
    return generate(session, player, only=cleanup_moves(session, player))


def reg_genmove(session: Session, arguments: Arguments) -> str:
    """Choose a move without making it, always the same one for the same position."""
    position = session.state.to_move(arguments.color())
    if position.is_over:
        return "pass"
    reason, only = pass_answer(session, position)
    if reason:
        return "pass"
    limits = session.engine.limits()._replace(temperature=0.0, fresh=True)
    analysis = session.search(SearchRequest(position, limits, only, seed=0))
    return session.state.vertices.text(position, analysis.action)


def generate(
    session: Session,
    player: int,
    *,
    on_info: "Callable[[Analysis], None] | None" = None,
    report_every: float = NEVER,
    only: Sequence[int] | None = None,
    restrictions: Sequence[Restriction] = (),
    makes_move: bool = True,
    ownership: bool = False,
) -> str:
    """Search and, if `makes_move`, move; returns the vertex, or `resign`.

    `on_info` is called every `report_every` seconds, and at the end. A pass is answered as
    `engine/passing.py` says, unless the moves are restricted to `only` some.
    """
    state = session.state
    position = state.to_move(player)
    if position.is_over or (state.is_passed_out and only is None):
        if makes_move and state.is_go:
            state.play(player, state.pass_action)
        return "pass"
    hurried = hurried_move(session, position) if makes_move else None
    if hurried is not None:
        session.spend_time(player)
        state.play(player, hurried)
        return state.vertices.text(position, hurried)
    if only is None and not restrictions:
        reason, only = pass_answer(session, position)
        if reason:
            if on_info is not None:
                on_info(session.search(SearchRequest(position, GLANCE)))
            if makes_move:
                session.spend_time(player)
                state.play(player, state.pass_action)
                name = state.game.players[player].capitalize()
                session.last_decision = f"{name} passes: {reason}"
            return "pass"
    request = SearchRequest(
        position,
        session.move_limits(player),
        only=only,
        restrictions=restrictions,
        report_every=report_every,
        ownership=ownership,
    )
    analysis = session.search(request, on_info)
    if on_info is not None:
        on_info(analysis)
    if state.is_go and only is None and not restrictions:
        analysis = spare_territory(session, analysis, position)
    session.last_decision = LastSearch(position, analysis)
    vertex = state.vertices.text(position, analysis.action)
    if not makes_move:
        return vertex
    session.spend_time(player)
    if resigns(session, analysis):
        return "resign"
    state.play(player, analysis.action)
    return vertex


def hurried_move(session: Session, position: "Position") -> int | None:
    """Choose a move without a search if the clock would run out before there is an engine."""
    from alphazero.engine.first_look import NAMED, first_look, patience

    clocks, waited = session.state.clocks, time.perf_counter() - session.reply.handle.started
    if not clocks:
        return None
    left = clocks[position.to_play].until_flag - waited
    if session.host.is_ready_within(position.game, patience(left)):
        return None
    session.report(NAMED)
    name = position.game.players[position.to_play].capitalize()
    session.last_decision = f"{name} moves without a search: {NAMED}"
    return first_look(position)


def pass_answer(session: Session, position: "Position") -> tuple[str, list[int] | None]:
    """Find the reason for the player to move to answer a pass of the opponent's with a pass, empty
    for none, and the moves to choose from otherwise, None for all."""
    state = session.state
    answers = state.is_go and state.moves[-1:] == [(1 - position.to_play, state.pass_action)]
    if not answers:
        return "", None
    from alphazero.engine.passing import answer_to_pass

    seconds = session.move_limits(position.to_play).seconds
    return answer_to_pass(session.engine, position, seconds)


def spare_territory(session: Session, analysis: "Analysis", position: "Position") -> "Analysis":
    """Pass instead of filling one's own territory, where that costs a point."""
    if session.state.rules.terms.scoring == "area":
        return analysis
    from alphazero.engine.passing import without_waste

    seconds = session.move_limits(position.to_play).seconds
    return without_waste(session.engine, position, analysis, seconds)


def resigns(session: Session, analysis: "Analysis") -> bool:
    """Apply the engine's rule of resignation. Games without stones are played to their end."""
    state, player = session.state, analysis.to_play
    should_resign = session.resignation.should_resign(
        player, analysis.winrate(player), len(state.moves), state.pass_action, state.handicap
    )
    return should_resign and session.may_resign and state.is_go


def cleanup_moves(session: Session, player: int) -> list[int] | None:
    """List the moves to capture dead stones of the opponent's with; None without such stones."""
    from alphazero.engine.passing import capturing_moves

    position = session.state.to_move(player)
    if position.is_over:
        return None
    return capturing_moves(position, session.engine.judge(position))


# -- clocks: without them the engine's own limits hold ---------------------------------------------


def time_settings(session: Session, arguments: Arguments) -> str:
    main, overtime, stones = arguments.number(), arguments.number(), arguments.integer()
    if main < 0 or overtime < 0:
        raise RequestError(SYNTAX_ERROR)
    session.state.set_time_control(canadian(main, overtime, stones))
    return ""


def time_left(session: Session, arguments: Arguments) -> str:
    """Correct a clock, perhaps to below zero. Without a time limit it is ignored."""
    player, seconds, count = arguments.color(), arguments.number(), arguments.integer()
    if session.state.clocks:
        session.state.clocks[player].correct(seconds, count)
    return ""


def kgs_time_settings(session: Session, arguments: Arguments) -> str:
    if arguments.peek() not in KGS_TIME_SYSTEMS:
        raise RequestError(SYNTAX_ERROR)
    return named_time_settings(session, arguments)


def named_time_settings(session: Session, arguments: Arguments) -> str:
    kind = arguments.word()
    values = [read_number(word) for word in arguments.rest()]
    try:
        session.state.set_time_control(named_control(kind, values))
    except ValueError as error:
        raise RequestError(f"{SYNTAX_ERROR}: {error}") from error
    return ""


def list_time_settings(session: Session, arguments: Arguments) -> str:
    return " ".join(KINDS)


COMMANDS = {
    "genmove": genmove,
    "reg_genmove": reg_genmove,
    "time_settings": time_settings,
    "time_left": time_left,
    "kgs-time_settings": kgs_time_settings,
    "kata-time_settings": named_time_settings,
    "kata-list_time_settings": list_time_settings,
}
GO_COMMANDS = {"kgs-genmove_cleanup": genmove_cleanup}
