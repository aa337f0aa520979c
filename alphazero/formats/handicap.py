"""Handicap stones on their usual points."""

from alphazero.game import Game, Position

HANDICAP_KOMI = 0.5  # the default in a handicap game: it decides draws


def most_handicap(rows: int, columns: int) -> int:
    """Return the most handicap stones with usual points on a board, perhaps 0.

    After the specification of the Go Text Protocol, version 2, section 4.1.1, which is about square
    boards; on others each side is treated as there.
    """
    if min(rows, columns) < 7:
        return 0
    has_middle = rows % 2 and columns % 2 and min(rows, columns) > 7
    return 9 if has_middle else 4


def handicap_points(rows: int, columns: int, count: int) -> list[tuple[int, int]]:
    """List the usual points of `count` stones as (row, column), row 0 on top, in the order of the
    Go Text Protocol. Raises ValueError if there are none."""
    most = most_handicap(rows, columns)
    if not 2 <= count <= most:
        allowed = f"2 to {most}" if most else "no"
        raise ValueError(f"{allowed} handicap stones on a board of {columns}x{rows}, not {count}")
    bottom, middle, top = _lines(rows)
    left, center, right = _lines(columns)
    # (line from below, column): the corners, then pairs, and the middle if the count is odd.
    points = [(bottom, left), (top, right), (top, left), (bottom, right)][:count]
    if count >= 6:
        points += [(middle, left), (middle, right)]
    if count >= 8:
        points += [(bottom, center), (top, center)]
    if count >= 5 and count % 2:
        points.append((middle, center))
    return [(rows - 1 - line, column) for line, column in points]


def _lines(size: int) -> tuple[int, int, int]:
    """The low, middle and high line of a side."""
    low = 2 if size < 13 else 3
    return low, size // 2, size - 1 - low


def handicap_position(game: Game, count: int) -> Position:
    """Make the initial position with `count` stones of the first player's on the usual points and
    the second player to move. Raises ValueError."""
    stones = game.stones
    if stones is None:
        raise ValueError(f"there is no handicap in {game.title}")
    state = game.position().start_state.copy()
    board = stones.board(state)
    rows, columns = board.shape
    for point in handicap_points(rows, columns, count):
        board[point] = 1
    stones.set_up(state, board, 1)
    stones.set_handicap(state, count)
    return Position(game, state)
