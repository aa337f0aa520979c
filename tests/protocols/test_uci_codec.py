"""Lines of UCI taken apart, whatever stands in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.engine.analysis import MoveInfo
from alphazero.protocols.uci.codec import (
    LARGEST,
    NUMBERS,
    Go,
    Setup,
    read_go,
    read_option,
    read_position,
    read_words,
    wdl,
)


@pytest.mark.parametrize(
    ("text", "go"),
    [
        ("", Go()),
        ("infinite", Go(infinite=True)),
        ("ponder wtime 1000 btime 2000", Go(ponder=True, time=(1000, 2000))),
        ("wtime 100", Go(time=(100, None))),
        ("btime -5 binc 20", Go(time=(None, -5), increment=(0, 20))),
        ("movestogo 7 winc 3 wtime 9", Go(moves_to_go=7, increment=(3, 0), time=(9, None))),
        ("movestogo 0", Go()),
        ("depth 3 nodes 20 mate 2 movetime 500", Go(depth=3, nodes=20, mate=2, move_time=500)),
        ("searchmoves e2e4 d2d4", Go(search_moves=("e2e4", "d2d4"))),
        ("searchmoves e2e4 nodes 5 d2d4", Go(search_moves=("e2e4",), nodes=5)),
        ("searchmoves", Go(search_moves=())),
        ("searchmoves a2a3 infinite searchmoves a2a4",
         Go(search_moves=("a2a3", "a2a4"), infinite=True)),
        ("perft 4", Go(perft=4)),
        ("depth nodes 5", Go(nodes=5)),  # a number is lacking
        ("depth many nodes 5", Go(nodes=5)),
        ("foo depth 3 bar 4 nodes 5", Go(depth=3, nodes=5)),
        ("movetime 100.7", Go(move_time=100)),
        ("movetime nan wtime inf nodes 1e400", Go()),
        ("movetime -3 winc -1", Go(move_time=0, increment=(0, 0))),
        ("depth -2 nodes -7", Go(depth=1, nodes=1)),
        ("depth 0 mate -1", Go(depth=0)),
        ("mate -1", Go(nodes=1)),  # a move at once
        ("mate 0 infinite", Go(infinite=True)),
        ("winc 5", Go(increment=(5, 0))),
        ("nodes 99999999999999999999999", Go(nodes=LARGEST)),
    ],
)  # fmt: skip
def test_go(text: str, go: Go) -> None:
    found = read_go(text.split())
    assert found._replace(problem="") == go
    assert ("at least 1" in found.problem) == ("mate -1" in text or "mate 0" in text)


@pytest.mark.parametrize(
    ("text", "setup"),
    [
        ("startpos", Setup(None, ())),
        ("startpos moves e2e4 e7e5", Setup(None, ("e2e4", "e7e5"))),
        ("startpos moves", Setup(None, ())),
        ("some startpos e2e4", Setup(None, ())),
        ("fen 8/8 w - - 0 1 moves a1a2", Setup("8/8 w - - 0 1", ("a1a2",))),
        ("fen 8/8   w", Setup("8/8 w", ())),
        ("fen", Setup("", ())),
        ("", None),
        ("moves startpos", None),
    ],
)
def test_position(text: str, setup: Setup | None) -> None:
    assert read_position(text.split()) == setup


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("name Hash value 32", ("Hash", "32")),
        ("name Move  Overhead value 1", ("Move Overhead", "1")),
        ("name Clear Hash", ("Clear Hash", None)),
        ("name SyzygyPath value", ("SyzygyPath", "")),
        ("name UCI_Opponent value GM 2800 human Gary Kasparov value",
         ("UCI_Opponent", "GM 2800 human Gary Kasparov value")),
        ("foo name Hash value 3", ("Hash", "3")),
        ("Hash value 3", None),
        ("name", None),
        ("name value 3", None),
        ("", None),
    ],
)  # fmt: skip
def test_setoption(text: str, option: tuple[str, str | None] | None) -> None:
    assert read_option(text.split()) == option


def test_words_of_a_line() -> None:
    assert read_words(b"  go\tnodes \r 5\r\n") == ["go", "nodes", "5"]
    assert read_words(b"\xff\x00is ready\n") == ["\ufffd", "is", "ready"]


@given(st.lists(st.sampled_from([*sorted(NUMBERS), "searchmoves", "infinite", "e2e4", "7", "-1"])))
def test_anything_after_go_means_something(words: list[str]) -> None:
    go = read_go(words)
    assert go.infinite == ("infinite" in words)
    assert (go.search_moves is None) == ("searchmoves" not in words)
    for number in (go.depth, go.nodes, go.mate, go.move_time, go.perft, *(go.increment or ())):
        assert number is None or number >= 0


@given(st.binary())
def test_any_bytes_are_words(data: bytes) -> None:
    words = read_words(data)
    assert all(word and word == word.strip() for word in words)
    for read in (read_go, read_position, read_option):
        read(words)


@given(st.floats(0, 1), st.floats(0, 1))
def test_wdl_is_the_searchs_in_permille(winrate: float, share: float) -> None:
    draw = share * 2 * min(winrate, 1 - winrate)  # as many as the winrate allows
    win, drawn, loss = map(int, wdl(MoveInfo(0, winrate, 1, (0,), draw=draw)).split()[1:])
    assert win + drawn + loss == 1000 and min(win, drawn, loss) >= 0
    assert abs(win - 1000 * (winrate - draw / 2)) <= 1 and abs(drawn - 1000 * draw) <= 1
