"""GTP's commands about time. Without them the engine thinks as the command line says."""

from typing import TYPE_CHECKING

from alphazero.protocols.gtp.call import SYNTAX_ERROR, Call, GtpError, Handler, read_number

if TYPE_CHECKING:
    from alphazero.protocols.gtp.front import Front

KGS_KINDS = ("none", "absolute", "byoyomi", "canadian")


def time_settings(front: "Front", call: Call) -> str:
    from alphazero.engine.clock import canadian

    main, overtime, stones = call.number(), call.number(), call.integer()
    if main < 0 or overtime < 0:
        raise GtpError(SYNTAX_ERROR)
    front.table.set_control(canadian(main, overtime, stones))
    return ""


def time_left(front: "Front", call: Call) -> str:
    """What a clock shows. It may be less than nothing, and it means nothing without a limit."""
    player, seconds, count = call.color(), call.number(), call.integer()
    if front.table.clocks:
        front.table.clocks[player].correct(seconds, count)
    return ""


def kgs_time_settings(front: "Front", call: Call) -> str:
    if call.peek() not in KGS_KINDS:
        raise GtpError(SYNTAX_ERROR)
    return named_time_settings(front, call)


def named_time_settings(front: "Front", call: Call) -> str:
    from alphazero.engine.clock import named_control

    kind = call.word()
    values = [read_number(word) for word in call.rest()]
    try:
        front.table.set_control(named_control(kind, values))
    except ValueError as error:
        raise GtpError(f"{SYNTAX_ERROR}: {error}") from error
    return ""


def list_time_settings(front: "Front", call: Call) -> str:
    from alphazero.engine.clock import KINDS

    return " ".join(KINDS)


COMMANDS: dict[str, Handler] = {
    "time_settings": time_settings,
    "time_left": time_left,
    "kgs-time_settings": kgs_time_settings,
    "kata-time_settings": named_time_settings,
    "kata-list_time_settings": list_time_settings,
}
