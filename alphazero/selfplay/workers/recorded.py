"""Games that people or programs have played, in the place of an executor that plays them.

Everything else of a run is as ever: games go to the disk and into the replay window, a share of
them is held out for validation, and a run that was killed goes on where it was.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from alphazero.data.record import GameRecord
from alphazero.game import Game, Position
from alphazero.selfplay.workers.inline import Call, Chunk, Weights

GAMES_PER_CHUNK = 64


class Library:
    """Hands out records, in order, to a learner that has nothing better to do."""

    plays_in_collect = False

    def __init__(self, records: Iterator[GameRecord]) -> None:
        self.records = records
        self.workers, self.replaced = 1, 0
        self.is_exhausted = False

    def start(self, version: int, weights: Weights) -> None:
        pass

    def publish(self, version: int, weights: Weights) -> None:
        pass

    def collect(self, wait: bool) -> Chunk | None:
        if not wait:
            return None
        records = list(itertools.islice(self.records, GAMES_PER_CHUNK))
        if not records:
            self.is_exhausted = True
            return None
        call = Call(records[0].game_id, len(records))
        plies = sum(len(record.moves) for record in records)
        stats = {"games": float(len(records)), "plies": float(plies)}
        return Chunk(call, 0, records, stats, worker="files")

    def close(self) -> None:
        pass


def record_of(
    position: Position, result: float | None, game_id: int, source: str
) -> GameRecord | None:
    """A game's main line up to `position`, every move a policy target; `result` is for the first
    player, None if nobody knows it.

    Where our rules end the game otherwise than it ended, as area scoring does with dead stones on
    the board or a repetition that nobody claimed, the last move is left out, and the result is that
    of the players. Returns None for what nobody can learn from: a game without moves or result, or
    one in which somebody moved twice.
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
    """The state before the first move; None if it is the game's own."""
    start = position.start_state.tobytes()
    return None if start == game.position().start_state.tobytes() else start
