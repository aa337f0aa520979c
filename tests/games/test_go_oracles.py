"""The rules of Go against judges that share no code with them, over random games.

The first is `tests/judges/go_oracle.py`. The games lean towards captures,
recaptures and throw-ins, and what happens in them is counted, so that the comparison cannot go
blind. Then published counts, GNU Go and OpenSpiel, where they are installed.
"""

import functools
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from alphazero.game import Game, Position
from alphazero.game import load as load_anew
from alphazero.game.jit import kernel
from alphazero_games import go
from alphazero_games.go_rules import add_stone, cell_of
from tests.judges.go_oracle import GoOracle, Verdict, neighbours, read_board, replaced

load = functools.cache(load_anew)
KO_RULES = ("simple", "positional", "situational")


# -- one position ----------------------------------------------------------------------------------


def expect_equal(position: Position, oracle: GoOracle, komi: float) -> list[Verdict]:
    """Everything that the rules say about a position, against the oracle."""
    columns, state, stones = oracle.columns, position.state, position.game.stones
    assert stones is not None
    verdicts, score = oracle.verdicts(), oracle.score(komi)
    legal = [not verdict.reason and not oracle.is_over for verdict in verdicts]
    liberties = oracle.all_liberties()
    kept = [0] * len(oracle.points)  # the same, as the state counts them
    for point in oracle.points:
        if oracle.board[point]:
            cell = (point // columns + 1) * (columns + 1) + point % columns + 1
            kept[point] = int(state["liberties"][state["chain"][cell]])
    expected = {
        "board": (stones.board(state).ravel(), oracle.board),
        "captures": (stones.captures(state), oracle.captures),
        "to play": (position.to_play, oracle.to_play),
        "over": (position.is_over, oracle.is_over),
        "area": (stones.area(state, None).ravel(), oracle.area()),
        "score": (stones.score(state, None), score),
        "value": (position.value_to_move(), oracle.is_over * np.sign(oracle.seen(score))),
        "legal": (position.legal_mask(), [*legal, not oracle.is_over]),
        "liberties": (kept, liberties),
        **compare_planes(position, oracle, komi, verdicts, liberties),
    }
    for name, (ours, theirs) in expected.items():
        np.testing.assert_array_equal(
            ours,
            theirs,
            f"{name}\n{position}\nafter {[position.text(move) for move in position.moves]} from\n"
            f"{position.game.board_text(position.start_state)}",
        )
    return verdicts


def compare_planes(
    position: Position,
    oracle: GoOracle,
    komi: float,
    verdicts: list[Verdict],
    liberties: list[int],
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each plane by name: what the network sees, and what it should see."""
    mine = oracle.to_play + 1
    points = np.arange(len(oracle.points))
    board, alive = np.array(oracle.board), np.array(oracle.pass_alive())
    komi_for = -oracle.seen(2 * komi)  # in half points
    recent = [*reversed(oracle.moves), *[None] * go.RECENT][: go.RECENT]
    expected = {
        go.ON_BOARD: 1,
        go.MINE: board == mine,
        go.THEIRS: board == 3 - mine,
        go.LIBERTIES_1: np.array(liberties) == 1,
        go.LIBERTIES_2: np.array(liberties) == 2,
        go.LIBERTIES_3: np.array(liberties) >= 3,
        go.FORBIDDEN: [verdict.reason in ("ko", "superko") for verdict in verdicts],
        **{go.FIRST_RECENT + i: points == move for i, move in enumerate(recent)},
        go.MY_LIFE: alive == mine,
        go.THEIR_LIFE: alive == 3 - mine,
        go.KOMI_FOR: min(max(komi_for, 0), 255),
        go.KOMI_AGAINST: min(max(-komi_for, 0), 255),
        go.SUICIDE: oracle.suicide,
        go.IS_POSITIONAL: oracle.ko != "situational",
        go.IS_SITUATIONAL: oracle.ko == "situational",
        go.PASSED: oracle.moves[-1:] == [None],
    }
    planes = position.planes().reshape(-1, len(points))
    assert sorted(expected) == list(range(len(planes)))
    return {
        f"plane {i}": (planes[i], np.broadcast_to(np.asarray(plane), points.shape))
        for i, plane in expected.items()
    }


# -- games -----------------------------------------------------------------------------------------


def start_anywhere(game: Game, rng: np.random.Generator, fullness: float) -> Position:
    """A position with stones all over the board: everything is about to be captured."""
    _, rows, columns = game.planes
    oracle = GoOracle((rows, columns), "simple", suicide=False)
    count = rows * columns
    for point in rng.permutation(count)[: int(fullness * count)].tolist():
        board = replaced(oracle.board, {point}, int(rng.integers(1, 3)))
        stones = [p for p in (point, *neighbours(rows, columns)[point]) if board[p]]
        if all(oracle.liberties(board, oracle.chain(board, stone)) for stone in stones):
            oracle.board = board
    return set_up(game, oracle.board, int(rng.integers(2)))


def set_up(game: Game, board: tuple[int, ...], to_play: int = 0) -> Position:
    """A position with this board and no history."""
    state = game.position().state.copy()
    assert game.stones is not None
    game.stones.set_up(state, np.array(board).reshape(game.planes[1:]), to_play)
    return Position(game, state)


def choose(
    oracle: GoOracle, legal: list[int], verdicts: list[Verdict], rng: np.random.Generator
) -> int:
    """A random move, often one that takes stones off, is where some were, or beside the last."""
    kind = rng.random()
    if kind < 0.2:
        places = {point for point, verdict in enumerate(verdicts) if verdict.taken}
    elif kind < 0.6:
        places = set().union(*oracle.taken[-6:])
    elif kind < 0.7 and oracle.moves and oracle.moves[-1] is not None:
        places = set(oracle.beside[oracle.moves[-1]])
    else:
        places = set(oracle.points)
    moves = [action for action in legal if action in places] or legal[:-1]
    return int(rng.choice(moves)) if moves and rng.random() < 0.97 else legal[-1]


def note(events: Counter[str], oracle: GoOracle, verdicts: list[Verdict]) -> None:
    """Count what is forbidden here, by kind."""
    boards = {board for board, _ in oracle.history}
    sizes = [len(taken) for taken in oracle.taken]
    for point, verdict in enumerate(verdicts):
        taken = len(verdict.taken)
        events["settled"] += verdict.reason == "settled"
        if verdict.reason == "suicide":
            events["suicide rejected" if taken > 1 else "suicide of one stone rejected"] += 1
        elif verdict.repeats == 2:
            events["ko rejected"] += 1
        elif verdict.repeats:
            kind = "without capture" if not taken else "by capture"
            kind = "by suicide" if point in verdict.taken else kind
            events[f"superko {kind} rejected"] += 1
            events["send two, return one"] += verdict.repeats == 3 and [taken, sizes[-1]] == [1, 2]
            events["triple ko"] += verdict.repeats == 6 and {taken, *sizes[-5:]} == {1}
        elif verdict.board in boards:
            events["repetition allowed"] += not verdict.reason


def note_move(events: Counter[str], oracle: GoOracle, point: int | None) -> None:
    """Count what the next move does, by kind."""
    if point is None:
        events["pass"] += 1
        return
    taken = oracle.verdict(point).taken
    before = oracle.taken[-1] if oracle.taken else frozenset()
    if point in taken:
        events["suicide"] += 1
    elif taken:
        events["capture"] += 1
        events["capture of many"] += len(taken) > 4
        events["snapback"] += len(taken) > 1 and before == {point} and oracle.moves[-1] in taken


def compare_games(spec: str, positions: int, seed: int, every: int = 1) -> Counter[str]:
    """Play random games until so many positions have been compared, one in `every` of those that
    come about."""
    game = load(spec)
    size, komi = min(game.planes[1:]), float(game.parameters["komi"])
    rng, events = np.random.default_rng([size, seed]), Counter[str]()
    while events["positions"] < positions:
        dense = size > 4 and rng.random() < 0.7
        position = start_anywhere(game, rng, rng.uniform(0.3, 1)) if dense else game.position()
        oracle = oracle_of(position)
        while not oracle.is_over:
            verdicts: list[Verdict] = []
            if rng.random() * every < 1:
                verdicts = expect_equal(position, oracle, komi)
                note(events, oracle, verdicts)
                events["positions"] += 1
            if events["positions"] == positions:
                break
            action = choose(oracle, position.legal_actions(), verdicts, rng)
            point = None if action == len(oracle.points) else action
            note_move(events, oracle, point)
            oracle.play(point)
            position.play(action)
        if oracle.is_over:
            expect_equal(position, oracle, komi)
            events["games"] += 1
    return events


def compare_moves(position: Position, moves: str) -> Counter[str]:
    """Compare every position along these moves."""
    events, oracle = Counter[str](), oracle_of(position)
    komi = float(position.game.parameters["komi"])
    for move in [*moves.split(), ""]:
        note(events, oracle, expect_equal(position, oracle, komi))
        if move:
            action = position.play(move)
            oracle.play(None if move == "pass" else action)
    return events


def oracle_of(position: Position) -> GoOracle:
    """The oracle with the rules and the board of a position without history."""
    game, state = position.game, position.state
    assert game.stones is not None and not position.moves
    return GoOracle(
        size=game.planes[1:],
        ko=KO_RULES[int(state["ko_rule"])],
        suicide=bool(state["suicide"]),
        board=game.stones.board(state).ravel().tolist(),
        to_play=position.to_play,
        max_plies=game.max_plies,
        tidy=bool(game.parameters.get("tidy")),
    )


def every_rule(
    size: int | tuple[int, int], positions: int, seed: int, every: int = 1
) -> Counter[str]:
    """Games by every ko rule, with and without suicide, komi between -1 and 1.5, on a square board
    or one of rows and columns."""
    events = Counter[str]()
    board = f"height={size[0]},width={size[1]}" if isinstance(size, tuple) else f"size={size}"
    for i, (ko, suicide) in enumerate(itertools.product(KO_RULES, (False, True))):
        spec = f"go:{board},komi={0.5 * i - 1},ko={ko},suicide={suicide}"
        events += compare_games(spec, positions, seed, every)
    return events


# A board with three kos, of which Black can take two; and one where White can send two stones.
TRIPLE_KO = read_board(
    """
    . X O . O . . . .
    . . X O . . . . .
    . . X O . . . . .
    . X . X O . . . .
    . . X O . . . . .
    . . X O . . . . .
    . . X O . . . . .
    . . X O . . . . .
    . X O . O . . . .
    """
)
SEND_TWO = read_board(
    """
    . O . O .
    X X O . .
    . . . . .
    . . . . .
    . . . . .
    """
)
EVENTS = {
    "pass", "capture", "capture of many", "snapback", "suicide", "suicide rejected",
    "suicide of one stone rejected", "ko rejected", "repetition allowed",
    "superko by capture rejected", "superko without capture rejected",
    "superko by suicide rejected", "games",
}  # fmt: skip


@pytest.mark.parametrize(
    ("size", "positions", "every"),
    [(2, 100, 1), (3, 300, 1), (5, 200, 1), (9, 100, 2)]
    + [
        pytest.param(*values, marks=pytest.mark.slow)
        for values in ((4, 3000, 1), (13, 300, 3), (19, 150, 5))
    ],
)
def test_random_games_go_as_the_oracle_says(size: int, positions: int, every: int) -> None:
    events = every_rule(size, positions, 1, every)
    assert events["positions"] == 6 * positions
    expected = EVENTS if size in (3, 4) else {"capture", "suicide of one stone rejected"}
    assert not {name for name in expected if not events[name]}, events


@pytest.mark.parametrize(
    ("shape", "positions", "every"),
    [
        ((4, 3), 200, 1),
        ((2, 7), 100, 1),
        pytest.param((13, 19), 100, 5, marks=pytest.mark.slow),
        pytest.param((25, 25), 60, 20, marks=pytest.mark.slow),
    ],
)
def test_random_games_on_rectangles_go_as_the_oracle_says(
    shape: tuple[int, int], positions: int, every: int
) -> None:
    events = every_rule(shape, positions, 4, every)
    expected = {"capture", "suicide of one stone rejected"}
    if shape == (4, 3):
        expected = EVENTS - {"superko by suicide rejected"}  # rare there
    assert not {name for name in expected if not events[name]}, events


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.parametrize("size", [3, 5, 9])
def test_very_many_random_games_go_as_the_oracle_says(size: int, seed: int) -> None:
    every_rule(size, 600, seed, every=2)


@pytest.mark.parametrize("ko", KO_RULES)
def test_triple_ko(ko: str) -> None:
    """The sixth capture of the cycle, C1, is forbidden by superko alone; not after J9 and J1."""
    position = set_up(load(f"go:size=9,ko={ko}"), TRIPLE_KO)
    events = compare_moves(position, "D9 C6 D1 C9 D6")
    assert events["triple ko"] == (ko != "simple"), events
    assert events["ko rejected"] == 5
    assert position.is_legal(position.action("C1")) == (ko == "simple")
    position = set_up(position.game, TRIPLE_KO)
    compare_moves(position, "D9 C6 D1 C9 D6 J9 J1 C1")


@pytest.mark.parametrize("ko", KO_RULES)
def test_send_two_return_one(ko: str) -> None:
    """Only positional superko forbids it: the board is the same, but the other player to move."""
    position = set_up(load(f"go:size=5,ko={ko}"), SEND_TWO, to_play=1)
    events = compare_moves(position, "A5 C5")
    assert events["send two, return one"] == (ko == "positional"), events
    assert events["repetition allowed"] == (ko != "positional"), events
    if ko != "positional":
        compare_moves(set_up(position.game, SEND_TWO, to_play=1), "A5 C5 B5 E1 A5 C5 B5")


def test_tidy_games_go_as_the_oracle_says() -> None:
    for suicide in (False, True):
        spec = f"go:size=5,komi=0.5,suicide={suicide},tidy=True"
        events = compare_games(spec, 400, 3)
        assert events["settled"] > 0


def test_rules_not_compiled_go_as_the_oracle_says() -> None:
    code = "import tests.games.test_go_oracles as t; t.every_rule(3, 25, 5); t.every_rule(5, 4, 6)"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], env=environment, check=True
    )


# -- published counts ------------------------------------------------------------------------------
# Tromp and Farnebäck, "Combinatorics of Go" (2016): how many boards have no chain without liberty.


@pytest.mark.parametrize(("size", "count"), [(2, 57), (3, 12675)])
def test_number_of_legal_boards(size: int, count: int) -> None:
    game, legal = load(f"go:size={size}"), 0
    for board in itertools.product((0, 1, 2), repeat=size**2):
        try:
            legal += set_up(game, board) is not None
        except ValueError as error:
            assert "liberty" in str(error)
    assert legal == count


@pytest.mark.slow
def test_number_of_legal_boards_4x4() -> None:
    states = load("go:size=4").empty_states(17)
    load("go:size=4").start_batch(states)
    assert count_boards(states, 4) == 24_318_165


@kernel
def count_boards(states, size):
    """Fill the board point by point in every way; states [size**2 + 1] are copies of a start.

    A chain that has lost its last liberty, to stones there already, will never have one.
    """
    width = np.uint64(size + 1)
    points = size * size
    choice = np.zeros(points + 1, np.int64)  # of the colour of each point
    count, depth = 0, 0
    while depth >= 0:
        if depth == points or choice[depth] == 3:
            count += depth == points
            choice[depth] = 0
            depth -= 1
            continue
        color = choice[depth]
        choice[depth] += 1
        states[depth + 1] = states[depth]
        if color != 0:
            state = states[depth + 1]
            cell = cell_of(depth, size)
            captured, _ = add_stone(state, cell, np.uint8(color), width)
            if captured > 0 or state.liberties[state.chain[cell]] == 0:
                continue
        depth += 1
    return count


def test_value_of_2x2() -> None:
    """Black wins 2x2 by one point with positional superko (Tromp's web page on the game of Go)."""
    game = load("go:size=2,komi=0")

    assert game.stones is not None
    position, score = game.position(), game.stones.score

    def black_gets(points: float) -> bool:
        if position.is_over:
            return score(position.state, None) >= points
        black = position.to_play == 0
        for move in reversed(position.legal_actions()):  # to pass, first
            position.play(move)
            gets = black_gets(points)
            position.undo()
            if gets == black:
                return gets
        return not black

    assert black_gets(1)
    assert not black_gets(2)


# -- GNU Go ----------------------------------------------------------------------------------------

GNU_GO = shutil.which("gnugo") or shutil.which("/usr/games/gnugo")


class GnuGo:
    """GNU Go as a referee, asked through GTP."""

    def __init__(self, size: int, *options: str):
        assert GNU_GO is not None
        self.process = subprocess.Popen(
            [GNU_GO, "--mode", "gtp", "--level", "1", "--chinese-rules", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask(f"boardsize {size}")

    def ask(self, command: str) -> list[str]:
        """The words of the answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        lines: list[str] = list(iter(self.process.stdout.readline, "\n"))
        assert lines and lines[0].startswith("="), (command, lines)
        answer: str = " ".join(lines)[1:]
        return answer.split()

    def __enter__(self) -> "GnuGo":
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.communicate("quit\n", timeout=20)


GNU_OPTIONS = [
    ("simple", False, ["--simple-ko", "--forbid-suicide"]),
    ("positional", False, ["--positional-superko", "--forbid-suicide"]),
    ("positional", True, ["--positional-superko", "--allow-suicide"]),
    ("situational", True, ["--situational-superko", "--allow-suicide"]),
]


@pytest.mark.skipif(GNU_GO is None, reason="GNU Go is not installed")
@pytest.mark.parametrize(("ko", "suicide", "options"), GNU_OPTIONS)
def test_gnu_go_agrees(ko: str, suicide: bool, options: list[str]) -> None:
    """Legal moves, stones and captures throughout random games on 5x5 and 9x9."""
    events = Counter[str]()
    for size, games in ((5, 6), (9, 2)):
        with GnuGo(size, *options) as referee:
            for seed in range(games):
                compare_with_gnu_go(referee, size, f"ko={ko},suicide={suicide}", seed, events)
    assert min(events["capture"], events["suicide"] + (not suicide)) > 0, events


def compare_with_gnu_go(
    referee: GnuGo, size: int, rules: str, seed: int, events: Counter[str]
) -> None:
    game = load(f"go:size={size},komi=0.5,{rules}")
    assert game.stones is not None
    referee.ask("clear_board")
    position, oracle = game.position(), oracle_of(game.position())
    rng = np.random.default_rng([size, seed])
    while not position.is_over:
        player = game.players[position.to_play]
        legal = {position.text(action) for action in position.legal_actions()}
        assert {*referee.ask(f"all_legal {player}"), "pass"} == legal, str(position)
        board = game.stones.board(position.state)
        for color, name in enumerate(game.players):
            stones = {position.text(a) for a in np.flatnonzero(board == color + 1).tolist()}
            assert set(referee.ask(f"list_stones {name}")) == stones, str(position)
            captures = game.stones.captures(position.state)[color]
            assert referee.ask(f"captures {name}") == [str(captures)], str(position)
        action = choose(oracle, position.legal_actions(), [], rng)
        point = None if action == size * size else action
        note_move(events, oracle, point)
        referee.ask(f"play {player} {position.text(action)}")
        oracle.play(point)
        position.play(action)


@pytest.mark.skipif(GNU_GO is None, reason="GNU Go is not installed")
def test_gnu_go_counts_the_same_score() -> None:
    """At the end of games that leave only eyes, where GNU Go sees no dead stones."""
    game, compared = load("go:size=9,komi=6.5,ko=simple,suicide=False"), 0
    assert game.stones is not None and game.prune is not None
    with GnuGo(9, "--forbid-suicide") as referee:
        referee.ask("komi 6.5")
        for seed in range(8):
            referee.ask("clear_board")
            position, rng = game.position(), np.random.default_rng(seed)
            while not position.is_over:
                mask = position.legal_mask()
                game.prune(position.state, mask)
                action = int(rng.choice(np.flatnonzero(mask)))
                player = game.players[position.to_play]
                referee.ask(f"play {player} {position.text(action)}")
                position.play(action)
            if not referee.ask("final_status_list dead"):
                score = game.stones.score(position.state, None)
                theirs = referee.ask("final_score")[0]
                assert theirs == f"{'B' if score > 0 else 'W'}+{abs(score):.1f}", str(position)
                compared += 1
    assert compared > 2


# -- OpenSpiel -------------------------------------------------------------------------------------


@pytest.mark.skipif(
    importlib.util.find_spec("pyspiel") is None, reason="OpenSpiel is not installed"
)
@pytest.mark.parametrize(("size", "games"), [(5, 20), (9, 5)])
def test_open_spiel_agrees(size: int, games: int) -> None:
    """Legal moves, boards and winners. Its rules are simple ko and no suicide at all; it ends a
    game at the first repetition, and numbers the rows from below."""
    import pyspiel

    game = load(f"go:size={size},komi=0.5,ko=simple,suicide=False")
    assert game.stones is not None
    options = f"board_size={size},komi=0.5,max_game_length={game.max_plies}"
    flip = [*np.arange(size**2).reshape(size, size)[::-1].ravel().tolist(), size**2]
    finished = 0
    for seed in range(games):
        rng = np.random.default_rng([size, seed])
        position, theirs = game.position(), pyspiel.load_game(f"go({options})").new_initial_state()
        oracle = oracle_of(position)
        while not theirs.is_terminal():
            assert sorted(flip[a] for a in theirs.legal_actions()) == position.legal_actions()
            rows = [
                line.split()[1] for line in str(theirs).splitlines() if line[:2].strip().isdigit()
            ]
            assert read_board("\n".join(rows)) == oracle.board
            action = choose(oracle, position.legal_actions(), [], rng)
            oracle.play(None if action == size**2 else action)
            position.play(action)
            theirs.apply_action(flip[action])
        if position.is_over:
            finished += 1
            assert np.sign(theirs.returns()[0]) == np.sign(game.stones.score(position.state, None))
    assert finished
