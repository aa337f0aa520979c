"""The game contract as checks that run: `python -m alphazero check GAME`.

Each check states one identity in the first line of its docstring and looks for a position, among
those of random games, where it does not hold. The first such position is the `Failure`, with the
moves that lead there. What no general check can know is whether these are the rules that were
meant: give every game an oracle of its own as well (`tests/test_games.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alphazero.game import Game
from alphazero.game.check.identities import (
    IDENTITIES,
    both_players_move,
    last_moves_show,
    the_mover_shows,
    the_winner_moved_last,
)
from alphazero.game.check.sample import (
    Check,
    Sample,
    board_text,
    moves_text,
    prolonged_games,
    random_games,
)
from alphazero.game.check.static import (
    declaration,
    interpreted_rules,
    permutations,
    planes_are_bytes,
    reading_changes_nothing,
)
from alphazero.game.trial import Violation

GROUND: tuple[Check, ...] = (
    declaration,
    permutations,
    interpreted_rules,
    reading_changes_nothing,
)
PLAYOUTS: tuple[Check, ...] = (random_games, prolonged_games, planes_are_bytes)
WARNINGS: tuple[Check, ...] = (
    last_moves_show,
    the_winner_moved_last,
    both_players_move,
    the_mover_shows,
)


@dataclass(frozen=True)
class Failure:
    """An identity of the contract, and where it does not hold."""

    identity: str
    problem: str
    moves: str = ""  # that lead there, as people write them
    board: str = ""
    warning: bool = False  # probably a mistake, though a game may be meant so

    def __str__(self) -> str:
        lines = [f"{'warning' if self.warning else 'failed'}: {self.identity}", f"  {self.problem}"]
        if self.moves:
            lines.append(f"  after: {self.moves}")
        return "\n".join(lines + [f"    {line}" for line in self.board.splitlines()])


def check(
    game: Game, games: int = 100, seed: int = 0, report: Callable[[str], None] | None = None
) -> list[Failure]:
    """Look for violations of the contract in random games; `report` hears a line per identity.

    Failures whose `warning` is set do not break the engine. Once a check that others rely on has
    failed, the rest is left out: compiled rules that break it may crash.
    """
    say = report or (lambda line: None)
    sample = Sample(game, np.random.default_rng(seed), games, [], [])
    failures: list[Failure] = []
    for stage in (GROUND, PLAYOUTS, IDENTITIES):
        if any(not failure.warning for failure in failures):
            say("skipped  the remaining checks, which rely on these")
            break
        for one in stage:
            failure = _run(one, sample)
            verdict = "ok" if failure is None else "warning" if failure.warning else "FAILED"
            say(f"{verdict:8} {_identity(one)}")
            if failure is not None:
                failures.append(failure)
    return failures


def _run(one: Check, sample: Sample) -> Failure | None:
    identity, warning = _identity(one), one in WARNINGS
    sample.current = None
    try:
        one(sample)
    except Violation as violation:
        problem, position = violation.problem, violation.position
    except Exception as error:  # the author's code: whatever it raises is what it did wrong
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f" in {frame.tb_frame.f_code.co_name}, line {frame.tb_lineno}" if frame else ""
        problem, position = f"{type(error).__name__}: {error}{where}", sample.current
    else:
        return None
    if position is None:
        return Failure(identity, problem, warning=warning)
    return Failure(identity, problem, moves_text(position), board_text(position), warning)


def _identity(one: Check) -> str:
    return (one.__doc__ or one.__name__).splitlines()[0]
