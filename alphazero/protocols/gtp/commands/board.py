"""Commands that change the board: its size, komi, moves, handicap and setup stones."""

import itertools

from alphazero.errors import RequestError
from alphazero.protocols.gtp.arguments import SYNTAX_ERROR, Arguments, read_integer
from alphazero.protocols.gtp.session import Session

Point = tuple[int, int]  # row from the top, column


def boardsize(session: Session, arguments: Arguments) -> str:
    """Begin a game on another board: a size, or columns and rows, also as `19:13` (KataGo)."""
    columns, colon, rows = arguments.word().partition(":")
    if not colon:
        rows = arguments.peek() if arguments.peek().isdecimal() else columns
    try:
        session.state.resize(read_integer(columns), read_integer(rows))
    except RequestError as error:
        if error.__cause__ is not None:
            session.report(str(error.__cause__))
        raise
    session.begin_game()
    return ""


def clear_board(session: Session, arguments: Arguments) -> str:
    session.state.clear()
    session.begin_game()
    return ""


def komi(session: Session, arguments: Arguments) -> str:
    session.state.set_komi(arguments.number())
    return ""


# -- moves -----------------------------------------------------------------------------------------


def play(session: Session, arguments: Arguments) -> str:
    player, vertex = arguments.color(), arguments.word()
    session.state.play(player, session.state.read(vertex))
    return ""


def play_sequence(session: Session, arguments: Arguments) -> str:
    session.state.play_all(arguments.moves())
    return ""


def undo(session: Session, arguments: Arguments) -> str:
    if arguments:  # a number, which `gg-undo` takes and which would go unnoticed here
        raise RequestError(SYNTAX_ERROR)
    session.state.undo()
    return ""


def undo_several(session: Session, arguments: Arguments) -> str:
    session.state.undo(arguments.integer() if arguments else 1)
    return ""


# -- handicap --------------------------------------------------------------------------------------


def fixed_handicap(session: Session, arguments: Arguments) -> str:
    """Place stones on their usual points."""
    from alphazero.formats.handicap import handicap_points

    count, state = arguments.integer(), session.state
    require_empty(session)
    try:
        points = handicap_points(state.rows, state.columns, count)
    except ValueError as error:
        raise RequestError("invalid number of stones") from error
    return place(session, points)


def place_free_handicap(session: Session, arguments: Arguments) -> str:
    """Place stones where the engine chooses, perhaps fewer than asked for."""
    count, state = arguments.integer(), session.state
    if not 2 <= count < state.pass_action:
        raise RequestError("invalid number of stones")
    require_empty(session)
    return place(session, free_points(state.rows, state.columns, count))


def set_free_handicap(session: Session, arguments: Arguments) -> str:
    """Place stones where the controller chooses."""
    words, state = arguments.rest(), session.state
    if not words:
        raise RequestError(SYNTAX_ERROR)
    require_empty(session)
    points: list[Point] = []
    for word in words:
        try:
            action = state.read(word)
        except RequestError as error:
            raise RequestError("bad vertex list") from error
        if action is None or action == state.pass_action:
            raise RequestError("bad vertex list")
        points.append(divmod(action, state.columns))
    if not 2 <= len(points) < state.pass_action or len(set(points)) < len(points):
        raise RequestError("bad vertex list")
    place(session, points)
    return ""


def require_empty(session: Session) -> None:
    if session.state.board.any():
        raise RequestError("board not empty")


def place(session: Session, points: list[Point]) -> str:
    state = session.state
    state.place_handicap(points)
    return " ".join(state.name(row * state.columns + column) for row, column in points)


def free_points(rows: int, columns: int, count: int) -> list[Point]:
    """Choose points for up to `count` stones: the usual ones, then the point farthest from all
    others, as long as no two are neighbours."""
    from alphazero.formats.handicap import handicap_points, most_handicap

    usual = min(count, most_handicap(rows, columns))
    middle = rows // 2, columns // 2
    points = handicap_points(rows, columns, usual) if usual >= 2 else [middle]
    inside = [range(size)[1:-1] if size > 4 else range(size) for size in (rows, columns)]
    while len(points) < count:
        distances = {
            point: min(abs(point[0] - row) + abs(point[1] - column) for row, column in points)
            for point in itertools.product(*inside)
        }
        farthest = max(distances, key=lambda point: distances[point])
        if distances[farthest] < 2 and len(points) >= 2:
            break
        points.append((farthest[0], farthest[1]))
    return points


# -- setting up ------------------------------------------------------------------------------------


def set_position(session: Session, arguments: Arguments) -> str:
    """Begin a game from stones, given as colours and vertices (KataGo)."""
    session.state.set_up(session.state.read_stones(arguments.moves()), 0)
    session.begin_game()
    return ""


def setup(session: Session, arguments: Arguments) -> str:
    """Put stones on an empty board (GoGui)."""
    if session.state.moves:
        raise RequestError("board not empty")
    require_empty(session)
    return set_position(session, arguments)


def setup_player(session: Session, arguments: Arguments) -> str:
    """Choose the player to move after `gogui-setup` (GoGui)."""
    state, player = session.state, arguments.color()
    if state.moves:
        raise RequestError("moves have been made")
    state.set_up(state.board, player, state.handicap)
    return ""


COMMANDS = {
    "boardsize": boardsize,
    "clear_board": clear_board,
    "komi": komi,
    "play": play,
    "undo": undo,
    "gg-undo": undo_several,
    "gogui-play_sequence": play_sequence,
}
GO_COMMANDS = {
    "rectangular_boardsize": boardsize,
    "fixed_handicap": fixed_handicap,
    "place_free_handicap": place_free_handicap,
    "set_free_handicap": set_free_handicap,
    "set_position": set_position,
    "gogui-setup": setup,
    "gogui-setup_player": setup_player,
}
