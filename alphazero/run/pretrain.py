"""Learning to play as people do, the first stage of AlphaGo (Silver et al. 2016).

A run whose games come from PGN or SGF files instead of self-play: the network learns the moves that
were played and who won. What comes out is a run like any other: `play.py --network RUN` plays with
it, and `train … run.start_from=RUN` goes on by self-play (the second stage).
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from alphazero.config import Config
from alphazero.data.record import GameRecord
from alphazero.errors import UserError
from alphazero.formats.pgn.reader import replay, split_games
from alphazero.formats.sgf import read_sgf
from alphazero.formats.sgf.tree import decode_sgf, format_sgf, parse_sgf
from alphazero.game import Game, Position, load
from alphazero.run.loop import Summary, train
from alphazero.run.trainer import Trainer
from alphazero.selfplay.workers.recorded import Library, record_of

log = logging.getLogger(__name__)


class Found(NamedTuple):
    """A game in a file, not played through yet."""

    source: str  # the file, and the number of the game in it
    read: Callable[[Game], tuple[Position, float | None]]  # may raise UserError


def pretrain(
    config: Config,
    files: Iterable[Path | str],
    kind: str,
    *,
    directory: Path | str | None = None,
    fresh: bool = False,
) -> Summary:
    """Learn from all games of these files, or of the files of this kind ("pgn" or "sgf") in these
    folders, until they are at an end or a limit of `config.run` is reached.

    Games are numbered in the order of the files, which must stay as they are if the run is to be
    resumed. Raises UserError for files that cannot be read and for settings that do not fit.
    """
    paths = list_files(files, kind)
    game = load(config.game)
    if (game.pieces if kind == "pgn" else game.stones) is None:
        raise UserError(f"{kind.upper()} files hold no games of {game.spec}")
    if kind == "sgf":  # files do not say whose the points were in the end
        learner = replace(config.learner, auxiliary_weight=0.0, auxiliary_weights=())
        config = replace(config, learner=learner)
    find = find_in_pgn if kind == "pgn" else find_in_sgf

    def library(config: Config, trainer: Trainer, address: str | None) -> Library:
        found = itertools.chain.from_iterable(map(find, paths))
        return Library(read_games(trainer.game, found, trainer.next_game))

    config = replace(config, run=replace(config.run, workers=0))
    return train(config, directory=directory, fresh=fresh, make_executor=library)


def list_files(files: Iterable[Path | str], kind: str) -> list[Path]:
    """Files, and those of a kind within folders, by name. Raises UserError if there are none."""
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
    """The records of games, numbered in their order, from number `first` on.

    A game that cannot be learned from is left out, with a line in the log that says why. Raises
    UserError in the end if none can.
    """
    learned = first > 0
    for number, one in enumerate(found):
        if number < first:
            continue
        try:
            position, result = one.read(game)
        except UserError as error:
            log.warning("left out: %s: %s", one.source, error)
            continue
        record = record_of(position, result, number, one.source) if position.game is game else None
        if record is None:
            log.warning("left out: %s: no moves by turns, no result, or another board", one.source)
            continue
        learned = True
        yield record
    if not learned:
        raise UserError("none of these games can be learned from; the lines above say why")


def find_in_pgn(path: Path) -> Iterator[Found]:
    """The games of a PGN file, one after the other as they are wanted."""
    with path.open("rb") as file:
        for number, written in enumerate(split_games(file), start=1):

            def read(game: Game, written=written) -> tuple[Position, float | None]:
                played = replay(written, game)
                # A game that our rules have ended before it was over is good as far as it goes.
                if played.error and not played.position.is_over:
                    raise UserError(played.error)
                return played.position, played.result

            yield Found(f"{path}, game {number}", read)


def find_in_sgf(path: Path) -> Iterator[Found]:
    """The games of an SGF file, which may be a collection."""
    try:
        roots = parse_sgf(decode_sgf(path.read_bytes()))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    for number, root in enumerate(roots, start=1):

        def read(game: Game, root=root) -> tuple[Position, float | None]:
            played = read_sgf(format_sgf([root]).encode(), game=game)
            return played.position, winner(played.info.result)

        yield Found(f"{path}, game {number}", read)


def winner(result: str) -> float | None:
    """An SGF result such as B+3.5 or W+R, for Black; None for what decides nothing."""
    text = result.strip().upper()
    if text in ("0", "DRAW", "JIGO"):
        return 0.0
    return {"B+": 1.0, "W+": -1.0}.get(text[:2])
