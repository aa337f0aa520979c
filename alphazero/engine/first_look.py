"""A move without a search, for a clock that would run out while the search is compiled.

It takes the rules, which are compiled first, and a look at the positions one move ahead: a move
that wins at once is made, else a capture by which nothing dearer can be lost, else any legal move.
"""

import numpy as np

from alphazero.game import Position

VALUES = {"p": 1, "n": 3, "b": 3, "r": 5, "q": 9, "k": 0}  # of pieces
RESERVE_SECONDS = 2.0  # of the clock that are kept for the moves after this one, at least
RESERVE_SHARE = 0.25
NAMED = "the search is not compiled yet: a look one move ahead"  # how such a move is told


def patience(clock: float) -> float:
    """Seconds to wait for the engine with so many left on the clock."""
    return max(clock - max(RESERVE_SECONDS, RESERVE_SHARE * clock), 0.0)


def first_look(position: Position) -> int:
    """Choose a legal move of a position that is not over, always the same one."""
    legal = position.legal_actions()
    order = np.random.default_rng(position.key).permutation(len(legal))
    pass_action = position.game.num_actions - 1 if position.game.stones is not None else -1
    best, highest = legal[0], -np.inf
    for action in (legal[place] for place in order):
        after = position.copy()
        after.play(action)
        worth = -1.0 if action == pass_action else takings(position, after)
        if after.is_over:
            worth = -1000.0 * after.value_to_move()  # for the player who would move next
        if worth > highest:
            best, highest = action, worth
    return best


def takings(before: Position, after: Position) -> float:
    """The worth of what a move has captured, 0 if the piece that captures is dearer."""
    game, player = before.game, before.to_play
    if game.stones is not None:
        taken = (
            game.stones.captures(after.state)[player] - game.stones.captures(before.state)[player]
        )
        return float(taken)
    if game.pieces is None:
        return 0.0
    old, new = game.pieces.board(before.state), game.pieces.board(after.state)
    own = str.isupper if player == 0 else str.islower
    gone = [piece for square, piece in old.items() if new.get(square) != piece]
    moved = sum(VALUES[piece.lower()] for piece in gone if own(piece))
    taken = sum(VALUES[piece.lower()] for piece in gone if not own(piece))
    return float(taken) if taken >= moved else 0.0
