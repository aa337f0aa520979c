"""What GoGui asks for beyond the standard: pictures on the board, settings, setting up stones."""

from typing import TYPE_CHECKING

from alphazero.engine.limits import SearchRequest
from alphazero.protocols.gtp.call import SYNTAX_ERROR, Call, GtpError, Handler, read_integer
from alphazero.protocols.gtp.moves import Memory, stones

if TYPE_CHECKING:
    from alphazero.game import Position
    from alphazero.protocols.gtp.front import Front

SHOWN = 0.005  # of the policy or the visits, below which a move gets no label
LINE_MOVES = 10
ANALYZE = [  # type, label, command; %c is a colour
    "gfx/Policy/alphazero-policy",
    "gfx/Search/alphazero-search",
    "string/Value/alphazero-value",
    "param/Settings/alphazero-param",
    "plist/Legal Moves/all_legal %c",
    "string/Score/final_score",
    "string/Last Move Explained/gomill-explain_last_move",
    "hstring/Engine/gomill-describe_engine",
]
ANALYZE_GO = [
    "dboard/Ownership/alphazero-ownership",
    "plist/Dead Stones/final_status_list dead",
    "string/Rules/kata-get-rules",
]


def analyze_commands(front: "Front", call: Call) -> str:
    return "\n".join(ANALYZE + (ANALYZE_GO if front.table.is_go else []))


# -- pictures --------------------------------------------------------------------------------------


def to_move(front: "Front") -> "Position":
    """The position with the player to move, for looking at. Raises GtpError if it is over."""
    table = front.table
    position = table.turn(table.position.to_play)
    if position.is_over:
        raise GtpError("the game is over")
    return position


def policy(front: "Front", call: Call) -> str:
    """How likely a move is, in percent."""
    from alphazero.protocols.gtp.raw import policy as evaluate

    position = to_move(front)
    shares, value = evaluate(front, position)
    moves = [(int(action), float(shares[action])) for action in shares.argsort()[::-1]]
    return picture(front, position, moves, value_text(front, position, value))


def search(front: "Front", call: Call) -> str:
    """The shares of the visits, in percent, and what the engine expects."""
    position, table = to_move(front), front.table
    thought = table.engine.analyze(SearchRequest(position, full_strength=True), call.is_cancelled)
    total = max(thought.visits, 1)
    moves = [(line.action, line.visits / total) for line in thought.moves]
    pv = table.points.texts(position, thought.moves[0].pv[:LINE_MOVES])
    first = position.to_play
    sides = ["bw"[(first + number) % 2] for number in range(len(pv))]
    variation = " ".join(f"{side} {point}" for side, point in zip(sides, pv, strict=True))
    text = value_text(front, position, thought.value)
    return f"VAR {variation}\n{picture(front, position, moves, text)}"


def picture(front: "Front", position: "Position", moves: list[tuple[int, float]], text: str) -> str:
    """Labels and shades for moves with their shares, and a line of text."""
    points = front.table.points
    named = [(points.text(position, action), share) for action, share in moves if share >= SHOWN]
    shown = [(point, share) for point, share in named if point != "pass"]
    highest = max((share for _, share in shown), default=1.0)
    labels = " ".join(f"{point} {100 * share:.0f}" for point, share in shown)
    shades = " ".join(f"{point} {share / highest:.2f}" for point, share in shown)
    passing = "".join(f", pass {100 * share:.0f} %" for point, share in named if point == "pass")
    lines = [f"LABEL {labels}", f"INFLUENCE {shades}"] if shown else []
    return "\n".join([*lines, f"TEXT {text}{passing}"])


def value_text(front: "Front", position: "Position", value: float) -> str:
    """Both sides' chances in words, from a value for the player to move."""
    first = 50 * (1 + (value if position.to_play == 0 else -value))
    names = [name.capitalize() for name in front.table.game.players]
    return f"{names[0]} {first:.1f} %, {names[1]} {100 - first:.1f} %"


def value(front: "Front", call: Call) -> str:
    position = to_move(front)
    _, number = front.table.engine.evaluate(position)
    return value_text(front, position, number)


def ownership(front: "Front", call: Call) -> str:
    """Whose the points will be, 1 for Black's."""
    from alphazero.engine.territory import estimate

    owners = estimate(to_move(front), front.table.engine.auxiliary).ownership
    return "\n".join(" ".join(f"{value:.3f}" for value in row) for row in owners)


# -- settings --------------------------------------------------------------------------------------


def param(front: "Front", call: Call) -> str:
    """All settings with their types or, with a name and a value, a new value for one."""
    engine = front.table.engine
    if not call.has_more:
        limit = engine.limits(full_strength=True)
        return "\n".join(
            [
                f"[string] simulations {limit.simulations or 0}",
                f"[string] seconds {limit.seconds or 0:g}",
                f"[bool] resign {int(front.may_resign)}",
            ]
        )
    name, word = call.word(), call.word()
    if name == "simulations":
        front.table.host.set_limits(simulations=max(read_integer(word), 1))
    elif name == "seconds" and read_integer(word) > 0:
        front.table.host.set_limits(seconds=float(read_integer(word)))
    elif name == "resign" and word in ("0", "1"):
        front.may_resign = word == "1"
    elif name != "seconds":
        raise GtpError(f"unknown setting {name}" if word else SYNTAX_ERROR)
    return ""


# -- setting up ------------------------------------------------------------------------------------


def setup(front: "Front", call: Call) -> str:
    """Stones on an empty board."""
    table = front.table
    if table.moves or table.stones.board(table.position.state).any():
        raise GtpError("board not empty")
    table.set_up(stones(table, call), 0)
    front.memory = Memory()
    return ""


def setup_player(front: "Front", call: Call) -> str:
    """Whose move it is after a setup."""
    table, player = front.table, call.color()
    if table.moves:
        raise GtpError("moves have been made")
    table.set_up(table.stones.board(table.position.state), player, table.handicap)
    return ""


def title(front: "Front", call: Call) -> str:
    return f"{front.options.name}: {front.table.game.title}"


COMMANDS: dict[str, Handler] = {
    "gogui-analyze_commands": analyze_commands,
    "gogui-title": title,
    "alphazero-policy": policy,
    "alphazero-search": search,
    "alphazero-value": value,
    "alphazero-param": param,
}
GO_COMMANDS: dict[str, Handler] = {
    "alphazero-ownership": ownership,
    "gogui-setup": setup,
    "gogui-setup_player": setup_player,
}
