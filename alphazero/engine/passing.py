"""The answer to a pass: a pass that ends the game, or the moves that can still gain something.

An engine that goes by its search alone fills its own territory while its opponent passes, until it
has no eyes left. By the judge's opinion (`judge.py`) it passes instead where that wins, and where
no move gains anything; otherwise it looks only at moves that may.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from alphazero.engine.analysis import Analysis
from alphazero.engine.engine import Engine
from alphazero.engine.judge import Judgement
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.engine.territory import LIKELY, Estimate, chain_at, estimate
from alphazero.game import Position

# Shares of the points up to which a game may be over: of those without a likely owner, and of those
# without a sure one.
UNDECIDED, UNSURE = 0.25, 0.5
SURE = 0.7  # ownership
# Ownership of the opponent's points from which they are not worth a move, which may cost a point.
INVADABLE = {"area": 0.8, "territory": 0.3}
JUDGE_SECONDS = 0.003  # per point of the board, that the judge takes
LARGEST_DAME = 2  # points in one place that are nobody's, in a game whose borders are closed
SETTLED = 0.8  # ownership of the player's own points from which a move there looks wasted
PASS_LIMITS = SearchLimits(64, fresh=True)
MOST_LOST = 0.1  # of a value, by a pass instead of a move
NEAR_DEAD = 2  # steps from dead stones at which moves help to capture them


class PassAnswer(NamedTuple):
    """The answer to a pass of the opponent."""

    reason: str  # to pass, in words; empty to move
    moves: list[int] | None = None  # to choose from, perhaps the pass among them; None for all


def answer_to_pass(engine: Engine, position: Position, seconds: float | None = None) -> PassAnswer:
    """Decide on the answer of the player to move, whose opponent has passed, by the position's own
    rules.

    Where the player has too few seconds for the judge, the network's ownership alone decides, or
    random playouts without a network.
    """
    stones, sign = position.game.stones, 1 if position.to_play == 0 else -1
    assert stones is not None, "a game of stones"
    removes_dead = stones.terms(position.state).removes_dead
    if not removes_dead:
        counted = sign * stones.count(position.state, None).score
        if counted > 0:
            return PassAnswer(f"it wins by {counted:g} points as the board stands")
    pass_action = position.game.num_actions - 1
    estimated = estimate(position, engine.auxiliary)
    expected = estimated.ownership
    if is_open(expected):
        # The count that a pass leads to would be anybody's guess, unless the board as it stands is.
        moves = [action for action in position.legal_actions() if action != pass_action]
        return PassAnswer("", moves if removes_dead and moves else None)
    if seconds is None or seconds >= JUDGE_SECONDS * expected.size:
        judgement = engine.judge(position)
    else:
        judgement = hasty_judgement(position, estimated)
    if removes_dead:
        margin = least_margin(position, judgement)
        if margin > 0:
            return PassAnswer(f"it expects to win by {margin:g} points or more")
    moves = gainful_moves(position, judgement, sign * expected)
    return PassAnswer("", moves) if moves else PassAnswer("there is nothing left to gain")


def is_open(expected: np.ndarray) -> bool:
    """Return True for an ownership [H, W] of which too much is open for an end of the game."""
    owned = np.abs(expected)
    return (owned < LIKELY).mean() > UNDECIDED or (owned < SURE).mean() > UNSURE


def hasty_judgement(position: Position, estimated: Estimate) -> Judgement:
    """Judge by an estimate, in which stones whose owner is not quite likely are in doubt."""
    stones = position.game.stones
    assert stones is not None, "a game of stones"
    dead, board = estimated.dead, stones.board(position.state)
    area = stones.area(position.state, dead)
    doubtful = (board != 0) & (np.abs(estimated.ownership) < SURE)
    owners = np.where(area == 2, -1, area).astype(np.float32)
    score = stones.count(position.state, dead).score
    return Judgement(owners, dead, np.zeros(board.shape, bool), doubtful, score)


def without_waste(
    engine: Engine, position: Position, analysis: Analysis, seconds: float | None = None
) -> Analysis:
    """Replace the move of an analysis by a pass where the rules count territory and the move only
    fills the player's own.

    That costs a point, of which a search by area knows nothing. The judge must see nothing to gain,
    and a short search no loss by the pass; with too few seconds for that the move stays.
    """
    stones, pass_action = position.game.stones, position.game.num_actions - 1
    assert stones is not None, "a game of stones"
    is_free = stones.terms(position.state).scoring == "area" or analysis.action == pass_action
    if is_free or not position.is_legal(pass_action):
        return analysis
    sign = 1 if position.to_play == 0 else -1
    expected = sign * estimate(position, engine.auxiliary).ownership
    is_hurried = seconds is not None and seconds < JUDGE_SECONDS * expected.size
    if expected.flat[analysis.action] < SETTLED or is_open(expected) or is_hurried:
        return analysis
    if gainful_moves(position, engine.judge(position), expected):
        return analysis
    passing = SearchRequest(position, PASS_LIMITS, [pass_action], seed=0, continuations=0)
    if engine.analyze(passing).value < analysis.value - MOST_LOST:
        return analysis
    return replace(analysis, action=pass_action)


def least_margin(position: Position, judgement: Judgement) -> float:
    """The points by which the player to move wins if the game ends now, with everything in doubt,
    and all points that are nobody's, counted for the opponent. Under territory scoring the latter
    are worth nothing."""
    stones, player = position.game.stones, position.to_play
    assert stones is not None, "a game of stones"
    board = stones.board(position.state)
    # Of the stones in doubt only the player's own are dead.
    dead = np.where(judgement.doubtful, board == player + 1, judgement.dead)
    nobodys = int(((board == 0) & (judgement.ownership == 0)).sum())
    if stones.terms(position.state).scoring == "territory":
        nobodys = 0
    score = stones.count(position.state, dead).score
    return (score if player == 0 else -score) - nobodys


def gainful_moves(position: Position, judgement: Judgement, expected: np.ndarray) -> list[int]:
    """List the moves that may gain something, none if there are none.

    `expected` [H, W] is the estimated ownership, 1 for points of the player to move. Under area
    scoring points that are nobody's are free to take, and worth more than a pass, unless that puts
    the player's own stones into atari, as in a seki. Also worth a look, beside the pass, are stones
    in doubt, open borders, territory of the opponent's that is not safe, and, unless they are taken
    off in the end, dead stones to capture.
    """
    stones, player = position.game.stones, position.to_play
    assert stones is not None, "a game of stones"
    terms, board = stones.terms(position.state), stones.board(position.state)
    owner = judgement.ownership if player == 0 else -judgement.ownership
    worthwhile = near(judgement.doubtful, 1) & (board == 0)
    for region in regions((board == 0) | judgement.dead):
        is_border = terms.scoring == "territory" and (region & (owner == 0)).sum() > LARGEST_DAME
        if is_border or worthwhile[region].any():
            worthwhile |= region
    if not terms.removes_dead:
        worthwhile |= near(judgement.dead & (board == 2 - player), NEAR_DEAD)
    worthwhile |= (owner < 0) & (expected > -INVADABLE[terms.scoring])
    free, others = [], []
    for action in position.legal_actions():
        if action == position.game.num_actions - 1:
            continue
        point = divmod(action, board.shape[1])
        if worthwhile[point]:
            others.append(action)
        elif (
            terms.scoring == "area" and owner[point] == 0 and liberties_after(position, action) > 1
        ):
            free.append(action)
    if free:
        return sorted(free + others)
    return [*others, position.game.num_actions - 1] if others else []


def capturing_moves(position: Position, judgement: Judgement) -> list[int] | None:
    """List the moves near dead stones of the opponent's or, if there are none, all but the pass;
    None without such stones."""
    stones, player = position.game.stones, position.to_play
    assert stones is not None, "a game of stones"
    dead = judgement.dead & (stones.board(position.state) == 2 - player)
    if not dead.any():
        return None
    close = near(dead, NEAR_DEAD).ravel()
    moves = [action for action in position.legal_actions() if action < len(close)]
    return [action for action in moves if close[action]] or moves or None


def near(points: np.ndarray, steps: int) -> np.ndarray:
    """The points within so many steps of some, bool [H, W]."""
    for _ in range(steps):
        padded = np.pad(points, 1)
        points = (
            points | padded[2:, 1:-1] | padded[:-2, 1:-1] | padded[1:-1, 2:] | padded[1:-1, :-2]
        )
    return points


def regions(points: np.ndarray) -> list[np.ndarray]:
    """The connected sets among some points, each bool [H, W]."""
    found, left = [], points.copy()
    while left.any():
        region = np.zeros(points.shape, bool)
        region[tuple(np.argwhere(left)[0])] = True
        while (grown := near(region, 1) & points).sum() > region.sum():
            region = grown
        found.append(region)
        left &= ~region
    return found


def liberties_after(position: Position, action: int) -> int:
    """The liberties of the stones at a point once a legal move is made there."""
    after = position.copy()
    after.play(action)
    stones = after.game.stones
    assert stones is not None, "a game of stones"
    board = stones.board(after.state)
    point = divmod(action, board.shape[1])
    chain = np.zeros(board.shape, bool)
    if board[point] == 0:  # it was suicide
        return 0
    chain[tuple(np.transpose(chain_at(board, point)))] = True
    return int((near(chain, 1) & (board == 0)).sum())
