"""Any board game in GoGui: what it asks an engine whose game is not Go (gogui-rules_*).

GoGui shows the board that the engine describes and lets people make the moves that it lists.
"""

from typing import TYPE_CHECKING

from alphazero.protocols.gtp.call import Call, Handler

if TYPE_CHECKING:
    from alphazero.protocols.gtp.front import Front

SIDES = ("black", "white")  # as GoGui calls the first player and the second


def game_id(front: "Front", call: Call) -> str:
    """The game's name as one word: a capital letter, then small ones."""
    return "".join(filter(str.isalpha, front.table.game.title)).capitalize()


def board(front: "Front", call: Call) -> str:
    from alphazero.protocols.gtp.points import cells

    return "\n".join(" ".join(row) for row in cells(front.table.position))


def board_size(front: "Front", call: Call) -> str:
    """One number for a square board, else its columns and rows."""
    points = front.table.points
    if points.rows == points.columns:
        return str(points.columns)
    return f"{points.columns} {points.rows}"


def legal_moves(front: "Front", call: Call) -> str:
    """The legal moves; none once the game is over."""
    table = front.table
    position = table.position
    return " ".join(table.points.text(position, action) for action in position.legal_actions())


def side_to_move(front: "Front", call: Call) -> str:
    return SIDES[front.table.position.to_play]


def final_result(front: "Front", call: Call) -> str:
    outcome = front.table.position.outcome()
    if outcome is None:
        return "unknown"
    return "draw" if outcome.winner is None else SIDES[outcome.winner]


COMMANDS: dict[str, Handler] = {
    "gogui-rules_game_id": game_id,
    "gogui-rules_board": board,
    "gogui-rules_board_size": board_size,
    "gogui-rules_legal_moves": legal_moves,
    "gogui-rules_side_to_move": side_to_move,
    "gogui-rules_final_result": final_result,
}
