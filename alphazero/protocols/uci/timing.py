"""How long to think about a move, by what `go` says of the clocks."""

from alphazero.engine.clock import Clock, TimeControl
from alphazero.protocols.uci.words import Go

USUAL_MOVES = 45  # of one player in a game
FEWEST_MOVES = 20  # still to come that are reckoned with, however long a game has lasted
RESERVE_MOVES = 0.3  # kept for when more time is added only after so many moves
MILLISECONDS = 1000


def seconds_to_think(go: Go, player: int, moves_made: int, overhead: float) -> float | None:
    """Seconds for this player's next move after so many of its own; None where nothing is said of
    time. `overhead` seconds are lost on every move between the two programs."""
    if go.move_time is not None:
        control = TimeControl(0, overtime=go.move_time / MILLISECONDS, periods=1)
        return Clock(control).seconds(1, overhead)
    # Some programs tell only the clock that runs.
    left = go.time[player] if go.time[player] is not None else go.time[1 - player]
    if left is None:
        return None
    control = TimeControl(left / MILLISECONDS, increment=go.increment[player] / MILLISECONDS)
    to_go = max(USUAL_MOVES - moves_made, FEWEST_MOVES)
    if go.moves_to_go is not None:
        to_go = min(go.moves_to_go + RESERVE_MOVES, to_go)
    return Clock(control).seconds(to_go, overhead)
