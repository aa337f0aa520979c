"""Supervised pretraining on recorded games, the first stage of AlphaGo (Silver et al. 2016).

It is a run whose executor reads PGN or SGF files instead of playing: the network learns the moves
and the results, a share of the games is held out, and a killed run can be resumed. The result is a
run like any other: `play.py --network RUN` plays with it, and `train … run.start_from=RUN`
continues by self-play. (It is here and not in `learning`, because it is a whole run.)
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alphazero.config import Config
from alphazero.data.record import GameRecord
from alphazero.errors import UserError
from alphazero.formats.pgn.reader import replay, split_games
from alphazero.formats.sgf import read_sgf
from alphazero.formats.sgf.tree import decode_sgf, format_sgf, parse_sgf
from alphazero.game import Game, Position, load
from alphazero.run.loop import Summary, train
from alphazero.selfplay.workers.executor import GameBatch, Weights, WorkItem

log = logging.getLogger(__name__)

GAMES_PER_BATCH = 64


class Found(NamedTuple):
    """A game in a file, not replayed yet."""

    source: str  # the file and the number of the game in it
    read: Callable[[Game], tuple[Position, float | None]]  # may raise UserError


def pretrain(
    config: Config,
    files: Iterable[Path | str],
    kind: str,
    *,
    directory: Path | str | None = None,
    fresh: bool = False,
) -> Summary:
    """Learn from the games of files, or of all files of a kind ("pgn" or "sgf") in folders, up to
    their end or a limit of `config.run`.

    Games are numbered in the order of the files, which must not change if the run is to be resumed.
    Raises UserError for unreadable files and for settings that do not fit.
    """
    paths = list_files(files, kind)
    game = load(config.game)
    if (game.pieces if kind == "pgn" else game.stones) is None:
        raise UserError(f"{kind.upper()} files cannot hold games of {game.spec}")
    if kind == "sgf":  # the files lack the final ownership and score
        learner = replace(config.learner, auxiliary_weight=0.0, auxiliary_weights=())
        config = replace(config, learner=learner)
    find = find_in_pgn if kind == "pgn" else find_in_sgf

    def recorded(game: Game, first: int) -> RecordedGames:
        found = itertools.chain.from_iterable(map(find, paths))
        return RecordedGames(read_games(game, found, first))

    config = replace(config, run=replace(config.run, workers=0))
    return train(config, directory=directory, fresh=fresh, make_games=recorded)


class RecordedGames:
    """An executor that returns recorded games, in order, when the learner has nothing to do."""

    interruptible = False

    def __init__(self, records: Iterator[GameRecord]) -> None:
        self.records = records
        self.workers, self.replaced = 1, 0
        self.is_exhausted = False

    def start(self, version: int, weights: Weights) -> None:
        pass

    def publish(self, version: int, weights: Weights) -> None:
        pass

    def collect(self, wait: bool) -> GameBatch | None:
        if not wait:
            return None
        records = list(itertools.islice(self.records, GAMES_PER_BATCH))
        if not records:
            self.is_exhausted = True
            return None
        item = WorkItem(records[0].game_id, len(records))
        plies = sum(len(record.moves) for record in records)
        stats = {"games": float(len(records)), "plies": float(plies)}
        return GameBatch(item, 0, records, stats, worker="files")

    def drain(self) -> Iterator[GameBatch]:
        return iter(())

    def close(self, finished: bool = False) -> None:
        pass


def list_files(files: Iterable[Path | str], kind: str) -> list[Path]:
    """List files, and those of a kind in folders, by name. Raises UserError if there are none."""
    found: list[Path] = []
    for path in (Path(file).expanduser() for file in files):
        if path.is_dir():
            inside = [one for one in path.rglob("*") if one.suffix.lower() == f".{kind}"]
            if not inside:
                raise UserError(f"there are no .{kind} files in {path}")
            found += sorted(inside)
        elif path.is_file():
            found.append(path)
        else:
            raise UserError(f"there is no file or folder {path}")
    return found


def read_games(game: Game, found: Iterable[Found], first: int) -> Iterator[GameRecord]:
    """Yield the records of games, numbered in their order, from number `first` on.

    Unusable games are skipped with a warning. Raises UserError at the end if all are.
    """
    usable = first > 0
    for number, one in enumerate(found):
        if number < first:
            continue
        try:
            position, result = one.read(game)
        except UserError as error:
            log.warning("skipped: %s: %s", one.source, error)
            continue
        record = record_of(position, result, number, one.source) if position.game is game else None
        if record is None:
            log.warning(
                "skipped: %s: no alternating moves, no result, or another board", one.source
            )
            continue
        usable = True
        yield record
    if not usable:
        raise UserError("none of these games is usable; the warnings above say why")


def find_in_pgn(path: Path) -> Iterator[Found]:
    """Yield the games of a PGN file lazily."""
    with path.open("rb") as file:
        for number, written in enumerate(split_games(file), start=1):

            def read(game: Game, written=written) -> tuple[Position, float | None]:
                played = replay(written, game)
                # A game that goes on after our rules have ended it is usable up to that point.
                if played.error and not played.position.is_over:
                    raise UserError(played.error)
                return played.position, played.result

            yield Found(f"{path}, game {number}", read)


def find_in_sgf(path: Path) -> Iterator[Found]:
    """Yield the games of an SGF file, which may be a collection."""
    try:
        roots = parse_sgf(decode_sgf(path.read_bytes()))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    for number, root in enumerate(roots, start=1):

        def read(game: Game, root=root) -> tuple[Position, float | None]:
            content = format_sgf([root]).encode()
            played = read_sgf(content, game=game)
            if played.left_out is not None:  # what follows is the game of another position
                played = read_sgf(content, played.left_out, game=game)
            return played.position, winner(played.info.result)

        yield Found(f"{path}, game {number}", read)


def winner(result: str) -> float | None:
    """Convert an SGF result such as B+3.5 or W+R to Black's, in [-1, 1]; None if it is unknown."""
    text = result.strip().upper()
    if text in ("0", "DRAW", "JIGO"):
        return 0.0
    return {"B+": 1.0, "W+": -1.0}.get(text[:2])


def record_of(
    position: Position, result: float | None, game_id: int, source: str
) -> GameRecord | None:
    """Make a record of the moves up to `position`, each a policy target of its ply; `result` is for
    the first player, None if unknown.

    Where our rules give another result than the players agreed on, as area scoring does with dead
    stones on the board, the last move is left out and the players' result is kept. Returns None for
    a game without moves or result, or one in which a player moved twice in a row.
    """
    game, position = position.game, position.copy()
    outcome = position.outcome()
    if outcome is not None:
        if result is None:
            result = outcome.values[0]
        elif outcome.values[0] != result:
            position.undo()
    movers = position.movers
    if result is None or not movers or any(map(int.__eq__, movers, movers[1:])):
        return None
    plies = len(position.moves)
    return GameRecord(
        game=game.spec,
        game_id=game_id,
        seed=0,
        version=0,
        start=start_of(position, game),
        moves=np.array(position.moves),
        root_values=np.full(plies, np.nan, np.float32),
        policy_offsets=np.arange(plies + 1),
        policy_actions=np.array(position.moves),
        policy_weights=np.ones(plies, np.float32),
        result=result,
        info={"source": source},
    )


def start_of(position: Position, game: Game) -> bytes | None:
    """Return the state before the first move; None if it is the game's own start."""
    start = position.start_state.tobytes()
    return None if start == game.position().start_state.tobytes() else start
