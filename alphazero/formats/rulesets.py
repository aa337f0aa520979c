"""Rulesets of Go by the names that files and other programs give them.

The terms of each ruleset are the game's own (`game.stones.rules`), under KataGo's names such as
`new-zealand`. Here are the other spellings of these names, and KataGo's fields and shorthand:

    find_rules("NZ", stones.rules)             Rules("new-zealand", …)
    katago_text(rules.terms)                   "koSITUATIONALscoreAREAtaxNONEsui1fpok1"
    katago_fields(rules.terms)                 {"scoring": "AREA", …, "ko": "SITUATIONAL", …}
    sgf_text(rules)                            "NZ", as property RU

Functions raise ValueError for rules that are unknown.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from alphazero.errors import closest
from alphazero.game import Game, Ruleset

Rulesets = Mapping[str, Ruleset]  # `Stones.rules`

SGF_NAMES = {  # property RU
    "tromp-taylor": "Tromp-Taylor",
    "chinese": "Chinese",
    "chinese-ogs": "Chinese-OGS",
    "chinese-kgs": "Chinese-KGS",
    "japanese": "Japanese",
    "korean": "Korean",
    "aga": "AGA",
    "aga-button": "AGA-Button",
    "bga": "BGA",
    "new-zealand": "NZ",
    "ing": "GOE",
    "stone-scoring": "Stone-Scoring",
    "ancient-territory": "Ancient-Territory",
}
SPELLINGS = {  # compared by their letters and digits in lower case
    "tromp-taylor": ("tromptaylor", "tt"),
    "chinese": ("chinese", "cn", "china", "中国", "中国规则", "中国規則", "中国ルール"),
    "chinese-ogs": ("chineseogs",),
    "chinese-kgs": ("chinesekgs",),
    "japanese": ("japanese", "jp", "japan", "日本", "日本规则", "日本規則", "日本ルール"),
    "korean": ("korean", "kr", "korea", "韩国", "韩国规则", "韓国", "한국"),
    "aga": ("aga", "american", "french"),
    "aga-button": ("agabutton",),
    "bga": ("bga", "british"),
    "new-zealand": ("newzealand", "nz"),
    "ing": ("ing", "goe"),
    "stone-scoring": ("stonescoring", "ancientarea"),
    "ancient-territory": ("ancientterritory",),
}
_NAMES = {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
DEFAULT = Ruleset("positional", True, "0", friendly_pass=False)  # of fields that are left out

FIELDS = {  # KataGo's field -> the term, and its values where they are texts
    "scoring": ("scoring", ("area", "territory")),
    "tax": ("tax", ("none", "seki", "all")),
    "hasButton": ("button", None),
    "ko": ("ko", ("simple", "positional", "situational")),
    "suicide": ("suicide", None),
    "whiteHandicapBonus": ("handicap", ("0", "N", "N-1")),
    "friendlyPassOk": ("friendly_pass", None),
}
OTHER_FIELDS = {"score": "scoring"}
# The shorthand of KataGo's records of games, without what is not a letter or a digit.
SHORT_TERM = re.compile(
    r"ko(?P<ko>simple|positional|situational)|scor(?:ing|e)(?P<scoring>area|territory)"
    r"|tax(?P<tax>none|seki|all)|sui(?P<suicide>[01])|button(?P<button>[01])"
    r"|whb(?P<handicap>n1|n|0)|fpok(?P<friendly_pass>[01])"
)
SHORT = re.compile(f"(?:{SHORT_TERM.pattern})+")
SHORT_VALUES = {"1": True, "0": False}
SHORT_HANDICAP = {"0": "0", "n": "N", "n1": "N-1"}


class Rules(NamedTuple):
    """The rules of one game: their terms, and the name of the ruleset that has them, if any."""

    name: str
    terms: Ruleset

    @staticmethod
    def of(game: Game) -> "Rules":
        """Read the rules from a game's parameters; without a name for games without rulesets."""
        if game.stones is None:
            return Rules("", DEFAULT)
        given = game.parameters
        terms = game.stones.rules[given["rules"]]
        if given.get("ko"):
            terms = terms._replace(ko=given["ko"])
        if given.get("suicide", "") != "":
            terms = terms._replace(suicide=given["suicide"])
        return name_rules(terms, game.stones.rules, given["rules"])

    def __str__(self) -> str:
        """The name or, without one, KataGo's shorthand."""
        return self.name or katago_text(self.terms)


def name_rules(terms: Ruleset, rulesets: Rulesets, preferred: str = "") -> Rules:
    """Find the name of the ruleset with some terms: the preferred one of several."""
    if rulesets.get(preferred) == terms:
        return Rules(preferred, terms)
    return Rules(next((name for name, own in rulesets.items() if own == terms), ""), terms)


def find_rules(text: str, rulesets: Rulesets) -> Rules | None:
    """Parse any spelling of a ruleset's name, or KataGo's shorthand; None if unknown.

    Terms that a shorthand leaves out are Tromp's and Taylor's.
    """
    plain = "".join(filter(str.isalnum, text)).lower()
    name = _NAMES.get(plain) or _NAMES.get(plain.removesuffix("rules"), "")
    if name in rulesets:
        return Rules(name, rulesets[name])
    if SHORT.fullmatch(plain) is None:
        return None
    given: dict[str, Any] = {}
    for match in SHORT_TERM.finditer(plain):
        term, value = next(item for item in match.groupdict().items() if item[1] is not None)
        if term == "handicap":
            given[term] = SHORT_HANDICAP[value]
        else:
            given[term] = SHORT_VALUES.get(value, value)
    return name_rules(_completed(given), rulesets)


def named_rules(text: str, rulesets: Rulesets) -> Rules:
    """As `find_rules`, for a name that must be known."""
    rules = find_rules(text, rulesets)
    if rules is None:
        hint = closest(text.strip(), rulesets)
        raise ValueError(f"unknown rules {text.strip()}{hint}: choose {', '.join(rulesets)}")
    return rules


def _completed(given: Mapping[str, Any]) -> Ruleset:
    """Add the terms that are left out; under territory scoring there are no points in seki."""
    tax = {"tax": "seki"} if given.get("scoring") == "territory" else {}
    return DEFAULT._replace(**(tax | dict(given)))


# -- KataGo's forms --------------------------------------------------------------------------------


def katago_text(terms: Ruleset) -> str:
    """Format terms in KataGo's shorthand."""
    return (
        f"ko{terms.ko.upper()}score{terms.scoring.upper()}tax{terms.tax.upper()}"
        f"sui{int(terms.suicide)}"
        + "button1" * terms.button
        + f"whb{terms.handicap}" * (terms.handicap != "0")
        + "fpok1" * terms.friendly_pass
    )


def katago_fields(terms: Ruleset) -> dict[str, Any]:
    """Convert terms to the fields of KataGo's JSON."""
    fields = {}
    for field, (term, _) in FIELDS.items():
        value = getattr(terms, term)
        fields[field] = value.upper() if isinstance(value, str) else value
    return fields


def read_katago(value: Any, rulesets: Rulesets) -> Rules:
    """Parse a value of KataGo's JSON: a name, or fields of which some may be missing."""
    if isinstance(value, str):
        return named_rules(value, rulesets)
    if not isinstance(value, dict):
        raise ValueError(f"rules must be a name or an object, not {json.dumps(value)}")
    given = dict(read_field(name, content) for name, content in value.items())
    return name_rules(_completed(given), rulesets)


def read_field(name: str, value: Any) -> tuple[str, Any]:
    """Parse a field of KataGo's JSON to a term and its value, in any case."""
    field = OTHER_FIELDS.get(name, name)
    if field not in FIELDS:
        raise ValueError(f"unknown rule {name}: choose {', '.join(FIELDS)}")
    term, choices = FIELDS[field]
    if choices is None:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, not {json.dumps(value)}")
        return term, value
    known = {choice.lower(): choice for choice in choices}
    if not isinstance(value, str) or value.lower() not in known:
        allowed = ", ".join(choice.upper() for choice in choices)
        raise ValueError(f"{name} must be one of {allowed}, not {json.dumps(value)}")
    return term, known[value.lower()]


# -- what else is said of rules --------------------------------------------------------------------


def sgf_text(rules: Rules) -> str:
    """Format property RU: the ruleset's name or, if none has these terms, KataGo's shorthand."""
    return SGF_NAMES.get(rules.name) or str(rules)


def search_remark(rules: Rules) -> str:
    """Say how far the search may be off, which counts area; "" for rules that do so too. The score
    of a finished game is exact."""
    if rules.terms.scoring == "territory":
        return (
            f"{rules} rules: the search counts area, with the komi turned to that; who makes the "
            "last move can make it a point off"
        )
    if rules.terms.tax != "none":
        return f"{rules} rules: the search counts area without the tax on groups"
    return ""
