"""Commands of KataGo and Leela Zero about rules, parameters and the network's own evaluation, and
those of the server KGS.
"""

import json
from typing import TYPE_CHECKING, Any

from alphazero.errors import RequestError
from alphazero.protocols.finite_json import read_json
from alphazero.protocols.gtp.arguments import (
    BOOLEANS,
    COLORS,
    SYNTAX_ERROR,
    Arguments,
    read_boolean,
    read_integer,
    read_number,
)
from alphazero.protocols.gtp.session import Session

if TYPE_CHECKING:
    from alphazero.formats.rulesets import Rules
    from alphazero.game import Position

PARAMETERS = (
    "maxVisits",
    "maxTime",
    "allowResignation",
    "playoutDoublingAdvantage",
    "analysisWideRootNoise",
)
PER_MILLE = 1000


# -- rules -----------------------------------------------------------------------------------------


def kgs_rules(session: Session, arguments: Arguments) -> str:
    """Set a ruleset by its name on KGS, where Chinese rules have superko."""
    name = arguments.word()
    if name.lower() == "chinese":
        name = "chinese-kgs"
    return use_rules(session, session.state.read_rules(name))


def get_rules(session: Session, arguments: Arguments) -> str:
    return json.dumps(rules_fields(session), separators=(",", ":"))


def set_rules(session: Session, arguments: Arguments) -> str:
    """Set a ruleset by its name or shorthand, or rules by their fields as JSON. The komi stays."""
    value = text = arguments.tail
    if not text:
        raise RequestError(SYNTAX_ERROR)
    if text.startswith(("{", '"')):
        try:
            value = read_json(text)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"{SYNTAX_ERROR}: {error}") from error
    return use_rules(session, session.state.read_rules(value))


def set_rule(session: Session, arguments: Arguments) -> str:
    """Set one field of the rules."""
    field, word = arguments.word(), arguments.word()
    value = BOOLEANS.get(word.lower(), word)
    return use_rules(session, session.state.amended_rules(field, value))


def use_rules(session: Session, rules: "Rules") -> str:
    """Set the rules, and report how far the search may be off under them."""
    from alphazero.formats.rulesets import search_remark

    session.state.set_rules(rules)
    if remark := search_remark(rules):
        session.report(remark)
    return ""


def rules_fields(session: Session) -> dict[str, Any]:
    """Convert the rules to the fields of KataGo's JSON."""
    from alphazero.formats.rulesets import katago_fields

    return katago_fields(session.state.rules.terms)


def game_over(session: Session, arguments: Arguments) -> str:
    """KGS reports that a game has ended. It may be resumed, so nothing changes."""
    return ""


def chat(session: Session, arguments: Arguments) -> str:
    """Answer what people say on KGS."""
    options = session.options
    return f"I am {options.name} {options.version}, a program. Good game!"


# -- parameters ------------------------------------------------------------------------------------


def list_params(session: Session, arguments: Arguments) -> str:
    return " ".join(PARAMETERS)


def get_param(session: Session, arguments: Arguments) -> str:
    values = parameters(session)
    name = arguments.word()
    if name not in values:
        raise RequestError(f"unknown parameter {name}")
    return values[name]


def get_params(session: Session, arguments: Arguments) -> str:
    return json.dumps(parameters(session))


def parameters(session: Session) -> dict[str, str]:
    """Collect all parameters with their values; 0 visits or seconds mean no limit."""
    limits = session.engine.limits(full_strength=True)
    values = (
        f"{limits.simulations or 0}",
        f"{limits.seconds or 0:g}",
        "true" if session.may_resign else "false",
        "0",
        "0",
    )
    return dict(zip(PARAMETERS, values, strict=True))


def set_param(session: Session, arguments: Arguments) -> str:
    """Change a parameter. Those without effect here can only be set to 0, which they are."""
    name, word = arguments.word(), arguments.word()
    if name not in PARAMETERS:
        raise RequestError(f"unknown parameter {name}")
    if name == "allowResignation":
        session.may_resign = read_boolean(word)
    elif name == "maxVisits":
        session.host.set_limits(simulations=max(read_integer(word), 1))
    elif name == "maxTime":
        seconds = read_number(word)
        if seconds <= 0:
            raise RequestError(SYNTAX_ERROR)
        session.host.set_limits(seconds=seconds)
    elif read_number(word) != 0:
        raise RequestError(f"{name} is always 0 here")
    return ""


# -- the network -----------------------------------------------------------------------------------


def get_models(session: Session, arguments: Arguments) -> str:
    source = session.engine.source
    return json.dumps([{"name": source, "internalName": source, "maxBatchSize": 0}])


def heatmap(session: Session, arguments: Arguments) -> str:
    """Draw the policy in thousandths (Leela Zero)."""
    state = session.state
    position = state.to_move()
    symmetry = read_symmetry(session, arguments.word()) if arguments else 0
    probabilities, value = session.engine.evaluate(position, symmetry)
    thousandths = [round(PER_MILLE * float(probability)) for probability in probabilities]
    columns = state.columns
    rows = [
        "".join(f"{number:4d}" for number in thousandths[start : start + columns])
        for start in range(0, state.pass_action, columns)
    ]
    return "\n".join(
        ["", *rows, f"pass: {thousandths[state.pass_action]}", f"winrate: {(1 + value) / 2:.6f}"]
    )


def raw_nn(session: Session, arguments: Arguments) -> str:
    """Write all outputs of the network: `[COLOR] [SYMMETRY]`, where a colour is the one to move and
    the symmetry a number or `all` (KataGo). KataGo's OPTIMISM after them has no effect here."""
    player = arguments.color() if arguments.peek().lower() in COLORS else None
    word = arguments.word() if arguments else "0"
    if arguments:
        arguments.number()
    every = range(number_of_symmetries(session))
    chosen = every if word == "all" else [read_symmetry(session, word)]
    position = session.state.to_move(player)
    return "\n".join(network_outputs(session, position, symmetry) for symmetry in chosen)


def number_of_symmetries(session: Session) -> int:
    """Count the symmetries of the board: a rectangle has four."""
    symmetries = session.state.game.symmetries
    assert symmetries is not None, "every game has them"
    return len(symmetries.points)


def read_symmetry(session: Session, word: str) -> int:
    """Parse the number of a symmetry of the board. Raises RequestError."""
    last = number_of_symmetries(session) - 1
    if len(word) != 1 or word not in "01234567" or int(word) > last:
        raise RequestError(f"{SYNTAX_ERROR}: a symmetry is a number from 0 to {last}, not {word}")
    return int(word)


def network_outputs(session: Session, position: "Position", symmetry: int) -> str:
    """Format the outputs under one symmetry, for White."""
    state = session.state
    probabilities, value = session.engine.evaluate(position, symmetry)
    sign = 1 if position.to_play == 1 else -1
    white = (1 + sign * value) / 2
    lines = [
        f"symmetry {symmetry}",
        f"whiteWin {white:.6f}",
        f"whiteLoss {1 - white:.6f}",
        "noResult 0.000000",
    ]
    texts = [
        f"{float(probability):.6f}" if is_legal else "NAN"
        for probability, is_legal in zip(probabilities, position.legal_mask(), strict=True)
    ]
    expected = session.engine.expect(position, symmetry)
    if expected is not None:
        lines.append(f"whiteLead {sign * expected.score:.6f}")
    lines += ["policy", *rows_of(texts[: state.pass_action], state.columns)]
    lines.append(f"policyPass {texts[state.pass_action]}")
    if expected is not None and expected.ownership is not None:
        owners = [f"{sign * value + 0.0:.6f}" for value in expected.ownership]
        lines += ["whiteOwnership", *rows_of(owners, state.columns)]
    return "\n".join(lines)


def rows_of(texts: list[str], size: int) -> list[str]:
    """Join texts to lines of `size` each."""
    return [" ".join(texts[start : start + size]) for start in range(0, len(texts), size)]


GO_COMMANDS = {
    "kgs-rules": kgs_rules,
    "kgs-game_over": game_over,
    "kgs-chat": chat,
    "kata-get-rules": get_rules,
    "kata-set-rules": set_rules,
    "kata-set-rule": set_rule,
    "heatmap": heatmap,
    "kata-raw-nn": raw_nn,
}
SCORE_COMMANDS = {  # for an engine that knows the score: some programs take them as a promise of it
    "kata-get-models": get_models,
    "kata-list-params": list_params,
    "kata-get-param": get_param,
    "kata-get-params": get_params,
    "kata-set-param": set_param,
}
