"""GTP's commands that change the board, and those by which the engine moves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alphazero.engine.limits import SearchRequest
from alphazero.protocols.gtp.call import SYNTAX_ERROR, Call, GtpError, Handler

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis
    from alphazero.game import Position
    from alphazero.protocols.gtp.front import Front
    from alphazero.protocols.gtp.table import Table

RESIGN_SHARE = 0.03  # of the point, below which the engine thinks of giving up,
RESIGN_MOVES = 3  # when it is so for so many moves of its own
RESIGN_AFTER = 4  # and a move has been made for every so many points
CLEANUP_DISTANCE = 2  # from a dead stone, within which it is captured
NEVER = 1e9  # seconds


@dataclass
class Memory:
    """What is remembered from one move of the engine's to the next."""

    position: "Position | None" = None  # the last one that it has thought about
    thought: "Analysis | None" = None
    hopeless: list[int] = field(default_factory=lambda: [0, 0])  # moves in a row, by player


# -- the board -------------------------------------------------------------------------------------


def boardsize(front: "Front", call: Call) -> str:
    size = call.integer()
    front.table.resize(size)
    front.memory = Memory()
    front.table.prepare()
    return ""


def rectangular_boardsize(front: "Front", call: Call) -> str:
    columns, rows = call.integer(), call.integer()
    if columns != rows:
        raise GtpError("unacceptable size")
    front.table.resize(columns)
    front.memory = Memory()
    front.table.prepare()
    return ""


def clear_board(front: "Front", call: Call) -> str:
    front.table.clear()
    front.memory = Memory()
    return ""


def komi(front: "Front", call: Call) -> str:
    front.table.set_komi(call.number())
    return ""


def play(front: "Front", call: Call) -> str:
    player, text = call.color(), call.word()
    front.table.play(player, front.table.read(text))
    return ""


def undo(front: "Front", call: Call) -> str:
    if call.has_more:  # somebody wants to take back several moves, and would not have noticed
        raise GtpError(SYNTAX_ERROR)
    front.table.undo()
    return ""


def undo_several(front: "Front", call: Call) -> str:
    front.table.undo(call.integer() if call.has_more else 1)
    return ""


def play_sequence(front: "Front", call: Call) -> str:
    front.table.play_all(pairs(call))
    return ""


def set_position(front: "Front", call: Call) -> str:
    """KataGo's: these stones, given as colours and points, on an otherwise empty board."""
    front.table.set_up(stones(front.table, call), 0)
    front.memory = Memory()
    return ""


def pairs(call: Call) -> list[tuple[int, str]]:
    """All arguments as players and names of points."""
    found = []
    while call.has_more:
        found.append((call.color(), call.word()))
    return found


def stones(table: "Table", call: Call):
    """All arguments as a board, int8 [N, N]."""
    board = table.stones.board(table.game.position().start_state)
    for player, text in pairs(call):
        point = table.read(text)
        if point is None or point == table.pass_action:
            raise GtpError("illegal move")
        if board.flat[point]:
            raise GtpError(f"{text} is given twice")
        board.flat[point] = player + 1
    return board


# -- the engine's moves ----------------------------------------------------------------------------


def genmove(front: "Front", call: Call) -> str:
    return generate(front, call, call.color())


def genmove_cleanup(front: "Front", call: Call) -> str:
    """KGS's: no pass while dead stones of the opponent's are on the board."""
    player = call.color()
    return generate(front, call, player, only=cleanup_moves(front.table, player))


def reg_genmove(front: "Front", call: Call) -> str:
    """The move, without making it, and the same one whenever the position is the same."""
    table, player = front.table, call.color()
    position = table.turn(player)
    if position.is_over:
        return "pass"
    limits = table.engine.limits()._replace(temperature=0.0, fresh=True)
    thought = table.engine.analyze(SearchRequest(position, limits, seed=0), call.is_cancelled)
    return table.points.text(position, thought.action)


def generate(
    front: "Front",
    call: Call,
    player: int,
    *,
    progress: "Callable[[Analysis], None] | None" = None,
    every: float = NEVER,
    only: Sequence[int] | None = None,
    makes_move: bool = True,
    stop: Callable[[], bool] | None = None,
) -> str:
    """Have the engine think and, if it `makes_move`, move; `progress` hears of it every so many
    seconds and at the end. Returns the move as GTP names it, or `resign`."""
    table = front.table
    position = table.turn(player)
    if position.is_over or (table.is_passed_out and only is None):
        if makes_move and table.is_go:
            table.play(player, table.pass_action)
        return "pass"
    request = SearchRequest(
        position, table.limit(player, call.arrived), only=only, report_every=every
    )
    thought = table.engine.analyze(request, stop or call.is_cancelled, progress)
    if progress is not None:
        progress(thought)
    front.memory.position, front.memory.thought = position, thought
    if not makes_move:
        return table.points.text(position, thought.action)
    table.spend(player, call.arrived)
    if gives_up(front, player, thought):
        return "resign"
    text = table.points.text(position, thought.action)
    table.play(player, thought.action)
    return text


def gives_up(front: "Front", player: int, thought: "Analysis") -> bool:
    """Whether the engine resigns: when it has seen no hope for some moves, but never early in a
    game or in one with handicap."""
    table, hopeless = front.table, front.memory.hopeless
    hopeless[player] = hopeless[player] + 1 if thought.winrate(player) < RESIGN_SHARE else 0
    points = table.points.rows * table.points.columns
    is_late = len(table.moves) * RESIGN_AFTER >= points
    can = front.may_resign and table.is_go and is_late and not table.handicap
    return can and hopeless[player] >= RESIGN_MOVES


def cleanup_moves(table: "Table", player: int) -> list[int] | None:
    """The moves near dead stones of the opponent's, or all but the pass if there are none of these;
    None if there are no such stones."""
    import numpy as np

    from alphazero.engine.territory import estimate

    position = table.turn(player)
    if position.is_over:
        return None
    board = table.stones.board(position.state)
    near = estimate(position, table.engine.auxiliary).dead & (board == 2 - player)
    if not near.any():
        return None
    for _ in range(CLEANUP_DISTANCE):
        padded = np.pad(near, 1)
        near = near | padded[2:, 1:-1] | padded[:-2, 1:-1] | padded[1:-1, 2:] | padded[1:-1, :-2]
    moves = [action for action in position.legal_actions() if action != table.pass_action]
    return [action for action in moves if near.flat[action]] or moves or None


COMMANDS: dict[str, Handler] = {
    "boardsize": boardsize,
    "clear_board": clear_board,
    "komi": komi,
    "play": play,
    "genmove": genmove,
    "reg_genmove": reg_genmove,
    "undo": undo,
    "gg-undo": undo_several,
    "gogui-play_sequence": play_sequence,
}
GO_COMMANDS: dict[str, Handler] = {
    "rectangular_boardsize": rectangular_boardsize,
    "set_position": set_position,
    "kgs-genmove_cleanup": genmove_cleanup,
}
