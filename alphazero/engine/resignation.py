"""Resignation: one rule for every front end."""

LOST_WINRATE = 0.03  # the engine is lost while it expects less than this
LOST_TURNS = 10  # own turns in a row that it must have been lost
EARLIEST = 0.5  # moves made by both sides, as a share of the board's points


class Resignation:
    """Counts for each player how many turns in a row it has been lost.

    The engine resigns only when it has been lost for long, late in the game, and never in a game
    with handicap.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new game, or go on after a person declined the resignation."""
        self._lost_turns = [0, 0]

    def should_resign(
        self, player: int, winrate: float, moves: int, points: int, handicap: int
    ) -> bool:
        """Count one turn of a player whose winrate is given, and return True if it resigns.

        `moves` were made so far by both sides, on a board of `points`.
        """
        self._lost_turns[player] = self._lost_turns[player] + 1 if winrate < LOST_WINRATE else 0
        is_late = moves >= EARLIEST * points
        return self._lost_turns[player] >= LOST_TURNS and is_late and not handicap
