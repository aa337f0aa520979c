"""Match results: counts, Elo differences, tables for people and files."""

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from alphazero.arena.rating import (
    EloDifference,
    Rating,
    Sprt,
    elo_difference,
    elo_difference_of_counts,
)
from alphazero.data.record import GameRecord, write_shard
from alphazero.data.record_text import write_text
from alphazero.errors import UserError
from alphazero.files import atomic_write
from alphazero.game import Game


class Tally(NamedTuple):
    """Results of one player."""

    wins: int = 0
    draws: int = 0
    losses: int = 0

    @property
    def games(self) -> int:
        return sum(self)

    @property
    def score(self) -> float:
        """The share of the points made; 1/2 without games."""
        return (self.wins + self.draws / 2) / self.games if self.games else 0.5

    def plus(self, points: float) -> "Tally":
        """Add a game that brought 0, 1/2 or 1 point."""
        return Tally(
            self.wins + (points == 1), self.draws + (points == 0.5), self.losses + (points == 0)
        )


@dataclass(frozen=True, repr=False)
class MatchResult:
    """The result of a match between players a and b; scores and Elo are those of a."""

    game: Game
    a: str
    b: str
    opening_plies: int
    as_first: Tally  # games in which a moved first
    as_second: Tally
    pairs: tuple[int, ...]  # [5], see above
    records: list[GameRecord]  # in the order of the games
    sprt: Sprt | None = None

    @property
    def total(self) -> Tally:
        wins, draws, losses = (
            sum(both) for both in zip(self.as_first, self.as_second, strict=True)
        )
        return Tally(wins, draws, losses)

    @property
    def score(self) -> float:
        """The share of the points that a made."""
        return self.total.score

    @property
    def elo(self) -> EloDifference:
        """The Elo difference of a to b; from pairs where openings make two games dependent."""
        return (
            elo_difference_of_counts(self.pairs)
            if self.opening_plies
            else elo_difference(*self.total)
        )

    @property
    def decision(self) -> float | None:
        """The Elo difference that the sequential test has accepted, if it has."""
        return self.sprt.decision(self.pairs) if self.sprt else None

    @property
    def different_games(self) -> int:
        """The number of different games: players without randomness repeat theirs."""
        return len({record.moves.tobytes() for record in self.records})

    def __repr__(self) -> str:
        won, drawn, lost = self.total
        return (
            f"<{self.a} against {self.b} at {self.game.spec}: {won} won, {drawn} drawn, {lost} lost"
            f", Elo difference {self.elo}>"
        )

    def __str__(self) -> str:
        rows = [
            ("", "games", "won", "drawn", "lost", "score"),
            *(
                (label, str(tally.games), *(str(count) for count in tally), f"{tally.score:.1%}")
                for label, tally in (
                    ("moving first", self.as_first),
                    ("moving second", self.as_second),
                    ("all", self.total),
                )
            ),
        ]
        openings = f"openings of {self.opening_plies} random plies, each played twice"
        lines = [
            f"{self.a} against {self.b} at {self.game.spec}",
            *format_table(rows),
            f"Elo difference {self.elo} (95 %), {self.different_games} different games",
            openings if self.opening_plies else "no random openings",
        ]
        if self.sprt is not None:
            low, high = self.sprt.bounds
            accepted = self.decision
            lines.append(
                f"SPRT {self.sprt.elo0:g} or {self.sprt.elo1:g} Elo: log-likelihood ratio "
                f"{self.sprt.llr(self.pairs):.2f} ({low:.2f} to {high:.2f}), "
                + ("undecided" if accepted is None else f"accepts {accepted:g}")
            )
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        """The numbers for JSON; an open bound is None."""
        elo, low, high = (value if abs(value) < 1e9 else None for value in self.elo)
        return {
            "game": self.game.spec,
            "a": self.a,
            "b": self.b,
            "opening_plies": self.opening_plies,
            "as_first": self.as_first._asdict(),
            "as_second": self.as_second._asdict(),
            "pairs": list(self.pairs),
            "score": self.score,
            "elo": {"difference": elo, "low": low, "high": high},
            "different_games": self.different_games,
            "sprt": None if self.sprt is None else vars(self.sprt) | {"accepted": self.decision},
        }

    def save(self, directory: Path | str) -> Path:
        """Write all games as a shard and as text, and the result as JSON, into a folder.

        Files of an earlier match are kept: a number is added to the name. Returns the path of the
        files without their suffix. Raises UserError when they cannot be written.
        """
        seed = self.records[0].seed if self.records else 0
        name = re.sub(r"[^\w=.-]+", "_", f"{self.a}-vs-{self.b}")[-120:]
        path = _reserve(Path(directory), f"{name}-seed{seed}")
        sheets = [write_text(record, self.game) for record in self.records]
        summary = json.dumps(self.summary(), indent=1) + "\n"
        write_shard(path.with_name(f"{path.name}.npz"), self.records)
        atomic_write(path.with_name(f"{path.name}.txt"), "\n".join(sheets).encode())
        atomic_write(path.with_name(f"{path.name}.json"), summary.encode())
        return path


def _reserve(directory: Path, name: str) -> Path:
    """A path for a match's files that no other match has, here or in another process.

    Raises UserError when the folder cannot be written.
    """
    for number in itertools.count(1):
        path = directory / (name if number == 1 else f"{name}-{number}")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path.with_name(f"{path.name}.json").open("x").close()
        except FileExistsError:
            if directory.is_dir():
                continue
            raise UserError(f"cannot write into {directory}: it is not a folder") from None
        except OSError as error:
            raise UserError(f"cannot write into {directory}: {error.strerror}") from error
        return path
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class RoundRobin:
    """The result of a round robin."""

    ratings: list[Rating]  # strongest first
    matches: list[MatchResult]

    def __str__(self) -> str:
        names = [rating.name for rating in self.ratings]
        rows = [("", "Elo", "+/-", "games", "score", *(str(i + 1) for i in range(len(names))))]
        for place, rating in enumerate(self.ratings, 1):
            share = rating.score / rating.games
            against = [self._points(rating.name, other) for other in names]
            numbers = (
                f"{rating.elo:+.0f}",
                f"{rating.error:.0f}",
                str(rating.games),
                f"{share:.1%}",
            )
            rows.append((f"{place} {rating.name}", *numbers, *against))
        return "\n".join(format_table(rows))

    def _points(self, name: str, other: str) -> str:
        """The points of one player against another, as text."""
        for match in self.matches:
            won, drawn, lost = match.total
            if (match.a, match.b) == (name, other):
                return f"{won + drawn / 2:g}"
            if (match.b, match.a) == (name, other):
                return f"{lost + drawn / 2:g}"
        return "-"


def format_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows as aligned columns, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
