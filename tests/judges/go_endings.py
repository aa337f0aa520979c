"""GNU Go 3.8's verdicts on finished games of its own, to compare our judge's with.

    python -m tests.judges.go_endings         all games, with every difference in status
    python -m tests.judges.go_endings 9 20    the first 20 on 9x9

The games lie in `tests/golden/judge/gnugo{9,13,19}.sgf`, a line each: random openings of up to six
moves, then GNU Go at levels 1 to 10 on both sides until both pass. RE is its `final_score`, the
comment its `final_status_list`.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alphazero.engine.judge import Judgement, judge
from alphazero.engine.territory import chains
from alphazero.formats.sgf import read_sgf
from alphazero.game import Position, load
from alphazero.network.find import evaluator

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "judge"


class Ending(NamedTuple):
    """A finished game and GNU Go's verdict on it."""

    position: Position
    score: float  # Black's points minus White's
    dead: set[str]  # vertices
    seki: set[str]


class Comparison(NamedTuple):
    """Our verdict on one game against GNU Go's."""

    same_winner: bool
    stones: int
    same_life: int  # stones that both call dead, or both alive
    differences: list[str]


def endings(size: int, count: int = 1000) -> Iterator[Ending]:
    """The first `count` games of a size."""
    lines = (FOLDER / f"gnugo{size}.sgf").read_text().splitlines()[:count]
    komi = re.search(r"KM\[([\d.]+)]", lines[0])
    assert komi is not None
    game = load(f"go:size={size},komi={komi[1]},rules=chinese")
    for line in lines:
        position = read_sgf(line.encode(), game=game).position
        result = re.search(r"RE\[(\w)\+?([\d.]*)]", line)
        verdict = re.search(r"C\[(.*?)]", line)
        assert result is not None and verdict is not None
        score = float(result[2] or 0) * (1 if result[1] == "B" else -1)
        lists = dict(part.split(": ") for part in verdict[1].split("; ") if part)
        dead, seki = (set(lists.get(name, "").split()) for name in ("dead", "seki"))
        yield Ending(position, score, dead, seki)


def compare(ending: Ending, found: Judgement) -> Comparison:
    """Compare our judgement of a game with GNU Go's, chain by chain."""
    position = ending.position
    assert position.game.stones is not None
    board = position.game.stones.board(position.state)
    stones = same = 0
    differences = []
    for chain in chains(board):
        names = {position.game.action_to_str(position.state, r * len(board) + c) for r, c in chain}
        theirs = "dead" if names & ending.dead else "seki" if names & ending.seki else "alive"
        ours = "dead" if found.dead[chain[0]] else "seki" if found.seki[chain[0]] else "alive"
        stones += len(chain)
        same += len(chain) * ((ours == "dead") == (theirs == "dead"))
        if "seki" in (ours, theirs) or ours != theirs:
            doubt = ", in doubt" if found.doubtful[chain[0]] else ""
            differences.append(f"{min(names)} ({len(chain)}): {ours}{doubt}, GNU Go {theirs}")
    same_winner = bool(np.sign(found.score) == np.sign(ending.score))
    return Comparison(same_winner, stones, same, differences)


def main(sizes: list[int], count: int) -> None:
    for size in sizes:
        games = winners = stones = same = 0
        network = None
        for number, ending in enumerate(endings(size, count)):
            network = network or evaluator(ending.position.game)
            found = judge(ending.position, network)
            result = compare(ending, found)
            games, winners = games + 1, winners + result.same_winner
            stones, same = stones + result.stones, same + result.same_life
            wrong = [text for text in result.differences if "GNU Go" in text]
            if not result.same_winner or result.same_life < result.stones:
                scores = f"{found.score:+g}, GNU Go {ending.score:+g}"
                print(f"{size}x{size} game {number}: {scores}: {'; '.join(wrong)}", flush=True)
        print(
            f"{size}x{size}: {games} games, winner equal in {winners} ({winners / games:.1%}),"
            f" dead or alive equal for {same} of {stones} stones ({same / stones:.1%})"
        )


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    main(words[:1] or [9, 13, 19], words[1] if len(words) > 1 else 1000)
