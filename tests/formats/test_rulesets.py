"""Rulesets: every spelling finds its ruleset, and KataGo's fields and shorthand round-trip."""

import itertools

import pytest

from alphazero.formats.rulesets import (
    SGF_NAMES,
    SPELLINGS,
    Rules,
    find_rules,
    katago_fields,
    katago_text,
    name_rules,
    named_rules,
    read_field,
    read_katago,
    search_remark,
    sgf_text,
)
from alphazero.game import Ruleset, load

GO = load("go:size=5")
assert GO.stones is not None
RULESETS = GO.stones.rules
EVERY = [
    Ruleset(*terms)
    for terms in itertools.product(
        ("simple", "positional", "situational"),
        (False, True),
        ("0", "N", "N-1"),
        ("area", "territory"),
        ("none", "seki", "all"),
        (False, True),
        (False, True),
    )
]


def test_each_ruleset_of_the_game_has_spellings_and_an_sgf_name() -> None:
    assert RULESETS.keys() == SPELLINGS.keys() == SGF_NAMES.keys()
    spellings = list(itertools.chain(*SPELLINGS.values()))
    assert len(set(spellings)) == len(spellings)
    for name in RULESETS:
        for text in (name, SGF_NAMES[name], name.upper(), name.replace("-", "_"), *SPELLINGS[name]):
            assert find_rules(text, RULESETS) == Rules(name, RULESETS[name])


@pytest.mark.parametrize(
    "text", ["", "swedish", "rules", "koSPIGHTscoreAREAtaxNONEsui0", "koSIMPLEscoreAREAkomi7"]
)
def test_unknown_names(text: str) -> None:
    assert find_rules(text, RULESETS) is None
    with pytest.raises(ValueError, match=r"choose tromp-taylor, chinese, .*, japanese"):
        named_rules(text, RULESETS)


def test_katagos_forms_keep_the_terms() -> None:
    for terms in EVERY:
        assert read_katago(katago_fields(terms), RULESETS).terms == terms
        short = find_rules(katago_text(terms), RULESETS)
        assert short is not None and short.terms == terms
        assert short.name == "" or RULESETS[short.name] == terms


def test_what_katago_leaves_out() -> None:
    """Tromp's and Taylor's terms; under territory scoring there are no points in seki."""
    tromp_taylor = RULESETS["tromp-taylor"]
    assert read_katago({}, RULESETS) == Rules("tromp-taylor", tromp_taylor)
    assert named_rules("koPOSITIONALscoreAREAtaxNONEsui1", RULESETS).name == "tromp-taylor"
    assert named_rules("koPOSITIONALscoreAREAsui1", RULESETS).name == "tromp-taylor"
    assert read_katago({"ko": "SIMPLE"}, RULESETS) == Rules("", tromp_taylor._replace(ko="simple"))
    for value in ({"scoring": "TERRITORY"}, {"score": "territory"}, "koPOSITIONALscoringTERRITORY"):
        terms = read_katago(value, RULESETS).terms
        assert (terms.scoring, terms.tax) == ("territory", "seki")
    plain = {"scoring": "TERRITORY", "tax": "NONE"}
    assert read_katago(plain, RULESETS).terms.tax == "none"


def test_a_shorthand_of_records() -> None:
    aga = "koSITUATIONALscoreAREAtaxNONEsui0whbN-1fpok1"
    assert named_rules(aga, RULESETS) == Rules("aga", RULESETS["aga"])
    assert katago_text(RULESETS["aga"]) == aga
    assert named_rules(aga.replace("sui0", "sui0button1"), RULESETS).name == "aga-button"
    assert katago_text(RULESETS["japanese"]) == "koSIMPLEscoreTERRITORYtaxSEKIsui0fpok1"
    assert str(Rules("", RULESETS["bga"])) == aga and str(Rules("bga", RULESETS["bga"])) == "bga"


def test_a_name_is_preferred_among_equals() -> None:
    assert name_rules(RULESETS["korean"], RULESETS).name == "japanese"
    assert name_rules(RULESETS["korean"], RULESETS, "korean").name == "korean"
    assert name_rules(RULESETS["korean"], RULESETS, "chinese").name == "japanese"
    assert name_rules(RULESETS["aga"]._replace(suicide=True), RULESETS, "aga").name == ""


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({"scoring": "STONES"}, "AREA, TERRITORY"),
        ({"ko": ["SIMPLE"]}, "SIMPLE"),
        ({"ko": "SPIGHT"}, "SPIGHT"),
        ({"suicide": 1}, "suicide"),
        ({"whiteHandicapBonus": "2"}, "whiteHandicapBonus"),
        ({"friendlyPassOk": "yes"}, "friendlyPassOk"),
        ({"button": True}, "button"),
        ({"komi": 7}, "komi"),
        (["aga"], "aga"),
        (None, "null"),
        ("swedish", "swedish"),
    ],
)
def test_unsupported_rules_are_named(value: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_katago(value, RULESETS)


def test_fields_are_read_in_any_case() -> None:
    assert read_field("ko", "simple") == read_field("ko", "SIMPLE") == ("ko", "simple")
    assert read_field("whiteHandicapBonus", "n-1") == ("handicap", "N-1")
    assert read_field("score", "Territory") == ("scoring", "territory")


def test_the_rules_of_a_game_as_sgf() -> None:
    assert sgf_text(Rules.of(GO)) == "Tromp-Taylor"
    changed = Rules.of(load("go:size=5,rules=aga,ko=simple"))
    assert changed == Rules("", RULESETS["aga"]._replace(ko="simple"))
    assert sgf_text(changed) == "koSIMPLEscoreAREAtaxNONEsui0whbN-1fpok1"
    assert Rules.of(load("go:size=5,rules=korean")).name == "korean"
    assert Rules.of(load("tic-tac-toe")).name == ""


def test_a_remark_says_what_a_search_leaves_out() -> None:
    for name, terms in RULESETS.items():
        remark = search_remark(Rules(name, terms))
        assert bool(remark) == (terms.scoring == "territory" or terms.tax != "none"), name
