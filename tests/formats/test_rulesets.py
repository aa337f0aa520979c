"""Rulesets: every spelling finds its ruleset, and KataGo's fields and shorthand round-trip."""

import itertools

import pytest

from alphazero.formats.rulesets import (
    SGF_NAMES,
    SPELLINGS,
    Rules,
    find_rules,
    named_rules,
    read_katago,
    sgf_text,
)
from alphazero.game import load

GO = load("go:size=5")
assert GO.stones is not None
RULESETS = GO.stones.rules


def test_each_ruleset_of_the_game_has_spellings_and_an_sgf_name() -> None:
    assert RULESETS.keys() == SPELLINGS.keys() == SGF_NAMES.keys()
    spellings = list(itertools.chain(*SPELLINGS.values()))
    assert len(set(spellings)) == len(spellings)
    for name in RULESETS:
        for text in (name, SGF_NAMES[name], name.upper(), name.replace("-", "_"), *SPELLINGS[name]):
            assert find_rules(text, RULESETS) == Rules(name)


@pytest.mark.parametrize("text", ["", "japanese", "ing", "koSIMPLEscoreTERRITORYtaxNONEsui0"])
def test_unknown_names(text: str) -> None:
    assert find_rules(text, RULESETS) is None
    with pytest.raises(ValueError, match="choose tromp-taylor, chinese, aga, new-zealand"):
        named_rules(text, RULESETS)


@pytest.mark.parametrize("ko", ["", "simple", "positional", "situational"])
@pytest.mark.parametrize("suicide", ["", False, True])
def test_katagos_forms_keep_the_terms(ko: str, suicide: bool | str) -> None:
    for name in RULESETS:
        rules = Rules(name, ko, suicide)
        terms = rules.terms(RULESETS)
        assert read_katago(rules.katago_fields(RULESETS), RULESETS).terms(RULESETS) == terms
        short = find_rules(rules.katago_text(RULESETS), RULESETS)
        assert short is not None
        assert short.terms(RULESETS)[:2] == terms[:2]


def test_katagos_names_have_katagos_terms() -> None:
    """KataGo's Chinese rules have simple ko; superko is in those of the servers OGS and KGS."""
    simple = read_katago("Chinese", RULESETS)
    assert simple.name == "chinese" and simple.terms(RULESETS) == ("simple", False, "N")
    for name in ("chinese-ogs", "chinese-kgs"):
        assert read_katago(name, RULESETS).terms(RULESETS) == ("positional", False, "N")
    assert named_rules("chinese", RULESETS).terms(RULESETS).ko == "positional"
    fields = {name: Rules(name).katago_fields(RULESETS) for name in RULESETS}
    friendly = [name for name in RULESETS if fields[name]["friendlyPassOk"]]
    assert friendly == ["chinese", "aga", "new-zealand"]
    assert read_katago(fields["aga"] | {"friendlyPassOk": False}, RULESETS) == Rules("aga")
    with pytest.raises(ValueError, match="friendlyPassOk"):
        read_katago({"friendlyPassOk": "yes"}, RULESETS)


def test_a_shorthand_may_say_more() -> None:
    text = "koSIMPLEscoreAREAtaxNONEsui0whbN"
    for end in ("", "fpok1"):
        assert named_rules(text + end, RULESETS).terms(RULESETS) == ("simple", False, "N")
    aga = "koSITUATIONALscoreAREAtaxNONEsui0whbN-1"
    assert named_rules(aga, RULESETS) == Rules("aga")
    assert named_rules(aga.replace("N-1", "0"), RULESETS).terms(RULESETS)[2] == "0"


def test_a_ruleset_goes_before_a_changed_one() -> None:
    assert find_rules("koSITUATIONALscoreAREAtaxNONEsui0", RULESETS) == Rules("aga")
    assert read_katago({"ko": "SITUATIONAL"}, RULESETS) == Rules("new-zealand")
    assert read_katago("bga", RULESETS) == Rules("aga")
    assert read_katago({"ko": "SIMPLE"}, RULESETS) == Rules("tromp-taylor", "simple", True)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"scoring": "TERRITORY"}, "TERRITORY"),
        ({"ko": ["SIMPLE"]}, "SIMPLE"),
        ({"ko": "NONE"}, "NONE"),
        ({"suicide": 1}, "suicide"),
        ({"whiteHandicapBonus": "2"}, "whiteHandicapBonus"),
        ({"button": True}, "button"),
        (["aga"], "aga"),
        (None, "null"),
        ("japanese", "japanese"),
    ],
)
def test_unsupported_rules_are_named(value: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_katago(value, RULESETS)


def test_the_rules_of_a_game_as_sgf() -> None:
    assert sgf_text(Rules.of(GO), RULESETS) == "Tromp-Taylor"
    changed = Rules.of(load("go:size=5,rules=aga,ko=simple"))
    assert changed == Rules("aga", "simple")
    assert sgf_text(changed, RULESETS) == "koSIMPLEscoreAREAtaxNONEsui0"
    assert Rules.of(load("tic-tac-toe")) == Rules("")
