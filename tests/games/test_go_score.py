"""The score of Go: rulesets, territory, prisoners, seki, the button, and the komi of a search.

Values were counted by hand, or follow from the stones that were set.
"""

import functools

import numpy as np
import pytest

from alphazero.engine.territory import scored_by_area
from alphazero.formats.sgf import result_text
from alphazero.game import Count, Game, Position, Ruleset, Stones
from alphazero.game import load as load_anew
from alphazero_games.go_score_rules import RULES, chains_with_eyes
from tests.games.test_go_oracles import GNU_GO, GnuGo, set_up
from tests.judges.go_endings import endings
from tests.judges.go_oracle import read_board

load = functools.cache(load_anew)

DAME = read_board(
    """
    . X . O .
    . X . O .
    . X . O .
    . X . O .
    . X . O .
    """
)
# A seki in the upper left, each side with an eye and one liberty that they share.
SEKI = read_board(
    """
    . X . O . O X
    X X O O O O X
    O O X X X X X
    . O X . . . .
    O O X . . . .
    . O X . . . .
    . O X . . . .
    """
)


def stones_of(game: Game) -> Stones:
    assert game.stones is not None
    return game.stones


def played(game: Game, moves: str) -> Position:
    return game.position(moves)


def with_rules(position: Position, **terms: object) -> Position:
    stones = stones_of(position.game)
    changed = position.copy()
    changed.amend(lambda state: stones.set_rules(state, stones.terms(state)._replace(**terms)))
    return changed


def count(position: Position, dead: np.ndarray | None = None) -> Count:
    return stones_of(position.game).count(position.state, dead)


# -- rulesets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
def test_a_ruleset_is_kept_in_the_state(name: str) -> None:
    game = load(f"go:size=5,rules={name}")
    stones, terms = stones_of(game), RULES[name]
    position = game.position()
    assert stones.terms(position.state) == terms
    assert stones.komi(position.state) == terms.usual_komi == game.parameters["komi"]
    for other in RULES.values():
        stones.set_rules(position.state, other)
        assert stones.terms(position.state) == other


def test_the_rulesets_are_katagos() -> None:
    """As its page of GTP extensions has them."""
    japanese = Ruleset("simple", False, "0", "territory", "seki")
    aga = Ruleset("situational", False, "N-1")
    assert RULES["chinese"] == Ruleset("simple", False, "N", "area", "none")
    assert RULES["chinese-ogs"] == RULES["chinese-kgs"] == Ruleset("positional", False, "N")
    assert RULES["japanese"] == RULES["korean"] == japanese
    assert RULES["stone-scoring"] == Ruleset("simple", False, "0", "area", "all")
    assert RULES["aga"] == RULES["bga"] == aga
    assert RULES["aga-button"] == aga._replace(button=True)
    assert RULES["new-zealand"] == Ruleset("situational", True, "0")
    assert RULES["tromp-taylor"] == Ruleset("positional", True, "0", friendly_pass=False)
    removing = {name for name, terms in RULES.items() if not terms.removes_dead}
    assert removing == {"tromp-taylor"}
    komi = {name: terms.usual_komi for name, terms in RULES.items() if terms.usual_komi != 7.5}
    assert komi == {"japanese": 6.5, "korean": 6.5, "ancient-territory": 6.5, "aga-button": 7.0}


@pytest.mark.parametrize(
    ("terms", "word"),
    [
        ({"ko": "super"}, "ko"),
        ({"handicap": "2"}, "handicap"),
        ({"scoring": "stones"}, "scoring"),
        ({"tax": "some"}, "tax"),
        ({"button": 1}, "button"),
        ({"suicide": "yes"}, "suicide"),
    ],
)
def test_terms_that_there_are_not(terms: dict[str, object], word: str) -> None:
    state = load("go:size=5").position().state
    before = state.copy()
    with pytest.raises(ValueError, match=word):
        stones_of(load("go:size=5")).set_rules(state, RULES["aga"]._replace(**terms))
    assert state == before


# -- points ----------------------------------------------------------------------------------------


def test_dame_are_nobodys_points() -> None:
    area = count(set_up(load("go:size=5,rules=chinese"), DAME))
    assert area.territory == area.stones == (5, 5) and area.score == -7.5
    territory = count(set_up(load("go:size=5,rules=japanese"), DAME))
    assert territory.territory == (5, 5) and territory.score == -6.5
    assert not territory.owners[:, 2].any()


def test_dead_stones_are_prisoners_under_territory_scoring() -> None:
    board = list(DAME)
    board[10] = 2  # White's stone at A3, in Black's territory
    dead = np.zeros((5, 5), bool)
    dead[2, 0] = True
    for rules, expected in (("chinese", -7.5), ("japanese", 1 - 6.5)):
        position = set_up(load(f"go:size=5,rules={rules}"), tuple(board))
        counted = count(position, dead)
        assert counted.prisoners == (1, 0) and counted.territory == (5, 5)
        assert counted.score == stones_of(position.game).score(position.state, dead) == expected


def test_prisoners_count_one_each() -> None:
    """Black takes two stones in the corner, and fills nothing else of his own."""
    position = played(load("go:size=5,rules=japanese"), "A3 A5 B3 A4 B4 C1 B5")
    counted = count(position)
    assert counted.prisoners == (2, 0) and counted.stones == (4, 1)
    # A5 and A4 are Black's; all else is beside both colours.
    assert counted.territory == (2, 0) and counted.score == 2 + 2 - 6.5


def test_there_are_no_points_in_seki() -> None:
    """Black has 16 points beside the seki and White 3; in it each has one."""
    scores = {
        "chinese": (14 + 17) - (13 + 4) - 7.5,
        "japanese": 16 - 3 - 6.5,
        "stone-scoring": (14 + 16 - 2) - (13 + 3 - 2) - 7.5,
        "ancient-territory": (16 - 2) - (3 - 2) - 6.5,
    }
    for rules, expected in scores.items():
        position = set_up(load(f"go:size=7,rules={rules}"), SEKI)
        assert count(position).score == expected, rules
        seki = stones_of(position.game).seki(position.state, None)
        assert seki.sum() == 3 + 6 and seki[:2, :2].sum() == 3 and seki[:2, 2:6].sum() == 6
    position = set_up(load("go:size=7,rules=japanese"), SEKI)
    assert count(position).territory == (16, 3)
    assert count(with_rules(position, tax="none")).territory == (17, 4)
    assert count(with_rules(position, scoring="area", tax="seki")).score == 30 - 16 - 6.5


def test_living_groups_beside_dame_are_not_in_seki() -> None:
    board = """
        . X . X . O .
        X X X X . O O
        . . . . . O .
        X X X X X O O
        O O O O O O .
        . O . O . O .
        . O O O O O .
    """
    position = set_up(load("go:size=7,rules=japanese"), read_board(board))
    assert not stones_of(position.game).seki(position.state, None).any()


def test_a_false_eye_does_not_count() -> None:
    """Chain 1 touches two eyes, but chain 2 beside the second can be taken."""
    beside = {1: {10, 11}, 2: {11}, 10: {1}, 11: {1, 2}}
    assert chains_with_eyes({1, 2}, {10: 1, 11: 1}, beside) == set()
    assert chains_with_eyes({1, 2}, {10: 1, 11: 2}, beside) == {1, 2}
    beside |= {1: {10, 11, 12}, 12: {1}}
    assert chains_with_eyes({1, 2}, {10: 1, 11: 1, 12: 1}, beside) == {1}


@pytest.mark.parametrize("seed", range(6))
def test_territory_is_area_without_the_stones_set(seed: int) -> None:
    """In every game, whoever passes: what a stone adds to the area it takes from the territory."""
    rng = np.random.default_rng(seed)
    game = load("go:size=5,komi=0,rules=chinese")
    position = game.position()
    placed = [0, 0]
    for _ in range(60):
        if position.is_over:
            break
        action = int(rng.choice(position.legal_actions()))
        placed[position.to_play] += action != 25
        position.play(action)
        by_area = count(position).score
        by_territory = count(with_rules(position, scoring="territory", tax="none")).score
        assert by_territory == by_area - (placed[0] - placed[1])


@pytest.mark.skipif(GNU_GO is None, reason="GNU Go is not installed")
def test_gnu_go_counts_territory_alike() -> None:
    """Finished games of its own, with the stones taken off that it calls dead."""
    with GnuGo(9, "--japanese-rules") as referee:
        referee.ask("komi 6.5")
        for ending in endings(9, 8):
            position = ending.position
            stones = stones_of(position.game)
            position.amend(lambda state, to=stones: to.set_rules(state, to.rules["japanese"]))
            position.amend(lambda state, to=stones: to.set_komi(state, 6.5))
            referee.ask("clear_board")
            for player, action in zip(position.movers, position.moves, strict=True):
                referee.ask(f"play {'bw'[player]} {position.text(action)}")
            dead = np.zeros(81, bool)
            dead[[position.action(point) for point in referee.ask("final_status_list dead")]] = True
            counted = count(position, dead.reshape(9, 9))
            assert [result_text(counted.score)] == referee.ask("final_score"), str(position)


# -- handicap, the button --------------------------------------------------------------------------


def test_handicap_is_compensated_as_the_rules_say() -> None:
    for rules, bonus in (("chinese", 3), ("aga", 2), ("japanese", 0), ("stone-scoring", 0)):
        game = load(f"go:size=5,komi=0.5,rules={rules}")
        state = game.position().state
        stones_of(game).set_handicap(state, 3)
        assert count(Position(game, state)).compensation == 0.5 + bonus, rules


def test_the_first_pass_takes_the_button() -> None:
    game = load("go:size=5,rules=aga-button")
    position = played(game, "pass pass")
    assert not position.is_over and count(position).score == -7 + 0.5
    position.play("pass")
    assert position.is_over and count(position).score == -6.5
    outcome = position.outcome()
    assert outcome is not None and outcome.winner == 1
    position = played(game, "C3 pass A1 pass")
    assert not position.is_over and count(position).score == 25 - 7 - 0.5
    position.play("pass")
    assert position.is_over
    stones = stones_of(game)
    position.amend(lambda state: stones.set_rules(state, RULES["aga-button"]))
    assert count(position).score == 17.5, "it stays with the player who took it"


# -- the search's komi -----------------------------------------------------------------------------


def area_komi(position: Position) -> float:
    return stones_of(position.game).by_area(position.state)[1]


def test_the_komi_is_turned_to_area_scoring() -> None:
    game = load("go:size=5,rules=japanese")
    assert area_komi(played(game, "")) == 7
    assert area_komi(played(game, "C3")) == area_komi(played(game, "C3 B3")) == 7
    assert area_komi(played(game, "C3 pass")) == 8, "White has set a stone less"
    assert area_komi(played(game, "C3 pass pass")) == 7
    state = game.position().state.copy()
    board = np.zeros((5, 5), np.int8)
    board[1, 1] = board[3, 3] = 1
    stones_of(game).set_up(state, board, 1)
    stones_of(game).set_komi(state, 0.5)
    assert area_komi(Position(game, state)) == 0.5 + 2 - 0.5


def test_a_search_counts_area() -> None:
    game = load("go:size=5,rules=japanese")
    stones = stones_of(game)
    position = played(game, "C3 pass B3")
    searched = scored_by_area(position)
    terms = stones.terms(searched.state)
    assert (terms.scoring, terms.tax, terms.handicap) == ("area", "none", "0")
    assert stones.komi(searched.state) == 8 and stones.komi(position.state) == 6.5
    assert searched.moves == position.moves and searched is not position
    for name in ("chinese", "tromp-taylor", "aga-button"):
        other = load(f"go:size=5,rules={name}").position("C3")
        assert scored_by_area(other) is other


def test_the_games_own_result_counts_area_with_the_usual_turn() -> None:
    """What depends on who moves last is a draw: 5 points of area against a komi of 4.5."""
    board = """
        X X X X .
        X . X X X
        X X X X X
        O O O O O
        . O O O .
    """
    game = load("go:size=5,rules=japanese,komi=4.5")
    position = set_up(game, read_board(board))
    assert count(with_rules(position, scoring="area", tax="none")).score == 15 - 10 - 4.5
    position.play("pass")
    position.play("pass")
    outcome = position.outcome()
    assert outcome is not None and outcome.winner is None
