"""Commands of GoGui: pictures on the board, settings, and the rules of games other than Go.

GoGui shows any board game whose engine describes the board and lists the legal moves.
"""

from typing import TYPE_CHECKING

from alphazero.engine.limits import SearchRequest
from alphazero.errors import RequestError
from alphazero.protocols.gtp.arguments import SYNTAX_ERROR, Arguments, read_integer
from alphazero.protocols.gtp.session import Session

if TYPE_CHECKING:
    from alphazero.game import Position

LEAST_SHOWN = 0.005  # of the policy or the visits, for a move to get a label
PV_MOVES = 10
ANALYZE_COMMANDS = [  # type/label/command, where %c is a colour
    "gfx/Policy/alphazero-policy",
    "gfx/Search/alphazero-search",
    "string/Value/alphazero-value",
    "param/Settings/alphazero-param",
    "plist/Legal Moves/all_legal %c",
    "string/Score/final_score",
    "string/Last Move Explained/gomill-explain_last_move",
    "hstring/Engine/gomill-describe_engine",
]
GO_ANALYZE_COMMANDS = [
    "dboard/Ownership/alphazero-ownership",
    "plist/Dead Stones/final_status_list dead",
    "string/Rules/kata-get-rules",
]
SIDES = ("black", "white")  # GoGui's words for the first and second player


def analyze_commands(session: Session, arguments: Arguments) -> str:
    return "\n".join(ANALYZE_COMMANDS + (GO_ANALYZE_COMMANDS if session.state.is_go else []))


def title(session: Session, arguments: Arguments) -> str:
    return f"{session.options.name}: {session.state.game.title}"


# -- pictures --------------------------------------------------------------------------------------


def unfinished(session: Session) -> "Position":
    """Copy the position to evaluate. Raises RequestError if the game is over."""
    position = session.state.to_move()
    if position.is_over:
        raise RequestError("the game is over")
    return position


def policy(session: Session, arguments: Arguments) -> str:
    """Show the policy, in percent."""
    position = unfinished(session)
    probabilities, value = session.engine.evaluate(position)
    order = probabilities.argsort()[::-1]
    moves = [(int(action), float(probabilities[action])) for action in order]
    return picture(session, position, moves, value_text(session, position, value))


def search(session: Session, arguments: Arguments) -> str:
    """Show the shares of a search's visits, in percent, and the moves expected."""
    position, vertices = unfinished(session), session.state.vertices
    analysis = session.search(SearchRequest(position, full_strength=True))
    visits = max(analysis.visits, 1)
    moves = [(move.action, move.visits / visits) for move in analysis.moves]
    pv = vertices.texts(position, analysis.moves[0].pv[:PV_MOVES])
    first = position.to_play
    variation = " ".join(
        f"{'bw'[(first + number) % 2]} {vertex}" for number, vertex in enumerate(pv)
    )
    text = value_text(session, position, analysis.value)
    return f"VAR {variation}\n{picture(session, position, moves, text)}"


def picture(
    session: Session, position: "Position", moves: list[tuple[int, float]], text: str
) -> str:
    """Format labels and shades for moves with their shares, and a line of text."""
    vertices = session.state.vertices
    named = [
        (vertices.text(position, action), share) for action, share in moves if share >= LEAST_SHOWN
    ]
    shown = [(vertex, share) for vertex, share in named if vertex != "pass"]
    highest = max((share for _, share in shown), default=1.0)
    labels = " ".join(f"{vertex} {100 * share:.0f}" for vertex, share in shown)
    shades = " ".join(f"{vertex} {share / highest:.2f}" for vertex, share in shown)
    passing = "".join(f", pass {100 * share:.0f} %" for vertex, share in named if vertex == "pass")
    lines = [f"LABEL {labels}", f"INFLUENCE {shades}"] if shown else []
    return "\n".join([*lines, f"TEXT {text}{passing}"])


def value_text(session: Session, position: "Position", value: float) -> str:
    """Format both winrates in percent, from a value in [-1, 1] for the player to move."""
    first = 50 * (1 + (value if position.to_play == 0 else -value))
    names = [name.capitalize() for name in session.state.game.players]
    return f"{names[0]} {first:.1f} %, {names[1]} {100 - first:.1f} %"


def value(session: Session, arguments: Arguments) -> str:
    position = unfinished(session)
    _, number = session.engine.evaluate(position)
    return value_text(session, position, number)


def ownership(session: Session, arguments: Arguments) -> str:
    """Write the expected owner of every point, 1 for Black."""
    from alphazero.engine.territory import estimate

    owners = estimate(unfinished(session), session.engine.auxiliary).ownership
    return "\n".join(" ".join(f"{value:.3f}" for value in row) for row in owners)


# -- settings --------------------------------------------------------------------------------------


def param(session: Session, arguments: Arguments) -> str:
    """List the settings with their types; with a name and a value, change one."""
    if not arguments:
        limits = session.engine.limits(full_strength=True)
        return "\n".join(
            [
                f"[string] simulations {limits.simulations or 0}",
                f"[string] seconds {limits.seconds or 0:g}",
                f"[bool] resign {int(session.may_resign)}",
            ]
        )
    name, word = arguments.word(), arguments.word()
    if name == "simulations":
        session.host.set_limits(simulations=max(read_integer(word), 1))
    elif name == "seconds":
        if seconds := read_integer(word):
            session.host.set_limits(seconds=float(seconds))
    elif name == "resign":
        if word not in ("0", "1"):
            raise RequestError(SYNTAX_ERROR)
        session.may_resign = word == "1"
    else:
        raise RequestError(f"unknown setting {name}")
    return ""


# -- games other than Go ---------------------------------------------------------------------------


def rules_game_id(session: Session, arguments: Arguments) -> str:
    """Write the game's title as one word with one capital letter."""
    return "".join(filter(str.isalpha, session.state.game.title)).capitalize()


def rules_board(session: Session, arguments: Arguments) -> str:
    from alphazero.protocols.vertices import marks

    state = session.state
    points = marks(state.position)
    return "\n".join(
        " ".join(points[start : start + state.columns])
        for start in range(0, len(points), state.columns)
    )


def rules_board_size(session: Session, arguments: Arguments) -> str:
    """Write one number for a square board, else columns and rows."""
    state = session.state
    if state.rows == state.columns:
        return str(state.columns)
    return f"{state.columns} {state.rows}"


def rules_legal_moves(session: Session, arguments: Arguments) -> str:
    """List the legal moves; none once the game is over."""
    return " ".join(map(session.state.name, session.state.position.legal_actions()))


def rules_side_to_move(session: Session, arguments: Arguments) -> str:
    return SIDES[session.state.position.to_play]


def rules_final_result(session: Session, arguments: Arguments) -> str:
    outcome = session.state.position.outcome()
    if outcome is None:
        return "unknown"
    return "draw" if outcome.winner is None else SIDES[outcome.winner]


COMMANDS = {
    "gogui-analyze_commands": analyze_commands,
    "gogui-title": title,
    "alphazero-policy": policy,
    "alphazero-search": search,
    "alphazero-value": value,
    "alphazero-param": param,
}
GO_COMMANDS = {"alphazero-ownership": ownership}
RULES_COMMANDS = {
    "gogui-rules_game_id": rules_game_id,
    "gogui-rules_board": rules_board,
    "gogui-rules_board_size": rules_board_size,
    "gogui-rules_legal_moves": rules_legal_moves,
    "gogui-rules_side_to_move": rules_side_to_move,
    "gogui-rules_final_result": rules_final_result,
}
