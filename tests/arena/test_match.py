"""Matches: fair openings, right counts, repeatable, saved whole, loud about a player's faults."""

import itertools
import json

import numpy as np
import pytest

from alphazero.arena.match import PlayerFailure, play_match, round_robin
from alphazero.arena.players import HumanPlayer, Player, RandomPlayer, make_player
from alphazero.arena.rating import Sprt, elo_difference, elo_difference_of_counts
from alphazero.arena.result import Tally
from alphazero.data.record import read_shard
from alphazero.data.record_text import read_text
from alphazero.errors import UserError
from alphazero.game import load
from tests.helpers.toy_games import RANDOM

TICTACTOE = load("tic-tac-toe")
CONNECT4 = load("connect4")


class Listed(Player):
    """Plays the legal move that comes first (or last) in the list; knows nothing."""

    def __init__(self, name, place=0):
        self.name = name
        self.place = place
        self.batches = []

    def choose(self, positions, rng):
        self.batches.append(len(positions))
        return [position.legal_actions()[self.place] for position in positions]


def replayed(game, record):
    position = game.position()
    for move in record.moves.tolist():
        position.play(move)
    return position


# -- counting --------------------------------------------------------------------------------------


def test_counts_agree_with_the_records():
    a, b = make_player("mcts:12", TICTACTOE), RandomPlayer()
    result = play_match(TICTACTOE, a, b, 30, seed=3)
    points = []
    for number, record in enumerate(result.records):
        position = replayed(TICTACTOE, record)
        outcome = position.outcome()
        assert outcome is not None and outcome.values[0] == record.result
        assert record.info["players"] == (
            ["mcts:12", "random"] if number % 2 == 0 else ["random", "mcts:12"]
        )
        assert (record.game_id, record.game, record.seed) == (number, TICTACTOE.spec, 3)
        points.append((1 + record.result * (-1) ** number) / 2)
    for seat, tally in enumerate((result.as_first, result.as_second)):
        made = points[seat::2]
        assert tally == (made.count(1), made.count(0.5), made.count(0))
    assert result.total.games == 30 and result.total.score == result.score == sum(points) / 30
    pairs = [points[i] + points[i + 1] for i in range(0, 30, 2)]
    assert list(result.pairs) == [pairs.count(i / 2) for i in range(5)]
    assert result.score > 0.7


def test_every_opening_is_played_twice_with_seats_changed():
    result = play_match(CONNECT4, RandomPlayer(), Listed("listed"), 24, seed=1, opening_plies=3)
    openings = [record.moves[:3].tolist() for record in result.records]
    assert openings[::2] == openings[1::2]
    assert len({tuple(opening) for opening in openings}) > 6
    # From there on the listed player is seen to play its seat.
    for number, record in enumerate(result.records):
        position = CONNECT4.position()
        for ply, move in enumerate(record.moves.tolist()):
            if ply >= 3 and ply % 2 != number % 2:
                assert move == position.legal_actions()[0]
            position.play(move)


@pytest.mark.parametrize("opening_plies", [0, 2, 4])
def test_equal_players_score_half_of_every_pair(opening_plies):
    result = play_match(
        TICTACTOE, Listed("a"), Listed("b"), 20, opening_plies=opening_plies, seed=8
    )
    assert result.pairs == (0, 0, 10, 0, 0)
    assert result.score == 0.5 and result.elo.elo == 0
    assert result.as_first.wins == result.as_second.losses
    assert result.different_games == len({tuple(record.moves) for record in result.records})
    assert opening_plies or result.different_games == 1


def test_elo_comes_from_pairs_where_openings_tie_their_games_together():
    listed = Listed("a"), Listed("b", -1)
    with_openings = play_match(TICTACTOE, *listed, 20, seed=8)
    assert with_openings.elo == elo_difference_of_counts(with_openings.pairs)
    without = play_match(TICTACTOE, *listed, 20, seed=8, opening_plies=0)
    assert without.elo == elo_difference(*without.total)


def test_a_perfect_player_does_not_lose():
    result = play_match(
        TICTACTOE, RandomPlayer(), make_player("alphabeta:9", TICTACTOE), 40, opening_plies=0
    )
    assert result.total.wins == 0 and result.score < 0.2
    assert result.elo.high < -100


def test_sides_that_move_twice_and_split_points():
    # In this game the side to move is not the parity of the ply.
    result = play_match(RANDOM, Listed("a"), Listed("b", -1), 20, opening_plies=1)
    assert result.total.games == 20
    doubles = 0
    for number, record in enumerate(result.records):
        position = RANDOM.position()
        for ply, move in enumerate(record.moves.tolist()):
            place = 0 if position.to_play == number % 2 else -1  # a has this seat, or b
            assert ply < 1 or move == position.legal_actions()[place]
            player = position.to_play
            position.play(move)
            doubles += position.to_play == player
        assert position.is_over
    assert doubles > 10
    # Any share of the point above a half is a win.
    won = sum(
        (record.result > 0) == (n % 2 == 0)
        for n, record in enumerate(result.records)
        if record.result
    )
    assert result.total.wins == won


def test_tally():
    tally = Tally()
    assert tally.score == 0.5
    for points in (1, 1, 0.5, 0):
        tally = tally.plus(points)
    assert tally == (2, 1, 1) and tally.games == 4 and tally.score == 0.625


# -- batches and seeds -----------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_match():
    def moves(seed):
        players = make_player("mcts:6", TICTACTOE), RandomPlayer()
        result = play_match(TICTACTOE, *players, 12, seed=seed)
        return [record.moves.tolist() for record in result.records]

    assert moves(5) == moves(5)
    assert moves(5) != moves(6)
    without = [
        play_match(CONNECT4, RandomPlayer(), RandomPlayer(), 2, seed=seed, opening_plies=0)
        for seed in (5, 6)
    ]
    assert without[0].records[0].moves.tolist() != without[1].records[0].moves.tolist()


def test_all_games_are_played_in_batches():
    player = Listed("listed")
    play_match(CONNECT4, player, RandomPlayer(), 40, opening_plies=0)
    assert player.batches[0] == 20  # the games in which it moves first
    assert len(player.batches) <= 21  # once for each of its moves in the longest game


def test_the_match_is_the_same_however_many_games_run_at_once():
    results = []
    seen = []
    for parallel in (1, 3, 128):
        player = Listed("a")
        result = play_match(TICTACTOE, player, Listed("b", -1), 14, parallel=parallel, seed=2)
        results.append([record.moves.tolist() for record in result.records])
        seen.append(max(player.batches))
    assert results[0] == results[1] == results[2]
    assert seen[0] == 1 and seen[1] <= 3 < seen[2]


def test_progress_is_told():
    told = []
    play_match(
        TICTACTOE,
        RandomPlayer(),
        Listed("b"),
        10,
        parallel=4,
        progress=lambda finished, games: told.append((finished, games)),
    )
    assert told == sorted(told) and told[-1] == (10, 10) and told[0][0] < 10


def test_a_human_plays_one_game_after_the_other():
    asked = []

    def ask(position):
        asked.append((len(asked), position.moves.copy()))
        return position.legal_actions()[0]

    result = play_match(TICTACTOE, HumanPlayer(ask), Listed("b", -1), 4, opening_plies=0)
    starts = [number for number, moves in asked if len(moves) < 2]
    assert len(starts) == 4 and starts == sorted(starts)
    lengths = [len(moves) for _, moves in asked]
    assert sum(b < a for a, b in itertools.pairwise(lengths)) == 3
    assert result.total.games == 4


# -- the sequential test ---------------------------------------------------------------------------


def test_the_sequential_test_stops_the_match():
    test = Sprt(elo0=0, elo1=200)
    players = make_player("alphabeta:4", TICTACTOE), RandomPlayer()
    result = play_match(TICTACTOE, *players, 400, sprt=test, seed=1, parallel=16)
    assert result.decision == 200
    assert 10 < result.total.games < 200
    assert len(result.records) == result.total.games == 2 * sum(result.pairs)
    # It would not have stopped a pair sooner.
    last = [round(2 * sum((1 + r.result * (-1) ** r.game_id) / 2 for r in result.records[-2:]))]
    before = list(result.pairs)
    before[last[0]] -= 1
    assert test.decision(before) is None
    assert "accepts 200" in str(result)


def test_the_sequential_test_may_stay_undecided():
    result = play_match(TICTACTOE, Listed("a"), Listed("b"), 6, sprt=Sprt(0, 10))
    assert result.decision is None and result.total.games == 6
    assert "undecided" in str(result)


# -- faults ----------------------------------------------------------------------------------------


class Faulty(Player):
    """Behaves until the ply given, then does something wrong."""

    name = "faulty"

    def __init__(self, ply, fault):
        self.ply = ply
        self.fault = fault

    def choose(self, positions, rng):
        if positions[0].ply >= self.ply:
            return self.fault(positions)
        return [position.legal_actions()[0] for position in positions]


def raising(positions):
    raise ZeroDivisionError("no idea")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda positions: [positions[0].moves[-1]] * len(positions), "chose the illegal action"),
        (lambda positions: [99] * len(positions), "chose the illegal action 99"),
        (lambda positions: [-1] * len(positions), "chose the illegal action -1"),
        (lambda positions: [], "0 moves for 2 positions"),
        (raising, "ZeroDivisionError: no idea"),
        (lambda positions: ["b2"], "ValueError"),
    ],
)
def test_a_player_at_fault_ends_the_match_by_name_and_position(fault, message):
    with pytest.raises(PlayerFailure, match="player faulty") as caught:
        play_match(TICTACTOE, Listed("good"), Faulty(3, fault), 2, opening_plies=0)
    text = str(caught.value)
    assert message in text
    assert "after a3 b3 c3" in text  # the moves
    assert "X  O (X)" in text  # and the board


def test_a_person_who_gives_up_is_no_fault():
    def ask(position):
        raise UserError("stopped")

    with pytest.raises(UserError, match=r"^stopped$"):
        play_match(TICTACTOE, HumanPlayer(ask), RandomPlayer(), 2)


@pytest.mark.parametrize("games", [0, 1, 7, -2])
def test_an_odd_number_of_games_is_refused(games):
    with pytest.raises(UserError, match=f"even number of games, at least 2, not {games}"):
        play_match(TICTACTOE, RandomPlayer(), RandomPlayer(), games)


def test_impossible_openings_are_refused():
    with pytest.raises(UserError, match="0 to 8 plies in tic-tac-toe, not 9"):
        play_match(TICTACTOE, RandomPlayer(), RandomPlayer(), 2, opening_plies=9)
    with pytest.raises(UserError, match="not -1"):
        play_match(TICTACTOE, RandomPlayer(), RandomPlayer(), 2, opening_plies=-1)
    single = load("connect4:rows=1,cols=8")  # eight plies, over after seven where four are in a row
    assert play_match(single, RandomPlayer(), RandomPlayer(), 2, opening_plies=7).total.games == 2


# -- results on paper ------------------------------------------------------------------------------


def test_a_saved_match_reads_back(tmp_path):
    result = play_match(TICTACTOE, make_player("mcts:5", TICTACTOE), RandomPlayer(), 6, seed=2)
    saved = result.save(tmp_path / "new" / "folder")
    files = {path.suffix: path for path in (tmp_path / "new" / "folder").iterdir()}
    assert set(files) == {".npz", ".txt", ".json"}
    assert saved.name == "mcts_5-vs-random-seed2" and files[".npz"].stem == saved.name
    assert read_shard(files[".npz"]) == result.records
    sheets = files[".txt"].read_text().split("game tic-tac-toe\n")[1:]
    read = [read_text("game tic-tac-toe\n" + sheet, TICTACTOE) for sheet in sheets]
    assert read == result.records
    summary = json.loads(files[".json"].read_text())
    assert summary["score"] == result.score and summary["pairs"] == list(result.pairs)
    assert summary["as_first"] == result.as_first._asdict()
    assert summary["elo"]["low"] == pytest.approx(result.elo.low)


def test_every_saved_match_is_kept(tmp_path):
    for seed in (1, 1, 2, 1):
        play_match(TICTACTOE, RandomPlayer(), RandomPlayer(), 2, seed=seed).save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    stems = [f"random-vs-random-seed{end}" for end in ("1", "1-2", "1-3", "2")]
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("json", "npz", "txt")}


def test_a_summary_of_one_sided_results_is_json():
    result = play_match(TICTACTOE, make_player("alphabeta:9", TICTACTOE), Listed("b"), 4)
    assert result.total.losses == 0
    text = json.dumps(result.summary())
    assert "Infinity" not in text


def test_a_player_named_after_a_path_is_saved_all_the_same(tmp_path):
    player = Listed("checkpoint:../runs/ü/" + "x" * 300)
    play_match(TICTACTOE, player, RandomPlayer(), 2).save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        play_match(TICTACTOE, Listed("a"), Listed("b"), 2).save(tmp_path / "file")


def test_the_table():
    result = play_match(TICTACTOE, Listed("early"), Listed("late", -1), 20, seed=8)
    first, second, total = result.as_first, result.as_second, result.total
    lines = str(result).splitlines()
    assert lines[0] == "early against late at tic-tac-toe"
    assert lines[1].split() == ["games", "won", "drawn", "lost", "score"]
    for line, label, tally in zip(
        lines[2:5], ("moving first", "moving second", "all"), (first, second, total), strict=True
    ):
        assert line.startswith(label)
        assert line.split()[-5:] == [
            str(tally.games), *map(str, tally), f"{tally.score:.1%}"
        ]  # fmt: skip
    assert f"Elo difference {result.elo}" in lines[5]
    assert len({line.rfind("%") for line in lines[2:5]}) == 1  # right-aligned


# -- round robin -----------------------------------------------------------------------------------


def test_round_robin_ranks_players_and_shows_every_match():
    names = ["random", "mcts:8", "alphabeta:9"]
    players = [make_player(name, TICTACTOE) for name in names]
    told = []
    table = round_robin(
        TICTACTOE,
        players,
        30,
        seed=4,
        progress=lambda title, done, games: told.append((title, games)),
    )
    assert {rating.name for rating in table.ratings} == set(names)
    elo = {rating.name: rating for rating in table.ratings}
    assert elo["random"].elo < elo["mcts:8"].elo < elo["alphabeta:9"].elo
    assert [rating.elo for rating in table.ratings] == sorted(
        (r.elo for r in table.ratings), reverse=True
    )
    assert sum(rating.elo for rating in table.ratings) == pytest.approx(0, abs=1e-6)
    assert all(rating.games == 60 and rating.error > 10 for rating in table.ratings)
    assert sum(rating.score for rating in table.ratings) == 90
    assert {title for title, _ in told} == {
        f"{match.a} against {match.b}" for match in table.matches
    }
    assert {games for _, games in told} == {30}
    # The table of all against all: a row's points and the mirrored ones make 30.
    lines = [line.split() for line in str(table).splitlines()]
    assert lines[0] == ["Elo", "+/-", "games", "score", "1", "2", "3"]
    for i, row in enumerate(lines[1:]):
        assert row[:2] == [str(i + 1), table.ratings[i].name]
        against = row[6:]
        assert against[i] == "-"
        for j in range(3):
            if j != i:
                assert float(against[j]) + float(lines[1 + j][6 + i]) == 30


def test_round_robin_with_an_anchor():
    players = [RandomPlayer(), Listed("listed")]
    table = round_robin(TICTACTOE, players, 6, anchor="listed")
    anchored = next(rating for rating in table.ratings if rating.name == "listed")
    assert (anchored.elo, anchored.error) == (0, 0)


def test_round_robin_refuses_what_makes_no_sense():
    with pytest.raises(UserError, match="two or more different players, not random, random"):
        round_robin(TICTACTOE, [RandomPlayer(), RandomPlayer()], 4)
    with pytest.raises(UserError, match="two or more"):
        round_robin(TICTACTOE, [RandomPlayer()], 4)
    with pytest.raises(
        UserError, match="anchor 'nobody' is not one of the players: random, listed"
    ):
        round_robin(TICTACTOE, [RandomPlayer(), Listed("listed")], 4, anchor="nobody")


def test_openings_differ_between_seeds_but_not_between_players():
    def openings(player, seed):
        result = play_match(TICTACTOE, player, Listed("b"), 20, seed=seed)
        return [record.moves[:2].tolist() for record in result.records]

    assert openings(RandomPlayer(), 1) == openings(Listed("a"), 1) != openings(Listed("a"), 2)
    assert np.array(openings(Listed("a"), 1)).shape == (20, 2)
