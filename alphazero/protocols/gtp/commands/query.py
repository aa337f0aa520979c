"""Commands that ask about the board, the result and the engine."""

from typing import TYPE_CHECKING

from alphazero.errors import RequestError
from alphazero.protocols.gtp.arguments import SYNTAX_ERROR, Arguments
from alphazero.protocols.gtp.session import Session

if TYPE_CHECKING:
    import numpy as np

    from alphazero.engine.judge import Judgement

COLOR_NAMES = ("black", "white")
PV_MOVES = 12  # shown of an expected line
STATUSES = ("alive", "seki", "dead")


# -- the board -------------------------------------------------------------------------------------


def showboard(session: Session, arguments: Arguments) -> str:
    """Draw the board, with captures and the last move, from the second line on."""
    state = session.state
    position, names = state.position, [name.capitalize() for name in state.game.players]
    lines = ["", position.render(), f"{names[position.to_play]} to move"]
    if state.is_go:
        captures = state.stones.captures(position.state)
        lines[-1] += f", komi {state.komi:g}, {state.rules} rules"
        lines.append(f"captured by {names[0]} (X): {captures[0]}, by {names[1]} (O): {captures[1]}")
        if state.handicap:
            lines.append(f"handicap: {state.handicap} stones")
    if history := moves_made(session):
        lines.append(f"last move: {history[-1]}, move {len(history)}")
    return "\n".join(lines)


def moves_made(session: Session) -> list[str]:
    """List all moves as colour and vertex, the oldest first."""
    return [f"{COLOR_NAMES[player]} {name}" for player, name in session.state.move_names()]


def last_move(session: Session, arguments: Arguments) -> str:
    history = moves_made(session)
    if not history:
        raise RequestError("no previous move known")
    return history[-1]


def move_history(session: Session, arguments: Arguments) -> str:
    """List all moves, the newest first."""
    return "\n".join(reversed(moves_made(session)))


def is_legal(session: Session, arguments: Arguments) -> str:
    player, vertex = arguments.color(), arguments.word()
    action = session.state.read(vertex)
    if action is None:
        return "0"
    position = session.state.to_move(player)
    return str(int(position.is_legal(action) or (position.is_over and vertex.lower() == "pass")))


def all_legal(session: Session, arguments: Arguments) -> str:
    """List the points where a player may move, without the pass."""
    position = session.state.to_move(arguments.color())
    vertices = session.state.vertices
    names = [vertices.text(position, action) for action in position.legal_actions()]
    return " ".join(name for name in names if name != "pass")


def list_stones(session: Session, arguments: Arguments) -> str:
    state, player = session.state, arguments.color()
    points = (state.board == player + 1).ravel().nonzero()[0].tolist()
    return " ".join(map(state.name, points))


def query_boardsize(session: Session, arguments: Arguments) -> str:
    """Write the size of a square board, else columns and rows."""
    rows, columns = session.state.rows, session.state.columns
    return f"{columns}" if rows == columns else f"{columns} {rows}"


def get_komi(session: Session, arguments: Arguments) -> str:
    return f"{session.state.komi:g}"


# -- the result ------------------------------------------------------------------------------------


def final_score(session: Session, arguments: Arguments) -> str:
    """Score the board with dead stones removed; for games without points, give the result."""
    from alphazero.formats.sgf import result_text

    state = session.state
    if state.is_go:
        return go_score(session)
    outcome = state.position.outcome()
    if outcome is None:
        raise RequestError("cannot score")
    return result_text(0.0 if outcome.winner is None else 1.0 - 2 * outcome.winner)


def go_score(session: Session) -> str:
    """Score a game of Go with dead stones removed, as `B+3.5`."""
    from alphazero.formats.sgf import result_text

    state = session.state
    return result_text(state.stones.score(state.position.state, dead_stones(session)))


def final_status_list(session: Session, arguments: Arguments) -> str:
    """List the chains of a status, one per line; those in seki are not listed as alive."""
    from alphazero.engine.territory import chains

    status, state = arguments.word(), session.state
    if status not in STATUSES:
        raise RequestError(SYNTAX_ERROR)
    judgement = judge(session)

    def status_of(row: int, column: int) -> str:
        if judgement is None:
            return "alive"
        if judgement.dead[row, column]:
            return "dead"
        return "seki" if judgement.seki[row, column] else "alive"

    return "\n".join(
        " ".join(state.name(row * state.columns + column) for row, column in chain)
        for chain in chains(state.board)
        if status_of(*chain[0]) == status
    )


def dead_stones(session: Session) -> "np.ndarray | None":
    """The dead stones, bool [H, W]; None where none can be."""
    judgement = judge(session)
    return None if judgement is None else judgement.dead


def judge(session: Session) -> "Judgement | None":
    """Judge the position; None under rules by which all stones are alive, and on an empty board."""
    state = session.state
    if not session.removes_dead or not state.board.any():
        return None
    return session.engine.judge(state.position)


# -- the engine ------------------------------------------------------------------------------------


def explain_last_move(session: Session, arguments: Arguments) -> str:
    """Describe the search of the engine's last move, or why it has passed without one."""
    last = session.last_decision
    if last is None or isinstance(last, str):
        return last or ""
    analysis, state = last.analysis, session.state
    name = state.game.players[analysis.to_play].capitalize()
    pv = state.vertices.texts(last.position, analysis.moves[0].pv[:PV_MOVES])
    return (
        f"{name} wins {100 * analysis.winrate(analysis.to_play):.1f} % of"
        f" {analysis.simulations} simulations, {analysis.speed:.0f}/s;"
        f" line: {' '.join(pv)}"
    )


def describe_engine(session: Session, arguments: Arguments) -> str:
    options, state = session.options, session.state
    lines = [f"{options.name} {options.version}", f"game: {state.game.spec}"]
    if state.is_go:
        lines.append(f"komi {state.komi:g}, {state.rules} rules")
    return "\n".join(
        [
            *lines,
            f"playing with {session.engine.name}",
            f"seed: {options.engine.seed}",
        ]
    )


def clear_cache(session: Session, arguments: Arguments) -> str:
    session.engine.forget()
    return ""


COMMANDS = {
    "showboard": showboard,
    "last_move": last_move,
    "move_history": move_history,
    "is_legal": is_legal,
    "all_legal": all_legal,
    "query_boardsize": query_boardsize,
    "final_score": final_score,
    "gomill-explain_last_move": explain_last_move,
    "gomill-describe_engine": describe_engine,
    "clear_cache": clear_cache,
}
GO_COMMANDS = {
    "list_stones": list_stones,
    "get_komi": get_komi,
    "final_status_list": final_status_list,
}
