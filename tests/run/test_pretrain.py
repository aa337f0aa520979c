"""Learning from PGN and SGF files."""

import itertools
import logging
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alphazero.__main__ import main
from alphazero.arena.players import make_player
from alphazero.config import load_config
from alphazero.data.replay import play_moves
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.formats.pgn.writer import write_pgn
from alphazero.formats.sgf import SgfInfo, write_sgf
from alphazero.game import Position, load
from alphazero.learning.checkpoint import latest
from alphazero.network.weights import read_file, weights_file
from alphazero.run.pretrain import (
    GAMES_PER_BATCH,
    RecordedGames,
    find_in_pgn,
    find_in_sgf,
    list_files,
    pretrain,
    read_games,
    record_of,
    winner,
)

CHESS, GO = "chess:history=1", "go:size=5,komi=0.5"
SETTINGS = [
    "network.size=b1c16",
    "replay.min_positions=64",
    "replay.holdout=0.2",
    "learner.batch_size=32",
    "learner.replay_ratio=1",
    "evaluation.every_games=0",
    "evaluation.games=2",
    'evaluation.opponents=["random"]',
    "run.checkpoint_steps=10",
]


def random_game(spec: str, seed: int, plies: int = 40) -> Position:
    rng, position = np.random.default_rng(seed), load(spec).position()
    while not position.is_over and len(position.moves) < plies:
        position.play(int(rng.choice(position.legal_actions())))
    return position


def pgn_file(folder: Path, games: int = 20) -> Path:
    path = folder / "games.pgn"
    texts = []
    for seed in range(games):
        position = random_game("chess:draws=automatic", seed)
        result = ("1-0", "0-1", "1/2-1/2")[seed % 3]
        tags = {"Result": "1/2-1/2"} if position.is_over else {"Result": result}
        texts.append(write_pgn(position, tags))
    path.write_text("\n".join(texts))
    return path


def sgf_file(folder: Path, games: int = 20) -> Path:
    path = folder / "games.sgf"
    infos = [SgfInfo(result=("B+R", "W+3.5")[seed % 2]) for seed in range(games)]
    positions = [random_game(GO, seed, plies=25) for seed in range(games)]
    path.write_text("".join(itertools.starmap(write_sgf, zip(positions, infos, strict=True))))
    return path


# -- games become records --------------------------------------------------------------------------


def test_every_move_of_a_game_is_a_target_and_the_rules_allow_it(tmp_path: Path) -> None:
    game = load(CHESS)
    records = list(read_games(game, find_in_pgn(pgn_file(tmp_path)), first=0))
    assert [record.game_id for record in records] == list(range(20))
    for seed, record in enumerate(records):
        expected = random_game("chess:draws=automatic", seed)
        assert record.moves.tolist() == expected.moves[: len(record.moves)]
        assert record.positions == len(record.moves)
        assert record.policy_actions.tolist() == record.moves.tolist()
        states, _ = play_moves(game, record)
        assert len(states) == len(record.moves) + 1
    assert {record.result for record in records} == {1.0, 0.0, -1.0}
    again = list(read_games(game, find_in_pgn(tmp_path / "games.pgn"), first=15))
    assert again == records[15:]


def test_a_game_with_a_faulty_move_is_used_up_to_it(tmp_path: Path) -> None:
    path = tmp_path / "faulty.sgf"
    path.write_text("(;SZ[9]KM[7]RE[B+R];B[dd];W[ff];B[undefined];W[gg];B[cc])")
    (record,) = read_games(load("go:size=9"), find_in_sgf(path), first=0)
    assert len(record.moves) == 2


def test_games_of_go_keep_their_start_and_their_result(tmp_path: Path) -> None:
    game = load("go:size=5,komi=7.5")
    records = list(read_games(game, find_in_sgf(sgf_file(tmp_path)), first=0))
    assert len(records) >= 18, "of a few the players pass twice at once"
    assert all(record.start is not None for record in records), "their komi is 0.5"
    for record in records:
        play_moves(game, record)


def test_a_result_that_our_rules_do_not_give_is_that_of_the_players() -> None:
    """White has won on the board by area, but Black's stones were dead."""
    position = load("go:size=5,komi=0.5").position()
    for move in ("C3", "pass", "pass"):
        position.play(move)
    outcome = position.outcome()
    assert outcome is not None and outcome.values[0] == 1
    agreed = record_of(position, 1.0, 0, "")
    assert agreed is not None and len(agreed.moves) == 3
    other = record_of(position, -1.0, 0, "")
    assert other is not None and len(other.moves) == 2 and other.result == -1
    play_moves(position.game, other)
    assert len(position.moves) == 3, "the caller's position is as it was"


def test_a_game_without_moves_result_or_turns_teaches_nothing() -> None:
    position = load(GO).position()
    assert record_of(position, 1.0, 0, "") is None
    position.play("C3")
    assert record_of(position, None, 0, "") is None
    position.set_to_play(0)
    position.play("C2")
    assert record_of(position, 1.0, 0, "") is None, "Black has moved twice"


def test_a_broken_game_is_left_out_and_said_to_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "games.pgn"
    path.write_text(
        '[Result "1-0"]\n\n1. e4 e5 1-0\n\n[Result "1-0"]\n\n1. e4 Ke4 1-0\n\n'
        '[Result "*"]\n\n1. d4 *\n\n[Result "0-1"]\n\n1. d4 0-1\n'
    )
    with caplog.at_level(logging.WARNING):
        records = list(read_games(load(CHESS), find_in_pgn(path), first=0))
    assert [record.game_id for record in records] == [0, 3]
    assert "games.pgn, game 2: line 7: 1... Ke4" in caplog.text
    assert "games.pgn, game 3" in caplog.text
    path.write_text('[Result "1-0"]\n\n1. e4 Ke4 1-0\n')
    with pytest.raises(UserError, match="none of these games"):
        list(read_games(load(CHESS), find_in_pgn(path), first=0))
    assert list(read_games(load(CHESS), find_in_pgn(path), first=1)) == [], "of a resumed run"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("B+3.5", 1),
        ("W+R", -1),
        ("w+resign", -1),
        ("0", 0),
        ("Draw", 0),
        ("Void", None),
        ("", None),
    ],
)
def test_results_of_sgf(text: str, value: float | None) -> None:
    assert winner(text) == value


def test_recorded_games_give_their_games_in_order_and_are_exhausted_then(tmp_path: Path) -> None:
    records = list(read_games(load(CHESS), find_in_pgn(pgn_file(tmp_path, 70)), first=0))
    source = RecordedGames(iter(records))
    assert source.collect(False) is None and not source.is_exhausted
    first, second = source.collect(True), source.collect(True)
    assert first is not None and second is not None
    assert first.records == records[:GAMES_PER_BATCH]
    assert second.records == records[GAMES_PER_BATCH:]
    assert source.collect(True) is None and source.is_exhausted


# -- runs ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_network_learns_the_moves_of_a_file_and_goes_on_by_self_play(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, more = tmp_path / "run", tmp_path / "more"
    path = pgn_file(tmp_path, 30)
    settings = [f"game={CHESS}", *SETTINGS]
    assert main(["pretrain", *settings, "--pgn", str(path), "--run-dir", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "policy accuracy: 0." in printed and f"--network {run}" in printed
    assert len(Store(run / "records")) == 30
    player = make_player(f"policy:{run}", load(CHESS))
    position = load(CHESS).position()
    assert position.is_legal(player.choose([position], np.random.default_rng(0))[0])
    changes = [*settings, f"run.start_from={run}", "search.simulations=2", "run.games=2"]
    changes += ["self_play.parallel_games=2", "self_play.games_per_work_item=2", "run.minutes=0.2"]
    assert main(["train", *changes, "--local", "--run-dir", str(more)]) == 0
    other = [*changes, "network.size=b2c16", "--local", "--run-dir", str(tmp_path / "other")]
    assert main(["train", *other]) == 2
    said = "run.start_from = .* has network.size = b1c16, the settings say b2c16"
    assert re.search(said, capsys.readouterr().err) and not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_stopped_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    config = load_config(None, [f"game={GO}", *SETTINGS])
    path = sgf_file(tmp_path, 100)
    whole = pretrain(config, [path], "sgf", directory=tmp_path / "whole")
    assert whole.finished and whole.progress.games >= 90
    short = replace(config, run=replace(config.run, games=GAMES_PER_BATCH - 10))
    pretrain(short, [path], "sgf", directory=tmp_path / "parts")
    resumed = pretrain(config, [path], "sgf", directory=tmp_path / "parts")
    assert resumed.progress.games == whole.progress.games
    assert resumed.progress.positions == whole.progress.positions
    assert resumed.progress.steps == whole.progress.steps > 0
    paths = [latest(summary.directory / "checkpoints") for summary in (whole, resumed)]
    networks = [read_file(weights_file(path))[1] for path in paths if path is not None]
    for name, weights in networks[0].items():
        assert np.array_equal(networks[1][name], weights), f"{name} differs"
    ids = [record.game_id for record in Store(tmp_path / "parts" / "records").records()]
    assert sorted(ids) == sorted(set(ids))


def test_what_cannot_be_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file or folder"):
        list_files([tmp_path / "none.pgn"], "pgn")
    with pytest.raises(UserError, match=r"no \.sgf files"):
        list_files([tmp_path], "sgf")
    path = pgn_file(tmp_path, 1)
    config = load_config(None, ["game=connect4"])
    with pytest.raises(UserError, match="connect4"):
        pretrain(config, [path], "pgn", directory=tmp_path / "run")
