"""GTP's three ways to begin a game with handicap."""

import itertools
from typing import TYPE_CHECKING

from alphazero.protocols.gtp.call import SYNTAX_ERROR, Call, GtpError, Handler

if TYPE_CHECKING:
    from alphazero.protocols.gtp.front import Front
    from alphazero.protocols.gtp.table import Table

Point = tuple[int, int]  # row from the top, column


def fixed_handicap(front: "Front", call: Call) -> str:
    """Stones on their usual points."""
    from alphazero.formats.handicap import handicap_points

    count, table = call.integer(), front.table
    require_empty(table)
    try:
        points = handicap_points(table.size, count)
    except ValueError as error:
        raise GtpError("invalid number of stones") from error
    return place(table, points)


def place_free_handicap(front: "Front", call: Call) -> str:
    """Stones where the engine likes them, perhaps fewer than wanted."""
    count, table = call.integer(), front.table
    if not 2 <= count < table.size**2:
        raise GtpError("invalid number of stones")
    require_empty(table)
    return place(table, free_points(table.size, count))


def set_free_handicap(front: "Front", call: Call) -> str:
    """Stones where the opponent likes them."""
    words, table = call.rest(), front.table
    if not words:
        raise GtpError(SYNTAX_ERROR)
    require_empty(table)
    points: list[Point] = []
    for word in words:
        try:
            action = table.read(word)
        except GtpError as error:
            raise GtpError("bad vertex list") from error
        if action is None or action == table.pass_action:
            raise GtpError("bad vertex list")
        points.append(divmod(action, table.size))
    if not 2 <= len(points) < table.size**2 or len(set(points)) < len(points):
        raise GtpError("bad vertex list")
    place(table, points)
    return ""


def require_empty(table: "Table") -> None:
    if table.stones.board(table.position.state).any():
        raise GtpError("board not empty")


def place(table: "Table", points: list[Point]) -> str:
    """Set up these stones of Black's, with White to move; returns their names."""
    board = table.stones.board(table.game.position().start_state)
    for point in points:
        board[point] = 1
    table.set_up(board, 1, handicap=len(points))
    return " ".join(table.points.text(table.position, row * table.size + column)
                    for row, column in points)  # fmt: skip


def free_points(size: int, count: int) -> list[Point]:
    """Points for so many stones: the usual ones and, beyond these, those that are farthest from
    all others, as long as none are neighbours."""
    from alphazero.formats.handicap import handicap_points, most_handicap

    usual = min(count, most_handicap(size))
    points = handicap_points(size, usual) if usual >= 2 else [(size // 2, size // 2)]
    edge = 1 if size > 4 else 0
    inside = range(edge, size - edge)
    while len(points) < count:
        distances = {
            point: min(abs(point[0] - row) + abs(point[1] - column) for row, column in points)
            for point in itertools.product(inside, inside)
        }
        farthest = max(distances, key=lambda point: distances[point])
        if distances[farthest] < 2 and len(points) >= 2:
            break
        points.append(farthest)
    return points


GO_COMMANDS: dict[str, Handler] = {
    "fixed_handicap": fixed_handicap,
    "place_free_handicap": place_free_handicap,
    "set_free_handicap": set_free_handicap,
}
