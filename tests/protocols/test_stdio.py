"""stdin and stdout of a server, as processes see them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60
# A server that answers every line with itself, and takes `wait` until nobody reads its answers.
PROGRAM = """
import sys, threading, time
from alphazero.protocols.stdio import serve

class Echo:
    def __init__(self, write):
        self.write, self.waits = write, False
        print("a stray print")
    def receive(self, line):
        self.waits |= line == b"wait\\n"
        self.write(line.upper())
        return line != b"quit\\n"
    def close(self, is_abandoned):
        while self.waits and not is_abandoned():
            time.sleep(0.01)
        self.write(b"closed\\n")

threading.Thread(target=threading.Event().wait).start()  # would keep an orderly end waiting
serve(Echo)
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
    process.stdout.close()
    process.stdin.write(b"two\n")  # and stdin stays open
    process.stdin.flush()
    assert process.wait(PATIENCE) == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that tell of their readers")
def test_a_long_task_is_given_up_when_nobody_waits_for_it(process) -> None:
    process.stdin.write(b"wait\n")
    process.stdin.close()
    assert process.stdout.readline() == b"WAIT\n"
    assert process.poll() is None
    process.stdout.close()
    assert process.wait(PATIENCE) == 0


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
