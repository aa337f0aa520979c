"""Exhaustive play: a player meets every line that an opponent can choose, from both seats.

Positions are met level by level, one ply after the other, each distinct one once: the player is
asked about it, the opponent tries every legal move. A *line* is one game from the start to the end;
lines that transpose into one position are searched once and counted as many times as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alphazero.arena.match import choose_moves, describe
from alphazero.arena.players import Player
from alphazero.errors import UserError
from alphazero.game import Game, Position

AT_ONCE = 4096  # positions that a player is asked about
MOST_POSITIONS = 200_000  # on one level; beyond that a proof takes hours


@dataclass(frozen=True)
class Lines:
    """All lines with the player in one seat, and how they ended for the player."""

    wins: int
    draws: int
    losses: int
    positions: int  # distinct positions, over all plies, in which the player had to move
    lost_line: list[int] | None  # the moves of one of the shortest losses
    lost_text: str  # the same for people, with the final board; "" if there is none

    @property
    def lines(self) -> int:
        return self.wins + self.draws + self.losses

    def __str__(self) -> str:
        return f"{self.lines} lines: {self.wins} won, {self.draws} drawn, {self.losses} lost"


class Proof(NamedTuple):
    """The results of a player against every line of play."""

    as_first: Lines
    as_second: Lines

    @property
    def lines(self) -> int:
        return self.as_first.lines + self.as_second.lines

    @property
    def losses(self) -> int:
        return self.as_first.losses + self.as_second.losses

    @property
    def unbeaten(self) -> bool:
        return self.losses == 0

    def __str__(self) -> str:
        text = f"moving first   {self.as_first}\nmoving second  {self.as_second}"
        for lines in (self.as_first, self.as_second):
            if lines.lost_text:
                text += f"\na loss {lines.lost_text}"
        return text


def prove_unbeaten(
    player: Player,
    game: Game,
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> Proof:
    """Try every line against a player, in both seats.

    The player is asked once about every position, with one generator made from the seed: what is
    proven holds for the moves it then chose. `progress` gets lines about how far it is. Raises
    UserError when the game is too large.
    """
    return Proof(*(_every_line(player, game, seat, seed, progress) for seat in (0, 1)))


def _every_line(
    player: Player, game: Game, seat: int, seed: int, progress: Callable[[str], None]
) -> Lines:
    rng = np.random.default_rng([seed, seat])
    level: dict[object, tuple[Position, int]] = {None: (game.position(), 1)}
    tally = [0, 0, 0]  # losses, draws, wins
    asked = 0
    lost: Position | None = None
    while level:
        asking = [position for position, _ in level.values() if position.to_play == seat]
        asked += len(asking)
        chosen: list[int] = []
        for first in range(0, len(asking), AT_ONCE):
            progress(
                f"every line, moving {('first', 'second')[seat]}: ply {len(asking[0].moves) + 1},"
                f" {first:,} of {len(asking):,} positions"
            )
            chosen += choose_moves(player, asking[first : first + AT_ONCE], rng)
        answers = iter(chosen)
        following: dict[object, tuple[Position, int]] = {}
        for position, count in level.values():
            own = position.to_play == seat
            for action in [next(answers)] if own else position.legal_actions():
                after = position.copy()
                after.play(action)
                outcome = after.outcome()
                if outcome is None:
                    name = _identity(after)
                    met = following.get(name, (after, 0))
                    following[name] = (met[0], met[1] + count)
                    continue
                result = int(np.sign(outcome.values[seat]))
                tally[result + 1] += count
                if result < 0 and lost is None:
                    lost = after
        if len(following) > MOST_POSITIONS:
            raise UserError(
                f"{game.spec} is too large to try every line: more than {MOST_POSITIONS} positions"
                f" after {len(following[next(iter(following))][0].moves)} plies"
            )
        level = following
    return Lines(
        wins=tally[2],
        draws=tally[1],
        losses=tally[0],
        positions=asked,
        lost_line=None if lost is None else lost.moves.copy(),
        lost_text="" if lost is None else describe(lost),
    )


def _identity(position: Position) -> object:
    """The identity of a position: its key, or all earlier keys where the rules look at them."""
    return tuple(position.moves) if position.game.uses_keys else position.key
