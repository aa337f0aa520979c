"""Conversations of programs that cannot run here, written from their sources, to the byte."""

from pathlib import Path

import pytest

from tests.helpers.gtp_conversation import (
    Conversation,
    knowing,  # noqa: F401  (a fixture)
    nothing_in_the_background,  # noqa: F401
    transcript,
)

FOLDER = Path(__file__).parents[1] / "golden" / "clients"
PRESENTED = {"lizziekata": {"name": "KataGo"}}

pytestmark = pytest.mark.usefixtures("knowing", "nothing_in_the_background")


def converse(name: str = "", **options) -> Conversation:
    presented = {"version": "0.20.0", **PRESENTED.get(name, {}), **options}
    return Conversation("go:size=9,rules=chinese", network="stand-in", **presented)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.gtp")), ids=lambda path: path.stem)
def test_a_program_gets_the_same_bytes_as_ever(path: Path, regen_golden: bool) -> None:
    """An analysis is followed by another command at once, as it is by its first line."""
    kept, now = transcript(path, regen_golden, lambda: converse(path.stem))
    assert now == kept, f"{path.name} differs; if meant: pytest --regen-golden"


def test_lizzie_reads_every_response_and_report() -> None:
    """As `Leelaz.parseLine` and `MoveData.fromInfo` do, which throw where a number is none."""
    for name, command in (("", "lz-analyze"), ("lizziekata", "kata-analyze")):
        conversation = converse(name)
        answer = conversation.say(b"2 version\n").decode()
        number, version = answer.split("\n")[0].split(" ")
        assert int(number[1:]) == 2 and int(version.split(".")[1]) >= 15
        lines = conversation.say(f"5 {command} 1\n".encode(), 3).decode().splitlines()
        assert int(lines[0][1:]) == 5 and len(lines) > 2
        for line in lines[1:-1]:
            assert line.startswith("info")
            for variation in line[5:].split(" info "):
                words = variation.strip().split(" ")
                fields = dict(zip(words[::2], words[1::2], strict=False))
                assert fields["move"] and int(fields["visits"]) >= 0 and "pv" in words
                for key in ("winrate", "prior", "lcb"):
                    share = int(fields[key]) / 100 if name == "" else 100 * float(fields[key])
                    assert 0 <= share <= 100
                assert name == "" or float(fields["scoreMean"]) is not None


def test_q5go_reads_moves_from_the_first_letter() -> None:
    conversation = converse()
    lines = conversation.say(b"31 kata-genmove_analyze black 1\n").decode().splitlines()
    assert lines[0] == "=31" and all(line.startswith("info move ") for line in lines[1:-2])
    play, end = lines[-2:]
    column, row = ord(play[5]) - ord("A"), int(play[6:])
    assert play.startswith("play ") and end == "" and 0 <= column <= 9 and 1 <= row <= 9


def test_sabaki_reads_whole_numbers_but_for_katago() -> None:
    """As `parseAnalysis` does: integers of ten-thousandths, `pv` last, an `info` in every line."""
    conversation = converse()
    for command in ("analyze", "lz-analyze"):
        lines = conversation.say(f"{command} B 1\n".encode(), 3).decode().splitlines()
        for line in lines[1:-1]:
            for part in line.split(" info "):
                words = part.removeprefix("info ").split(" ")
                fields = dict(zip(words[::2], words[1::2], strict=False))
                assert fields["winrate"].isdecimal() and 0 <= int(fields["winrate"]) <= 10000
                assert fields["visits"].isdecimal() and "pv" in words
