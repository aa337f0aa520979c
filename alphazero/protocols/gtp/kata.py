"""KataGo's commands, for engines that know the score; some programs ask for no others."""

import json
from typing import TYPE_CHECKING

from alphazero.protocols.gtp import lines
from alphazero.protocols.gtp.analysis import analyze, genmove_analyze, in_style
from alphazero.protocols.gtp.call import (
    BOOLEANS,
    SYNTAX_ERROR,
    Call,
    GtpError,
    Handler,
    read_integer,
    read_number,
)
from alphazero.protocols.gtp.moves import generate

if TYPE_CHECKING:
    from alphazero.protocols.gtp.front import Front

NUMBERS = ("maxVisits", "maxTime")
PARAMETERS = (*NUMBERS, "allowResignation", "playoutDoublingAdvantage", "analysisWideRootNoise")


def search(front: "Front", call: Call) -> str:
    """The move, without making it."""
    return generate(front, call, call.color(), makes_move=False)


def search_cancellable(front: "Front", call: Call) -> str:
    player = call.color()
    move = generate(front, call, player, makes_move=False, stop=call.is_followed)
    return "cancelled" if call.is_followed() else move


def search_analyze(front: "Front", call: Call) -> str:
    return genmove_analyze(front, call, lines.katago, makes_move=False)


def search_analyze_cancellable(front: "Front", call: Call) -> str:
    return genmove_analyze(front, call, lines.katago, makes_move=False, can_be_cancelled=True)


def get_models(front: "Front", call: Call) -> str:
    source = front.table.engine.source
    return json.dumps([{"name": source, "internalName": source, "maxBatchSize": 0}])


# -- parameters ------------------------------------------------------------------------------------


def list_params(front: "Front", call: Call) -> str:
    return " ".join(PARAMETERS)


def get_param(front: "Front", call: Call) -> str:
    values = parameters(front)
    name = call.word()
    if name not in values:
        raise GtpError(f"unknown parameter {name}")
    return values[name]


def get_params(front: "Front", call: Call) -> str:
    return json.dumps(parameters(front))


def parameters(front: "Front") -> dict[str, str]:
    limit = front.table.engine.limits(full_strength=True)
    values = (
        f"{limit.simulations or 0}",
        f"{limit.seconds or 0:g}",
        "true" if front.may_resign else "false",
        "0",
        "0",
    )
    return dict(zip(PARAMETERS, values, strict=True))


def set_param(front: "Front", call: Call) -> str:
    """Change what can be changed; what cannot has its value already, or that is an error."""
    name, word = call.word(), call.word()
    if name not in PARAMETERS:
        raise GtpError(f"unknown parameter {name}")
    if name == "allowResignation":
        if word not in BOOLEANS:
            raise GtpError(SYNTAX_ERROR)
        front.may_resign = BOOLEANS[word]
    elif name == "maxVisits":
        front.table.host.set_limits(simulations=max(read_integer(word), 1))
    elif name == "maxTime":
        seconds = read_number(word)
        if seconds <= 0:
            raise GtpError(SYNTAX_ERROR)
        front.table.host.set_limits(seconds=seconds)
    elif read_number(word) != 0:
        raise GtpError(f"{name} is always 0 here")
    return ""


COMMANDS: dict[str, Handler] = {
    "kata-analyze": in_style(analyze, lines.katago),
    "kata-genmove_analyze": in_style(genmove_analyze, lines.katago),
    "kata-search": search,
    "kata-search_cancellable": search_cancellable,
    "kata-search_analyze": search_analyze,
    "kata-search_analyze_cancellable": search_analyze_cancellable,
    "kata-get-models": get_models,
    "kata-list-params": list_params,
    "kata-get-param": get_param,
    "kata-get-params": get_params,
    "kata-set-param": set_param,
}
