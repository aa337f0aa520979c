"""The judge of finished games: right on textbook positions, near to GNU Go on games, one opinion
for all front ends."""

import numpy as np
import pytest

from alphazero.engine.judge import Judgement, judge
from alphazero.engine.local_search import RegionSearch
from alphazero.engine.territory import chains
from alphazero.terminal.go import GoCommentary
from alphazero.terminal.session import Session
from tests.helpers.gtp_conversation import Conversation, no_network  # noqa: F401
from tests.judges.go_endings import Answer, answers, compare, endings, faults

POSITIONS = {answer.name: answer for answer in answers()}
SETTLED = [answer for answer in POSITIONS.values() if answer.score() is not None]


def judged(answer: Answer, to_play: int = 0, seed: int = 0) -> Judgement:
    return judge(answer.position(to_play), seed)


# -- textbook positions ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", POSITIONS)
def test_textbook_positions(name):
    assert faults(POSITIONS[name], judged(POSITIONS[name])) == []


def test_there_are_positions_of_all_kinds():
    letters = set("".join("".join(answer.answer) for answer in POSITIONS.values()))
    assert len(POSITIONS) >= 30 and letters == set("ADSL?bw.")


@pytest.mark.slow
@pytest.mark.parametrize("name", POSITIONS)
def test_nothing_depends_on_who_is_to_move_or_on_the_passes(name):
    answer = POSITIONS[name]
    first = judged(answer)
    position = answer.position()
    position.play("pass")
    position.play("pass")
    after = judge(position)
    for other in (judged(answer, to_play=1), after):
        for one, two in zip(first, other, strict=True):
            assert np.array_equal(one, two)


def test_the_same_seed_gives_the_same_answer():
    answer = POSITIONS["under way"]
    first, again = judged(answer, seed=3), judged(answer, seed=3)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))


@pytest.mark.slow
def test_turned_and_reflected_positions_are_judged_alike():
    for name in ("bent four in the corner", "seki with a false eye", "race that is over"):
        answer = POSITIONS[name]
        for turn in (np.rot90, np.transpose, np.fliplr):
            turned = answer._replace(
                stones=turn(np.array([list(row) for row in answer.stones])).tolist(),
                answer=turn(np.array([list(row) for row in answer.answer])).tolist(),
            )
            assert faults(turned, judged(turned)) == []


@pytest.mark.slow
def test_colours_exchanged_are_judged_alike():
    exchange = str.maketrans("XObw", "OXwb")
    for answer in SETTLED:
        other = answer._replace(
            stones=[row.translate(exchange) for row in answer.stones],
            answer=[row.translate(exchange) for row in answer.answer],
        )
        assert faults(other, judged(other)) == []


def test_handicap_counts_as_the_rules_say():
    position = POSITIONS["square four"].position()
    assert position.game.stones is not None
    position.game.stones.set_handicap(position.state, 4)
    assert judge(position).score == 49 - 7.5 - 4


# -- games -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("size", "count"), [(9, 30), (13, 10), (19, 4)])
def test_the_judge_sides_with_gnu_go(size, count):
    results = [compare(ending, judge(ending.position)) for ending in endings(size, count)]
    assert sum(not result.same_winner for result in results) == 0
    stones = sum(result.stones for result in results)
    assert sum(result.same_life for result in results) >= 0.97 * stones


def test_dead_stones_lie_in_the_opponents_area():
    for ending in endings(9, 4):
        stones = ending.position.game.stones
        assert stones is not None
        found = judge(ending.position)
        owners = stones.area(ending.position.state, found.dead)
        board = stones.board(ending.position.state)
        for chain in chains(board):
            if found.dead[chain[0]]:
                assert owners[chain[0]] in (0, 3 - board[chain[0]])


# -- one opinion -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", [answer.name for answer in SETTLED])
def test_all_front_ends_say_the_same(name):
    answer = POSITIONS[name]
    size, board = len(answer.stones), answer.board()
    say = Conversation(f"go:size={size}", simulations=2)
    say.all("kata-set-rules chinese", "komi 7.5")
    corners = {}
    for row, column in np.argwhere(board):
        vertex = f"{'ABCDEFGHJ'[column]}{size - row}"
        corners[vertex] = (row, column)
        say(f"play {'bw'[board[row, column] - 1]} {vertex}")
    say.all("play b pass", "play w pass")
    score, sgf = say.all("final_score", "printsgf")
    if board.any():
        assert f"RE[{score}]" in sgf
    listed = {status: say(f"final_status_list {status}").split() for status in ("dead", "seki")}
    position = say.session.state.position
    engine = say.session.engine
    found = engine.judge(position)
    for status, vertices in listed.items():
        assert {corners[vertex] for vertex in vertices} == {
            place for place in corners.values() if found.status(place) == status
        }
    session = Session(position.game, start=position)
    commentary = GoCommentary(session, engine)
    proposed = commentary.dead_stones()
    assert np.array_equal(proposed, found.dead)
    assert position.game.stones.score(position.state, proposed) == found.score
    text = commentary.count(proposed)[1]
    assert f"{abs(found.score):g}" in text


# -- the search of a region ------------------------------------------------------------------------


def region_search(name: str, nodes: int = 200_000) -> RegionSearch:
    """The search of all that is not certain in a position."""
    position = POSITIONS[name].position()
    stones = position.game.stones
    assert stones is not None
    unclear = np.argwhere(stones.pass_alive(position.state) == 0)
    points = [(int(row), int(column)) for row, column in unclear]
    return RegionSearch(stones.board(position.state), points, False, nodes)


def score_of(search: RegionSearch, to_play: int, guess: int = 0) -> int:
    end = search.best_end(to_play, guess)
    assert end is not None and end.score == end.owners.sum()
    return end.score


def test_the_search_finds_what_the_first_move_decides():
    assert [score_of(region_search("straight three"), player) for player in (0, 1)] == [10, -10]


def test_the_search_stops_at_its_budget():
    search = region_search("rabbity six, the vital point taken", nodes=20)
    assert search.best_end(0) is None and search.nodes == 0


@pytest.mark.parametrize("guess", [-12, 0, 12])
def test_the_search_finds_the_same_whatever_it_tries_first(guess):
    assert score_of(region_search("rectangular six on the side"), 0, guess) == -15
    assert score_of(region_search("seki with a false eye"), 1, guess) == 0
