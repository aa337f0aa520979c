"""stdin and stdout of a server, as processes see them."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from socket import socketpair

import pytest

from alphazero.protocols.stdio import SCRIPT_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
# A server that answers every line with itself. After `wait` it does not end of itself.
PROGRAM = """
import sys, threading
from alphazero.command_line import report
from alphazero.protocols.stdio import serve

class Echo:
    def __init__(self, write):
        self.write, self.waits = write, False
        print("a stray print")
    def receive(self, line):
        self.waits |= line == b"wait\\n"
        if line == b"fail\\n":
            1 / 0
        if line == b"report\\n":
            report("a message")
        self.write(line.upper())
        return line != b"quit\\n"
    def close(self):
        if self.waits:
            threading.Event().wait()
        self.write(b"closed\\n")

threading.Thread(target=threading.Event().wait).start()  # would keep an orderly end waiting
serve(Echo, finishes="finishes" in sys.argv)
"""


@pytest.fixture
def process():
    made = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    yield made
    made.kill()
    made.wait()


def test_every_line_is_answered_until_the_input_ends(process) -> None:
    answers, errors = process.communicate(b"one\ntwo\nunfinished", PATIENCE)
    assert answers == b"ONE\nTWO\nUNFINISHEDclosed\n" and process.returncode == 0
    assert errors == b"a stray print\n"


def test_nothing_is_read_after_the_last_line(process) -> None:
    answers, _ = process.communicate(b"one\nquit\ntwo\n", PATIENCE)
    assert answers == b"ONE\nQUIT\nclosed\n" and process.returncode == 0


def test_it_ends_when_nobody_reads_the_answers(process) -> None:
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"ONE\n"
    process.stdout.close()  # and stdin stays open
    assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(not hasattr(select, "poll"), reason="the system does not tell of readers")
def test_it_ends_when_nobody_can_read_what_it_is_still_doing(process) -> None:
    process.stdin.write(b"wait\n")
    process.stdin.close()
    assert process.stdout.readline() == b"WAIT\n"
    assert process.poll() is None  # like a script's, its answers are wanted
    process.stdout.close()
    assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(not hasattr(select, "poll"), reason="the system does not tell of readers")
@pytest.mark.parametrize("kind", ["socket", "terminal"])
def test_it_ends_when_the_other_end_of_a_socket_or_a_terminal_is_closed(kind: str) -> None:
    """Node's pipes are sockets; a terminal is closed with its window."""
    ours, theirs = os.openpty() if kind == "terminal" else map(socket.socket.detach, socketpair())
    made = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=theirs
    )
    os.close(theirs)
    made.stdin.write(b"wait\n")
    made.stdin.flush()
    assert os.read(ours, 4) == b"WAIT"
    os.close(ours)
    assert made.wait(PATIENCE) in (0, -signal.SIGHUP)
    made.stdin.close()


@pytest.mark.parametrize("finishes", [False, True])
def test_a_client_that_leaves_is_told_from_a_script_that_ends(finishes: bool) -> None:
    made = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "finishes"[: 8 * finishes]],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    made.stdin.write(b"one\n")
    made.stdin.flush()
    assert made.stdout.readline() == b"ONE\n"
    time.sleep(2 * SCRIPT_SECONDS)
    made.stdin.close()
    assert made.stdout.read() == (b"closed\n" if finishes else b"") and made.wait(PATIENCE) == 0


def test_it_goes_on_and_ends_although_nobody_reads_its_messages(process) -> None:
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"ONE\n"
    process.stderr.close()
    process.stdin.write(b"report\nquit\n")
    process.stdin.close()
    assert process.stdout.read() == b"REPORT\nQUIT\nclosed\n" and process.wait(PATIENCE) == 0


def test_an_error_of_the_program_ends_it(process) -> None:
    answers, errors = process.communicate(b"one\nfail\ntwo\n", PATIENCE)
    assert answers == b"ONE\n" and b"ZeroDivisionError" in errors and process.returncode == 1


def test_ctrl_c_ends_it(process) -> None:
    process.stdin.write(b"one\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"ONE\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 130


def test_stdin_that_is_not_open_is_its_end() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, PROGRAM],
        cwd=ROOT,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.stdout == b"closed\n" and done.returncode == 0
