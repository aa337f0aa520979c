"""GTP's commands that look at the board and the engine; most of them are GNU Go's and gomill's."""

from typing import TYPE_CHECKING

from alphazero.protocols.gtp.call import Call, GtpError, Handler

if TYPE_CHECKING:
    from alphazero.protocols.gtp.front import Front

COLOR_NAMES = ("black", "white")
LETTERS = "BW"
LINE_MOVES = 12  # shown of what the engine expects


def showboard(front: "Front", call: Call) -> str:
    """The board with captures and last move; it begins on a line of its own."""
    table = front.table
    position = table.position
    marks = " (X)", " (O)"
    lines = ["", position.render(), f"{side(front, position.to_play)} to move"]
    if table.is_go:
        captures = table.stones.captures(position.state)
        names = [f"{side(front, player)}{marks[player]}" for player in (0, 1)]
        lines[-1] += f", komi {table.komi:g}, {table.rules.name} rules"
        lines.append(f"captured by {names[0]}: {captures[0]}, by {names[1]}: {captures[1]}")
        if table.handicap:
            lines.append(f"handicap: {table.handicap} stones")
    if history := named_moves(front):
        lines.append(f"last move: {history[-1]}, move {len(history)}")
    return "\n".join(lines)


def side(front: "Front", player: int) -> str:
    return front.table.game.players[player].capitalize()


def named_moves(front: "Front") -> list[str]:
    """All moves as colour and point, the oldest first."""
    table = front.table
    names = COLOR_NAMES
    if table.is_go:
        return [
            f"{names[player]} {table.points.text(table.position, action)}"
            for player, action in table.moves
        ]
    position = table.game.position()
    actions = tuple(action for _, action in table.moves)
    texts = table.points.texts(position, actions)
    return [f"{names[player]} {text}" for (player, _), text in zip(table.moves, texts, strict=True)]


def last_move(front: "Front", call: Call) -> str:
    history = named_moves(front)
    if not history:
        raise GtpError("no previous move known")
    return history[-1]


def move_history(front: "Front", call: Call) -> str:
    """All moves, the newest first."""
    return "\n".join(reversed(named_moves(front)))


def is_legal(front: "Front", call: Call) -> str:
    player, text = call.color(), call.word()
    action = front.table.read(text)
    if action is None:
        return "0"
    position = front.table.turn(player)
    return str(int(position.is_legal(action) or (position.is_over and text.lower() == "pass")))


def all_legal(front: "Front", call: Call) -> str:
    """The points on which a player may move; passes are not listed."""
    table, player = front.table, call.color()
    position = table.turn(player)
    texts = [table.points.text(position, action) for action in position.legal_actions()]
    return " ".join(text for text in texts if text != "pass")


def list_stones(front: "Front", call: Call) -> str:
    table, player = front.table, call.color()
    board = table.stones.board(table.position.state)
    points = (board == player + 1).ravel().nonzero()[0].tolist()
    return " ".join(table.points.text(table.position, point) for point in points)


def query_boardsize(front: "Front", call: Call) -> str:
    return str(front.table.size)


def get_komi(front: "Front", call: Call) -> str:
    return f"{front.table.komi:g}"


def explain_last_move(front: "Front", call: Call) -> str:
    """What the engine thought when it last moved."""
    table, memory = front.table, front.memory
    if memory.thought is None or memory.position is None:
        return ""
    thought = memory.thought
    share = thought.winrate(thought.to_play)
    pv = table.points.texts(memory.position, thought.moves[0].pv[:LINE_MOVES])
    return (
        f"{side(front, thought.to_play)} wins {100 * share:.1f} % of "
        f"{thought.simulations} simulations, {thought.speed:.0f}/s; line: {' '.join(pv)}"
    )


def describe_engine(front: "Front", call: Call) -> str:
    options, engine = front.options, front.table.engine
    return "\n".join(
        [
            f"{options.name} {options.version}",
            f"game: {front.table.game.spec}",
            f"playing with {engine.name}",
            f"seed: {options.engine.seed}",
        ]
    )


def clear_cache(front: "Front", call: Call) -> str:
    front.table.engine.forget()
    return ""


COMMANDS: dict[str, Handler] = {
    "showboard": showboard,
    "last_move": last_move,
    "move_history": move_history,
    "is_legal": is_legal,
    "all_legal": all_legal,
    "query_boardsize": query_boardsize,
    "gomill-explain_last_move": explain_last_move,
    "gomill-describe_engine": describe_engine,
    "clear_cache": clear_cache,
}
GO_COMMANDS: dict[str, Handler] = {"list_stones": list_stones, "get_komi": get_komi}
