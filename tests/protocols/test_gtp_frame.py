"""GTP's frame and its threads: any bytes in, answers out of which each has its place."""

import itertools
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.protocols.gtp import frame, server
from alphazero.protocols.gtp.call import Call, GtpError
from alphazero.protocols.gtp.frame import Request, failure, is_interrupt, parse, success
from alphazero.protocols.gtp.front import Front
from alphazero.protocols.gtp.options import GtpOptions
from alphazero.protocols.gtp.server import Server
from alphazero.protocols.stdio import has_no_reader, split_lines
from tests.helpers.gtp_conversation import Answer


def request(name: str, *arguments: str, number: str = "", tail: str | None = None) -> Request:
    return Request(number, name, arguments, " ".join(arguments) if tail is None else tail)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"name\n", request("name")),
        (b"7 play b D4\n", request("play", "b", "D4", number="7")),
        (b"0 name", request("name", number="0")),
        (b"0012 name\n", request("name", number="0012")),
        (b"2147483647 name\n", request("name", number="2147483647")),
        (b"  9\tname  \r\n", request("name", number="9")),
        (b"na\x01me\x7f\x00\n", request("name")),
        (b"play  b\t D4   # a comment\n", request("play", "b", "D4", tail="b  D4")),
        (b"7name\n", request("7name")),
        (b"-1 name\n", request("-1", "name")),
        (b"\xc2\xb2 name\n", request("\u00b2", "name")),  # a digit, but not of ASCII
        (b"x\xc2\xa0y z\xff\n", request("x\u00a0y", "z\ufffd")),
        (b'kata-set-rules {"ko": 1}\n', request("kata-set-rules", '{"ko":', "1}")),
        (b"\n", None),
        (b"", None),
        (b" \t \r\n", None),
        (b"# only a comment\n", None),
        (b"12\n", None),
        (b"12 # a comment\n", None),
    ],
)
def test_lines_are_read_as_the_specification_says(line: bytes, expected: Request | None) -> None:
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


def call(*arguments: str) -> Call:
    return Call(request("name", *arguments), None)  # type: ignore[arg-type]


def test_numbers_are_read_as_people_write_them() -> None:
    assert [call(text).integer() for text in ("0", "007", "2147483647")] == [0, 7, 2**31 - 1]
    assert [call(text).number() for text in ("7", "-.5", "1e2", "+3.")] == [7.0, -0.5, 100.0, 3.0]
    for text in ("", "-1", "1.0", "x", "2147483648", "9" * 5000, "\u0663", "1_0"):
        with pytest.raises(GtpError, match="syntax error"):
            call(*filter(None, [text])).integer()
    for text in ("nan", "inf", "-Infinity", "1e999", "1_0", "x", "0x1"):
        with pytest.raises(GtpError, match="syntax error"):
            call(text).number()


def test_colours_and_booleans() -> None:
    assert [call(text).color() for text in ("b", "W", "Black", "wHITE")] == [0, 1, 0, 1]
    assert [call(text).boolean() for text in ("true", "false")] == [True, False]
    for text in ("x", "True", "1"):
        with pytest.raises(GtpError):
            call(text).boolean()
    with pytest.raises(GtpError):
        call("green").color()
    assert call("a", "b").rest() == ["a", "b"] and call().peek() == ""


# -- the threads -----------------------------------------------------------------------------------


class Pipe:
    """A server at the other end of two pipes."""

    def __init__(self, front: Front) -> None:
        self.read_end, self.write_end = os.pipe()
        self.out_read, self.out_write = os.pipe()
        self.server = Server(
            front,
            lambda: os.read(self.read_end, 1000),
            lambda data: os.write(self.out_write, data),
            lambda: has_no_reader(self.out_write),
        )
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def send(self, data: bytes) -> None:
        os.write(self.write_end, data)

    def receive(self, end: bytes = b"\n\n") -> bytes:
        data = b""
        while not data.endswith(end):
            data += os.read(self.out_read, 1)
        return data

    def close(self) -> None:
        for descriptor in (self.write_end, self.out_read):
            os.close(descriptor)
        self.thread.join()
        for descriptor in (self.read_end, self.out_write):
            os.close(descriptor)


class Endless(Front):
    """Whose analysis counts, and whose move is only made when it is asked for."""

    def prepare(self) -> None:
        pass

    @property
    def commands(self):
        def analyze(front, call: Call) -> str:
            call.begin()
            for number in itertools.count():
                if call.is_followed():
                    return ""
                if number < 3:
                    call.line(f"info {number}")

        def genmove(front, call: Call) -> str:
            waiting.set()
            while not call.is_cancelled():
                pass
            return "D4"

        waiting = self.waiting = threading.Event()
        return {"analyze": analyze, "genmove": genmove}


@pytest.fixture
def pipe():
    made = Pipe(Endless(GtpOptions(), print))
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


def test_gogui_may_ask_for_the_move(pipe: Pipe) -> None:
    pipe.send(b"# interrupt\n1 name\n")  # nothing to interrupt
    assert pipe.receive() == b"=1 AlphaZero\n\n"
    pipe.send(b"2 genmove b\n# interrupt\n3 name\n")
    assert pipe.receive() == b"=2 D4\n\n" and pipe.receive() == b"=3 AlphaZero\n\n"


def test_the_engine_leaves_when_nobody_reads_its_answers() -> None:
    pipe = Pipe(Endless(GtpOptions(), print))
    pipe.send(b"genmove b\n")
    pipe.close()  # as when the controller is killed


def test_all_commands_are_answered_before_the_input_ends_it() -> None:
    written: list[bytes] = []
    chunks = iter([b"1 name\n2 proto", b"col_version\n3 nosuch\n4 version", b""])
    Server(Endless(GtpOptions(), print), lambda: next(chunks), written.append).run()
    assert written[:3] == [b"=1 AlphaZero\n\n", b"=2 2\n\n", b"?3 unknown command\n\n"]
    assert len(written) == 4 and written[3].startswith(b"=4 ")


def test_nothing_is_answered_after_quit() -> None:
    written: list[bytes] = []
    chunks = iter([b"1 quit\n2 name\n", b""])
    Server(Endless(GtpOptions(), print), lambda: next(chunks), written.append).run()
    assert written == [b"=1\n\n"]


def test_an_error_of_the_program_is_an_answer_and_the_session_lives(capsys) -> None:
    class Broken(Endless):
        @property
        def commands(self):
            return {"play": lambda front, call: 1 // 0, "analyze": self.analyze}

        def analyze(self, front, call: Call) -> str:
            call.begin()
            raise GtpError("too late")

    heard: list[str] = []
    written: list[bytes] = []
    chunks = iter([b"1 play\n2 analyze\n3 name\n", b""])
    Server(Broken(GtpOptions(), heard.append), lambda: next(chunks), written.append).run()
    assert b"".join(written) == (
        b"?1 internal error: ZeroDivisionError: integer division or modulo by zero\n\n"
        b"=2\n\n=3 AlphaZero\n\n"
    )
    assert heard == ["analyze: too late"] and "Traceback" in capsys.readouterr().err


def test_loading_begins_once_nothing_is_asked(monkeypatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.01)
    begun = threading.Event()

    class Lazy(Endless):
        def prepare(self) -> None:
            begun.set()

    pipe = Pipe(Lazy(GtpOptions(), print))
    assert begun.wait(60)
    pipe.close()


def test_a_game_that_cannot_be_loaded_fails_the_commands_that_need_it() -> None:
    from alphazero.engine.options import EngineOptions

    heard: list[str] = []
    front = Front(GtpOptions(EngineOptions("go:size=99")), heard.append)
    for _ in range(2):
        with pytest.raises(GtpError, match="size must be a whole number from 2 to 19"):
            _ = front.table
    assert len(heard) == 1 and "boardsize" in front.commands
    assert frame.END == b"\n"
