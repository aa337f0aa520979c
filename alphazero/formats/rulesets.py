"""Rulesets of Go by the names that files and other programs give them.

The terms of each ruleset are the game's own (`game.stones.rules`), under names such as
`new-zealand`. Here are the other spellings of these names, SGF's and KataGo's among them:

    find_rules("NZ", stones.rules)             Rules("new-zealand")
    Rules("aga").katago_text(stones.rules)     "koSITUATIONALscoreAREAtaxNONEsui0"
    Rules("aga").katago_fields(stones.rules)   {"scoring": "AREA", …, "ko": "SITUATIONAL", …}

Only area scoring is supported. Functions raise ValueError for rules beyond that.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from alphazero.game import Game, Ruleset

Rulesets = Mapping[str, Ruleset]  # `Stones.rules`

SGF_NAMES = {  # property RU
    "tromp-taylor": "Tromp-Taylor",
    "chinese": "Chinese",
    "aga": "AGA",
    "new-zealand": "NZ",
}
SPELLINGS = {  # compared by their letters and digits in lower case
    "tromp-taylor": ("tromptaylor", "tt"),
    "chinese": ("chinese", "cn", "china", "chineseogs", "chinesekgs", "中国", "中国规则"),
    "aga": ("aga", "bga", "french", "american"),
    "new-zealand": ("newzealand", "nz"),
}
_NAMES = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}

# As KataGo's records of games have it, without what is not a letter or a digit.
KATAGO_TEXT = re.compile(
    r"ko(simple|positional|situational)scoreareataxnonesui([01])(?:whb(0|n|n1))?(?:fpok[01])?"
)
HANDICAP = {"0": "0", "n": "N", "n1": "N-1"}
KO_RULES = ("SIMPLE", "POSITIONAL", "SITUATIONAL")
FIXED = {
    "scoring": "AREA",
    "tax": "NONE",
    "hasButton": False,
}  # KataGo's fields with one value here
PASS_OK = "friendlyPassOk"  # of no effect here: who passes in reply ends the game in any case
KATAGO_NAMES = {"chinese": ("chinese", "simple")}  # with other terms than the ruleset of that name


class Rules(NamedTuple):
    """The rules of one game: a ruleset, and the ko and suicide rules that replace its own."""

    name: str
    ko: str = ""  # empty: the ruleset's
    suicide: bool | str = ""  # likewise

    @staticmethod
    def of(game: Game) -> "Rules":
        """Read the rules from a game's parameters; an empty name for a game without rulesets."""
        parameters = game.parameters
        name, ko = str(parameters.get("rules", "")), str(parameters.get("ko", ""))
        return Rules(name, ko, parameters.get("suicide", ""))

    def terms(self, rulesets: Rulesets) -> Ruleset:
        """Look up the terms in force."""
        own = rulesets[self.name]
        suicide = own.suicide if self.suicide == "" else bool(self.suicide)
        return own._replace(ko=self.ko or own.ko, suicide=suicide)

    def katago_text(self, rulesets: Rulesets) -> str:
        """Format the terms in KataGo's shorthand, which leaves out the points for handicap."""
        terms = self.terms(rulesets)
        return f"ko{terms.ko.upper()}scoreAREAtaxNONEsui{int(terms.suicide)}"

    def katago_fields(self, rulesets: Rulesets) -> dict[str, Any]:
        """Convert the terms to the fields of KataGo's JSON."""
        ko, suicide, handicap = self.terms(rulesets)
        return {
            **FIXED,
            "ko": ko.upper(),
            "suicide": suicide,
            "whiteHandicapBonus": handicap,
            PASS_OK: self.name != "tromp-taylor",
        }


def find_rules(text: str, rulesets: Rulesets) -> Rules | None:
    """Parse any spelling of a ruleset's name, or KataGo's shorthand; None if unknown.

    A shorthand with the terms of a ruleset becomes that ruleset.
    """
    plain = "".join(filter(str.isalnum, text)).lower()
    if _NAMES.get(plain) in rulesets:
        return Rules(_NAMES[plain])
    match = KATAGO_TEXT.fullmatch(plain)
    if match is None:
        return None
    ko, suicide, handicap = match[1], match[2] == "1", HANDICAP.get(match[3])
    fitting = [name for name, terms in rulesets.items() if terms.handicap == (handicap or "0")]
    for name, terms in rulesets.items():
        is_wanted = handicap is None or name in fitting
        if is_wanted and (terms.ko, terms.suicide) == (ko, suicide):
            return Rules(name)
    return Rules(fitting[0], ko, suicide)


def named_rules(text: str, rulesets: Rulesets) -> Rules:
    """As `find_rules`, for a name that must be known."""
    rules = find_rules(text, rulesets)
    if rules is None:
        known = ", ".join(rulesets)
        raise ValueError(
            f"unknown rules {text.strip().lower()}: choose {known} (area scoring only)"
        )
    return rules


def read_katago(value: Any, rulesets: Rulesets) -> Rules:
    """Parse a value of KataGo's JSON: a name with KataGo's terms, or fields of which some may be
    missing."""
    if isinstance(value, str):
        named = KATAGO_NAMES.get(value.strip().lower())
        return named_rules(value, rulesets) if named is None else Rules(*named)
    if not isinstance(value, dict):
        raise ValueError(f"rules must be a name or an object, not {json.dumps(value)}")
    return read_katago_fields(Rules("tromp-taylor").katago_fields(rulesets) | value, rulesets)


def read_katago_fields(fields: Mapping[str, Any], rulesets: Rulesets) -> Rules:
    """Parse all the fields of KataGo's JSON."""
    for name, value in fields.items():
        only = FIXED.get(name, value)
        known = (*FIXED, PASS_OK, "ko", "suicide", "whiteHandicapBonus")
        if name not in known or value != only or (name == PASS_OK and not isinstance(value, bool)):
            raise ValueError(f"unsupported rules: {name} {json.dumps(value)}")
    ko, suicide, handicap = fields["ko"], fields["suicide"], fields["whiteHandicapBonus"]
    if ko not in KO_RULES or not isinstance(suicide, bool):
        raise ValueError(f"unsupported rules: ko {json.dumps(ko)}, suicide {json.dumps(suicide)}")
    names = [name for name, terms in rulesets.items() if terms.handicap == handicap]
    if not names:
        raise ValueError(f"unsupported rules: whiteHandicapBonus {json.dumps(handicap)}")
    for name in names:
        if rulesets[name] == (ko.lower(), suicide, handicap):
            return Rules(name)
    return Rules(names[0], ko.lower(), suicide)


def sgf_text(rules: Rules, rulesets: Rulesets) -> str:
    """Format property RU: the ruleset's name or, if it is changed, KataGo's shorthand."""
    if not rules.ko and rules.suicide == "":
        return SGF_NAMES.get(rules.name, rules.name)
    return rules.katago_text(rulesets)
