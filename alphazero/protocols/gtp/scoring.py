"""GTP's commands about the end of a game: who has won, which stones are dead.

By Tromp-Taylor rules every stone on the board counts as alive. By the others people agree on dead
stones, and the engine says what it thinks of them.
"""

from typing import TYPE_CHECKING

from alphazero.protocols.gtp.call import SYNTAX_ERROR, Call, GtpError, Handler

if TYPE_CHECKING:
    import numpy as np

    from alphazero.protocols.gtp.front import Front
    from alphazero.protocols.gtp.table import Table

STATUSES = ("alive", "seki", "dead")
ALL_ALIVE = "tromp-taylor"  # the rules that know no dead stones


def final_score(front: "Front", call: Call) -> str:
    """The score of the board as it is or, in games without points, the result."""
    table = front.table
    if table.is_go:
        return written(table.stones.score(table.position.state, dead_stones(table)))
    outcome = table.position.outcome()
    if outcome is None:
        raise GtpError("cannot score")
    return written(0.0 if outcome.winner is None else 1.0 - 2 * outcome.winner)


def written(score: float) -> str:
    """A score for Black as GTP writes it."""
    if score == 0:
        return "0"
    return f"{'B' if score > 0 else 'W'}+{abs(score):g}"


def final_status_list(front: "Front", call: Call) -> str:
    """The chains with a status, one a line. Stones in seki count, and are listed, as alive."""
    from alphazero.engine.territory import chains

    status, table = call.word(), front.table
    if status not in STATUSES:
        raise GtpError(SYNTAX_ERROR)
    board = table.stones.board(table.position.state)
    if status == "seki" or not board.any():
        return ""
    dead = dead_stones(table)
    lines = [
        " ".join(
            table.points.text(table.position, row * table.size + column) for row, column in chain
        )
        for chain in chains(board)
        if (dead is not None and bool(dead[chain[0]])) == (status == "dead")
    ]
    return "\n".join(lines)


def dead_stones(table: "Table") -> "np.ndarray | None":
    """The dead stones, bool [N, N]; None where none can be."""
    from alphazero.engine.territory import estimate

    if table.rules.name == ALL_ALIVE or not table.stones.board(table.position.state).any():
        return None
    return estimate(table.position, table.engine.auxiliary).dead


COMMANDS: dict[str, Handler] = {"final_score": final_score}
GO_COMMANDS: dict[str, Handler] = {"final_status_list": final_status_list}
