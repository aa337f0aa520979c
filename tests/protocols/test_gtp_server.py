"""GTP's codec, arguments and server: any bytes in, and one response for every command, in order."""

import itertools
import os
import threading
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.engine.options import EngineOptions
from alphazero.errors import RequestError
from alphazero.protocols.gtp import server
from alphazero.protocols.gtp.arguments import Arguments
from alphazero.protocols.gtp.codec import Command, failure, is_interrupt, parse, success
from alphazero.protocols.gtp.commands.registry import commands
from alphazero.protocols.gtp.server import GtpServer
from alphazero.protocols.gtp.session import GtpOptions, Session
from alphazero.protocols.stdio import split_lines
from tests.helpers.gtp_conversation import Answer


def command(name: str, *arguments: str, number: str = "", tail: str | None = None) -> Command:
    return Command(number, name, arguments, " ".join(arguments) if tail is None else tail)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"name\n", command("name")),
        (b"7 play b D4\n", command("play", "b", "D4", number="7")),
        (b"0 name", command("name", number="0")),
        (b"0012 name\n", command("name", number="0012")),
        (b"2147483647 name\n", command("name", number="2147483647")),
        (b"  9\tname  \r\n", command("name", number="9")),
        (b"na\x01me\x7f\x00\n", command("name")),
        (b"play  b\t D4   # a comment\n", command("play", "b", "D4", tail="b  D4")),
        (b"7name\n", command("7name")),
        (b"-1 name\n", command("-1", "name")),
        (b"\xc2\xb2 name\n", command("\u00b2", "name")),  # a digit, but not of ASCII
        (b"x\xc2\xa0y z\xff\n", command("x\u00a0y", "z\ufffd")),
        (b'kata-set-rules {"ko": 1}\n', command("kata-set-rules", '{"ko":', "1}")),
        (b"\n", None),
        (b"", None),
        (b" \t \r\n", None),
        (b"# only a comment\n", None),
        (b"12\n", None),
        (b"12 # a comment\n", None),
    ],
)
def test_lines_are_read_as_the_specification_says(line: bytes, expected: Command | None) -> None:
    assert parse(line) == expected


def test_answers_have_one_empty_line_and_that_at_the_end() -> None:
    assert success("", "") == b"=\n\n"
    assert success("3", "") == b"=3\n\n"
    assert success("3", "yes") == b"=3 yes\n\n"
    assert success("", "a\n\nb  \n") == b"= a\nb\n\n"
    assert success("", "\na\nb") == b"=\na\nb\n\n"  # a board begins on a line of its own
    assert success("", "a\n=b\n? c") == b"= a\n =b\n ? c\n\n"
    assert success("", "a\r\x07b\tc") == b"= a  b c\n\n"
    assert failure("4", "no\nsuch\n\nthing") == b"?4 no such thing\n\n"
    assert success("", "\udcff") == b"= ?\n\n"


@given(st.binary(max_size=200))
def test_no_line_is_too_strange_to_be_read(line: bytes) -> None:
    found = parse(line)
    if found is not None:
        assert found.name and " " not in found.name and "#" not in found.name
        assert all(argument and " " not in argument for argument in found.arguments)
        assert not any(ord(letter) < 32 for letter in found.name + found.tail)


@given(st.text(max_size=200))
def test_no_text_breaks_an_answer(text: str) -> None:
    for data in (success("1", text), failure("", text)):
        assert data.endswith(b"\n\n") and data.count(b"\n\n") == 1 and b"\r" not in data
        Answer(data)


def test_only_the_exact_comment_interrupts() -> None:
    assert is_interrupt(b"# interrupt\n") and is_interrupt(b"  #\tinterrupt \r\n")
    assert not any(map(is_interrupt, (b"#interrupted\n", b"# interrupt now\n", b"interrupt\n")))


@given(st.binary(max_size=300), st.integers(1, 20))
def test_lines_do_not_depend_on_how_they_come(data: bytes, size: int) -> None:
    lines = data.split(b"\n")
    expected = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    chunks = iter([data[i : i + size] for i in range(0, len(data), size)] + [b""])
    assert list(split_lines(lambda: next(chunks))) == expected


# -- arguments -------------------------------------------------------------------------------------


def arguments(*words: str) -> Arguments:
    return Arguments(command("name", *words))


def test_numbers() -> None:
    assert [arguments(text).integer() for text in ("0", "007", "2147483647")] == [0, 7, 2**31 - 1]
    numbers = [arguments(text).number() for text in ("7", "-.5", "1e2", "+3.")]
    assert numbers == [7.0, -0.5, 100.0, 3.0]
    for text in ("", "-1", "1.0", "x", "2147483648", "9" * 5000, "\u0663", "1_0"):
        with pytest.raises(RequestError, match="syntax error"):
            arguments(*filter(None, [text])).integer()
    for text in ("nan", "inf", "-Infinity", "1e999", "1_0", "x", "0x1"):
        with pytest.raises(RequestError, match="syntax error"):
            arguments(text).number()


def test_colours_booleans_and_moves() -> None:
    assert [arguments(text).color() for text in ("b", "W", "Black", "wHITE")] == [0, 1, 0, 1]
    assert [arguments(text).boolean() for text in ("True", "FALSE")] == [True, False]
    for text in ("x", "truth", "1"):
        with pytest.raises(RequestError):
            arguments(text).boolean()
    for words in (("green",), ("b",), ("b", "D4", "w")):
        with pytest.raises(RequestError):
            arguments(*words).moves()
    assert arguments("b", "D4", "W", "pass").moves() == [(0, "D4"), (1, "pass")]
    assert arguments("a", "b").rest() == ["a", "b"] and arguments().peek() == ""


# -- the server ------------------------------------------------------------------------------------


class Quiet(Session):
    """A session that loads nothing, with commands of its own: an endless analysis, a move that
    takes until it is interrupted, and two that fail."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        super().__init__(GtpOptions(), self.heard.append)
        self.has_begun = threading.Event()  # to move

    def prepare(self) -> None:
        pass


def analyze(session: Quiet, arguments: Arguments) -> str:
    session.reply.begin()
    session.reply.end_when_followed()
    for number in itertools.count():
        if session.reply.handle.is_stopped:
            return ""
        if number < 3:
            session.reply.line(f"info {number}")
    raise AssertionError


def genmove(session: Quiet, arguments: Arguments) -> str:
    session.has_begun.set()
    while not session.reply.handle.is_stopped:
        pass
    return "D4"


def divide(session: Quiet, arguments: Arguments) -> str:
    return str(1 // 0)


def fail_late(session: Quiet, arguments: Arguments) -> str:
    session.reply.begin()
    raise RequestError("too late")


OWN = {"analyze": analyze, "genmove": genmove, "divide": divide, "fail_late": fail_late}


@pytest.fixture(autouse=True)
def own_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    find = server.find_command
    monkeypatch.setattr(
        server, "find_command", lambda session, name: OWN.get(name) or find(session, name)
    )


def converse(lines: Iterable[bytes], session: Session | None = None) -> list[bytes]:
    """All that a server writes before the input has ended and everything is answered."""
    written: list[bytes] = []
    made = GtpServer(session or Quiet(), written.append)
    for line in lines:
        if not made.receive(line):
            break
    made.close()
    return written


class Pipe:
    """A server at the other end of two pipes."""

    def __init__(self, session: Session) -> None:
        self.read_end, self.write_end = os.pipe()
        self.out_read, self.out_write = os.pipe()
        self.server = GtpServer(session, self._write)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _write(self, data: bytes) -> None:
        os.write(self.out_write, data)

    def _run(self) -> None:
        for line in split_lines(lambda: os.read(self.read_end, 1000)):
            if not self.server.receive(line):
                break
        self.server.close()

    def send(self, data: bytes) -> None:
        os.write(self.write_end, data)

    def receive(self, end: bytes = b"\n\n") -> bytes:
        data = b""
        while not data.endswith(end):
            data += os.read(self.out_read, 1)
        return data

    def close(self) -> None:
        """End the input; the server must end soon."""
        os.close(self.write_end)
        self.thread.join(60)
        assert not self.thread.is_alive()
        for descriptor in (self.read_end, self.out_read, self.out_write):
            os.close(descriptor)


@pytest.fixture
def pipe():
    made = Pipe(Quiet())
    yield made
    made.close()


def test_commands_are_answered_in_order_however_many_come_at_once(pipe: Pipe) -> None:
    pipe.send(b"".join(b"%d protocol_version\n" % number for number in range(200)))
    for number in range(200):
        assert pipe.receive() == b"=%d 2\n\n" % number


def test_a_command_may_come_in_pieces(pipe: Pipe) -> None:
    for piece in (b"7 pro", b"tocol_", b"version"):
        pipe.send(piece)
    pipe.send(b"\n\n\n8 name\n")
    assert pipe.receive() == b"=7 2\n\n" and pipe.receive() == b"=8 AlphaZero\n\n"


@pytest.mark.parametrize("stop", [b"\n", b"# a comment\n", b"8 name\n", b"nosuch\n"])
def test_any_line_ends_an_analysis(pipe: Pipe, stop: bytes) -> None:
    pipe.send(b"7 analyze\n")
    assert pipe.receive(b"info 2\n") == b"=7\ninfo 0\ninfo 1\ninfo 2\n"
    pipe.send(stop)
    assert pipe.receive(b"\n") == b"\n"
    pipe.send(b"9 name\n")
    answers = [pipe.receive()]
    if parse(stop):
        answers.append(pipe.receive())
    assert answers[-1] == b"=9 AlphaZero\n\n" and len(answers) == 1 + bool(parse(stop))


def test_an_analysis_that_is_already_followed_ends_at_once(pipe: Pipe) -> None:
    pipe.send(b"7 analyze\n8 name\n")
    answer = pipe.receive(b"=8 AlphaZero\n\n")
    assert answer.startswith(b"=7\n") and answer.count(b"info") <= 3


def test_gogui_interrupts_a_move(pipe: Pipe) -> None:
    pipe.send(b"# interrupt\n1 name\n")  # nothing to interrupt
    assert pipe.receive() == b"=1 AlphaZero\n\n"
    pipe.send(b"2 genmove b\n# interrupt\n3 name\n")
    assert pipe.receive() == b"=2 D4\n\n" and pipe.receive() == b"=3 AlphaZero\n\n"


def test_another_line_does_not_interrupt_a_move() -> None:
    session = Quiet()
    pipe = Pipe(session)
    pipe.send(b"1 genmove b\n")
    assert session.has_begun.wait(60)
    pipe.send(b"2 name\n\n")
    while session.reply.id != "1" or not session.reply.followed.wait(60):
        pass
    assert not session.reply.handle.is_stopped
    pipe.send(b"# interrupt\n")
    assert pipe.receive() == b"=1 D4\n\n" and pipe.receive() == b"=2 AlphaZero\n\n"
    pipe.close()


def test_all_commands_are_answered_before_the_input_ends_it() -> None:
    written = converse([b"1 name\n", b"2 protocol_version\n", b"3 nosuch\n", b"4 version"])
    assert written[:3] == [b"=1 AlphaZero\n\n", b"=2 2\n\n", b"?3 unknown command\n\n"]
    assert len(written) == 4 and written[3].startswith(b"=4 ")


def test_the_end_of_input_ends_an_analysis() -> None:
    assert converse([b"1 analyze\n"])[-1] == b"\n"


def test_nothing_is_answered_after_quit() -> None:
    assert converse([b"1 quit\n", b"2 name\n"]) == [b"=1\n\n"]


def test_an_error_of_the_program_is_an_answer_and_the_session_lives(capsys) -> None:
    session = Quiet()
    written = converse([b"1 divide\n", b"2 fail_late\n", b"3 name\n"], session)
    assert b"".join(written) == (
        b"?1 internal error: ZeroDivisionError: integer division or modulo by zero\n\n"
        b"=2\n\n=3 AlphaZero\n\n"
    )
    assert session.heard == ["fail_late: too late"] and "Traceback" in capsys.readouterr().err


def test_loading_begins_once_nothing_is_asked(monkeypatch) -> None:
    begun = threading.Event()
    monkeypatch.setattr(Quiet, "prepare", lambda session: begun.set())
    pipe = Pipe(Quiet())
    assert begun.wait(60)
    pipe.close()


def test_a_game_that_cannot_be_loaded_fails_the_commands_that_need_it() -> None:
    heard: list[str] = []
    session = Session(GtpOptions(EngineOptions("go:size=99")), heard.append)
    for _ in range(2):
        with pytest.raises(RequestError, match="size must be a whole number from 2 to 25"):
            _ = session.state
    assert len(heard) == 1 and "boardsize" in commands(session)
