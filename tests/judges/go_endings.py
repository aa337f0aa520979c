"""GNU Go 3.8's verdicts on finished games of its own, and positions with the right answer.

    python -m tests.judges.go_endings             all games, with every difference
    python -m tests.judges.go_endings 9 20        the first 20 on 9x9

The games lie in `tests/golden/judge/gnugo{9,13,19}.sgf`, a line each: random openings of up to six
moves, then GNU Go at levels 1 to 10 on both sides until both pass. RE is its `final_score`, the
comment its `final_status_list`. The positions are in `positions.txt`, which explains itself.
"""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alphazero.engine.judge import Judgement, judge
from alphazero.engine.territory import chains
from alphazero.formats.sgf import read_sgf
from alphazero.game import Position, load

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "judge"
STATUSES = {"A": "alive", "D": "dead", "S": "seki", "?": "in doubt", "L": "not dead"}
SETTLED = {"A": ("alive",), "D": ("dead",), "S": ("seki",), "L": ("alive", "seki")}


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


class Answer(NamedTuple):
    """A position with the right answer, both as letters [H][W] of `positions.txt`."""

    name: str
    why: str
    stones: list[str]
    answer: list[str]

    def board(self) -> np.ndarray:
        """Its stones, int8 [H, W]."""
        return np.array([[".XO".index(cell) for cell in row] for row in self.stones], np.int8)

    def position(self, to_play: int = 0, komi: float = 7.5, rules: str = "chinese") -> Position:
        """The position with a player to move."""
        board = self.board()
        position = load(f"go:size={len(board)},komi={komi:g},rules={rules}").position()
        assert position.game.stones is not None
        position.game.stones.set_up(position.state, board, to_play)
        return position

    def score(self, komi: float = 7.5) -> float | None:
        """Black's points minus White's, komi included; None where that is in doubt."""
        points = 0
        for stones, answers in zip(self.stones, self.answer, strict=True):
            for stone, answer in zip(stones, answers, strict=True):
                side = {"X": 1, "O": -1, ".": {"b": 1, "w": -1}.get(answer, 0)}[stone]
                if answer == "?":
                    return None
                points += -side if answer == "D" else side
        return points - komi


def answers() -> list[Answer]:
    """The positions of `positions.txt`."""
    found = []
    for part in re.split(r"^== ", (FOLDER / "positions.txt").read_text(), flags=re.M)[1:]:
        head, board = part.strip("\n").split("\n\n")
        name, _, why = head.partition("\n")
        rows = [re.split(r" {3,}", line.strip()) for line in board.split("\n")]
        stones, answer = ([row[i].replace(" ", "") for row in rows] for i in (0, 1))
        found.append(Answer(name, why, stones, answer))
    return found


def faults(wanted: Answer, found: Judgement) -> list[str]:
    """List what is wrong with our verdict on a position, by point (row, column)."""
    wrong = []
    for row, line in enumerate(wanted.stones):
        for column, stone in enumerate(line):
            letter = wanted.answer[row][column]
            if stone == ".":
                owner = {"b": 1, "w": -1, ".": 0}.get(letter)
                if owner is not None and np.sign(found.ownership[row, column]) != owner:
                    wrong.append(f"({row}, {column}): owner {found.ownership[row, column]:g}")
                continue
            status, doubtful = found.status((row, column)), found.doubtful[row, column]
            right = bool(doubtful) if letter == "?" else status in SETTLED[letter] and not doubtful
            if not right:
                ours = f"{status}, in doubt" if doubtful else status
                wrong.append(f"({row}, {column}): {ours}, not {STATUSES[letter]}")
    score = wanted.score()
    if score is not None and found.score != score:
        wrong.append(f"score {found.score:g}, not {score:g}")
    return wrong


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
        ours = found.status(chain[0])
        stones += len(chain)
        same += len(chain) * ((ours == "dead") == (theirs == "dead"))
        if ours != theirs:
            doubt = ", in doubt" if found.doubtful[chain[0]] else ""
            differences.append(f"{min(names)} ({len(chain)}): {ours}{doubt}, GNU Go {theirs}")
    same_winner = bool(np.sign(found.score) == np.sign(ending.score))
    return Comparison(same_winner, stones, same, differences)


def compare_games(size: int, count: int) -> None:
    """Print every difference on games of one size, and the shares that agree."""
    games = winners = stones = same = 0
    times = []
    for number, ending in enumerate(endings(size, count)):
        begin = time.process_time()
        found = judge(ending.position)
        times.append(time.process_time() - begin)
        result = compare(ending, found)
        games, winners = games + 1, winners + result.same_winner
        stones, same = stones + result.stones, same + result.same_life
        if result.differences or not result.same_winner:
            scores = f"{found.score:+g}, GNU Go {ending.score:+g}"
            other = "" if result.same_winner else " ANOTHER WINNER"
            print(f"{size}x{size} game {number}{other}: {scores}: {'; '.join(result.differences)}")
    print(
        f"{size}x{size}: {games} games, winner equal in {winners} ({winners / games:.1%}),"
        f" dead or alive equal for {same} of {stones} stones ({same / stones:.1%});"
        f" CPU seconds a verdict: median {np.median(times):.2f}, longest but the first"
        f" {max(times[1:] or times):.2f}"
    )


def main(numbers: list[int]) -> None:
    for size in numbers[:1] or [9, 13, 19]:
        compare_games(size, numbers[1] if len(numbers) > 1 else 1000)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
