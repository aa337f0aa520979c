"""Handicap stones on their usual points."""

from alphazero.game import Game, Position

HANDICAP_KOMI = 0.5  # the default in a handicap game: it decides draws


def most_handicap(size: int) -> int:
    """Return the most handicap stones with usual points on a board of size x size, perhaps 0.

    After the specification of the Go Text Protocol, version 2, section 4.1.1.
    """
    if size < 7:
        return 0
    return 9 if size % 2 and size > 7 else 4


def handicap_points(size: int, count: int) -> list[tuple[int, int]]:
    """List the usual points of `count` stones as (row, column), row 0 on top, in the order of the
    Go Text Protocol. Raises ValueError if there are none."""
    most = most_handicap(size)
    if not 2 <= count <= most:
        allowed = f"2 to {most}" if most else "no"
        raise ValueError(f"{allowed} handicap stones on a board of {size}x{size}, not {count}")
    low = 2 if size < 13 else 3
    middle, high = size // 2, size - 1 - low
    # (line from below, column): the corners, then pairs, and the middle if the count is odd.
    points = [(low, low), (high, high), (high, low), (low, high)][:count]
    if count >= 6:
        points += [(middle, low), (middle, high)]
    if count >= 8:
        points += [(low, middle), (high, middle)]
    if count >= 5 and count % 2:
        points.append((middle, middle))
    return [(size - 1 - line, column) for line, column in points]


def handicap_position(game: Game, count: int) -> Position:
    """Make the initial position with `count` stones of the first player's on the usual points and
    the second player to move. Raises ValueError."""
    stones = game.stones
    if stones is None:
        raise ValueError(f"there is no handicap in {game.title}")
    state = game.position().start_state.copy()
    board = stones.board(state)
    for point in handicap_points(len(board), count):
        board[point] = 1
    stones.set_up(state, board, 1)
    stones.set_handicap(state, count)
    return Position(game, state)
