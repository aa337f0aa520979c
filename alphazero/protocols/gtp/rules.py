"""Rulesets by the names that KGS and KataGo give them, and other commands of theirs.

Only area scoring is known here; other rulesets are refused, and nothing changes.
"""

import json
from typing import TYPE_CHECKING, Any

from alphazero.protocols.gtp.call import SYNTAX_ERROR, Call, GtpError, Handler

if TYPE_CHECKING:
    from alphazero.protocols.gtp.front import Front
    from alphazero.protocols.gtp.table import RuleSet

# Names that are not ours, KGS's and KataGo's.
ALIASES = {
    "new_zealand": "new-zealand",
    "nz": "new-zealand",
    "bga": "aga",
    "french": "aga",
    "chinese-ogs": "chinese",
    "chinese-kgs": "chinese",
    "tromptaylor": "tromp-taylor",
    "tromp_taylor": "tromp-taylor",
}
# KataGo's terms for what our rulesets differ in: ko, suicide, points for handicap stones.
RULESETS = {
    "tromp-taylor": ("POSITIONAL", True, "0"),
    "chinese": ("POSITIONAL", False, "N"),
    "aga": ("SITUATIONAL", False, "N-1"),
    "new-zealand": ("SITUATIONAL", True, "0"),
}
KO_RULES = {"SIMPLE": "simple", "POSITIONAL": "positional", "SITUATIONAL": "situational"}
ONLY = {"scoring": "AREA", "tax": "NONE", "hasButton": False}  # what else a ruleset is made of
IGNORED = ("friendlyPassOk",)


def kgs_rules(front: "Front", call: Call) -> str:
    front.table.set_rules(named_rules(call.word()))
    return ""


def get_rules(front: "Front", call: Call) -> str:
    return json.dumps(described(front.table.rules), separators=(",", ":"))


def set_rules(front: "Front", call: Call) -> str:
    front.table.set_rules(read_rules(call.tail))
    return ""


def set_rule(front: "Front", call: Call) -> str:
    """One field of the rules."""
    field, word = call.word(), call.word()
    fields = described(front.table.rules)
    if field not in fields:
        raise GtpError(f"unknown rule {field}")
    fields[field] = {"true": True, "false": False}.get(word.lower(), word)
    front.table.set_rules(assembled(fields))
    return ""


def game_over(front: "Front", call: Call) -> str:
    """KGS says that a game has ended; it may be resumed, so nothing changes."""
    return ""


def chat(front: "Front", call: Call) -> str:
    """KGS passes on what people say; the answer is what the engine says to them."""
    return f"I am {front.options.name} {front.options.version}, a program. Good game!"


def read_rules(text: str) -> "RuleSet":
    """A ruleset's name, or its fields as JSON. Raises GtpError."""
    if not text:
        raise GtpError(SYNTAX_ERROR)
    if not text.startswith(("{", '"')):
        return named_rules(text)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise GtpError(f"{SYNTAX_ERROR}: {error}") from error
    return rules_of(fields)


def rules_of(value: Any) -> "RuleSet":
    """A ruleset from what JSON says, a name or fields. Raises GtpError."""
    if isinstance(value, str):
        return named_rules(value)
    if not isinstance(value, dict):
        raise GtpError(SYNTAX_ERROR)
    return assembled(described(named_rules("tromp-taylor")) | value)


def named_rules(name: str) -> "RuleSet":
    from alphazero.protocols.gtp.table import RuleSet

    name = ALIASES.get(name.strip().lower(), name.strip().lower())
    if name not in RULESETS:
        known = ", ".join(RULESETS)
        raise GtpError(f"unknown rules {name}: choose {known} (area scoring only)")
    return RuleSet(name)


def described(rules: "RuleSet") -> dict[str, Any]:
    """The fields of a ruleset, as KataGo has them."""
    ko, suicide, bonus = RULESETS[rules.name]
    return {
        **ONLY,
        "ko": rules.ko.upper() or ko,
        "suicide": suicide if rules.suicide == "" else bool(rules.suicide),
        "whiteHandicapBonus": bonus,
    }


def assembled(fields: dict[str, Any]) -> "RuleSet":
    """The ruleset with these fields. Raises GtpError."""
    from alphazero.protocols.gtp.table import RuleSet

    for name, value in fields.items():
        only = ONLY.get(name, value)
        if name not in (*ONLY, *IGNORED, "ko", "suicide", "whiteHandicapBonus") or value != only:
            raise GtpError(f"unsupported rules: {name} {json.dumps(value)}")
    ko, suicide, bonus = fields["ko"], fields["suicide"], fields["whiteHandicapBonus"]
    if not isinstance(ko, str) or ko not in KO_RULES or not isinstance(suicide, bool):
        raise GtpError(f"unsupported rules: ko {json.dumps(ko)}, suicide {json.dumps(suicide)}")
    names = [name for name, terms in RULESETS.items() if terms[2] == bonus]
    if not names:
        raise GtpError(f"unsupported rules: whiteHandicapBonus {json.dumps(bonus)}")
    for name in names:
        if RULESETS[name] == (ko, suicide, bonus):
            return RuleSet(name)
    return RuleSet(names[0], KO_RULES[ko], suicide)


GO_COMMANDS: dict[str, Handler] = {
    "kgs-rules": kgs_rules,
    "kgs-game_over": game_over,
    "kgs-chat": chat,
    "kata-get-rules": get_rules,
    "kata-set-rules": set_rules,
    "kata-set-rule": set_rule,
}
