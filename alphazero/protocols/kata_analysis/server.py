"""`python -m alphazero analysis`: questions on stdin, answers on stdout, a line of JSON each.

One thread reads, answers what needs no search and lines the turns up by priority; the other
searches one turn after the other.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import alphazero
from alphazero.command_line import INTERRUPTED, report
from alphazero.engine.host import EngineHost
from alphazero.engine.options import EngineOptions, require_game
from alphazero.errors import UserError
from alphazero.protocols.kata_analysis.query import QueryError, read_query
from alphazero.protocols.kata_analysis.study import Study, studies
from alphazero.protocols.stdio import take_stdout

Send = Callable[[dict[str, Any]], None]
PROXY_WARNING = "without a network that knows the score, scoreLead only stands for the win rate"


@dataclass(order=True)
class Task:
    """A turn in line: the highest priority first, then whichever came first."""

    rank: int
    number: int
    study: Study = field(compare=False)
    is_terminated: bool = field(compare=False, default=False)
    has_begun: bool = field(compare=False, default=False)


class AnalysisServer:
    """One conversation."""

    def __init__(self, options: EngineOptions, send: Send, report: Callable[[str], None]) -> None:
        """`send` gets the answers, one at a time; `report` what a person should know."""
        self._options = options
        self._stock = EngineHost(options, report)
        self._send_one = send
        self._sending = threading.Lock()
        self._tasks: list[Task] = []
        self._changed = threading.Condition()
        self._count = 0
        self._has_ended = False
        self._warned: set[str] = set()

    def run(self, lines: Iterator[bytes]) -> None:
        """Answer all lines; returns once the last question is answered."""
        searcher = threading.Thread(target=self._search)
        searcher.start()
        try:
            for line in lines:
                if line.strip():
                    self.receive(line)
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify()
            searcher.join()

    def stop(self) -> None:
        """Leave all questions that are not answered."""
        with self._changed:
            for task in self._tasks:
                task.is_terminated = True

    # -- receiving ---------------------------------------------------------------------------------

    def receive(self, line: bytes) -> None:
        """Take one line of input."""
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._send({"error": f"cannot read the line as JSON: {error}"})
            return
        if not isinstance(fields, dict):
            self._send({"error": "a question must be an object of JSON"})
        elif not isinstance(fields.get("id"), str):
            self._send({"error": 'a question must have a text as its "id"'})
        else:
            try:
                self._act(fields) if "action" in fields else self._enqueue(fields)
            except (QueryError, UserError) as error:
                answer = {"error": " ".join(str(error).split()), "id": fields["id"]}
                if isinstance(error, QueryError) and error.field:
                    answer["field"] = error.field
                self._send(answer)

    def _act(self, fields: dict[str, Any]) -> None:
        action = fields["action"]
        if action == "query_version":
            self._send(fields | {"version": alphazero.__version__, "git_hash": "<omitted>"})
        elif action == "clear_cache":  # every search begins anew
            self._send(fields)
        elif action in ("terminate", "terminate_all"):
            self._send(fields)
            self._terminate(fields, action == "terminate_all")
        else:
            raise QueryError(f"unknown action {action!r}", "action")

    def _terminate(self, fields: dict[str, Any], everything: bool) -> None:
        turns = fields.get("turnNumbers")
        with self._changed:
            for task in self._tasks:
                query = task.study.query
                is_meant = everything or query.id == fields.get("terminateId")
                if is_meant and (not isinstance(turns, list) or task.study.turn in turns):
                    task.is_terminated = True
            self._changed.notify()

    def _enqueue(self, fields: dict[str, Any]) -> None:
        query = read_query(fields)
        found, warnings = studies(self._stock, self._options.game, query)
        for name, text in warnings:
            self._warn(query.id, name, text)
        with self._changed:
            for study, priority in zip(found, query.priorities, strict=True):
                self._count += 1
                self._tasks.append(Task(-priority, self._count, study))
            self._changed.notify()

    # -- searching ---------------------------------------------------------------------------------

    def _search(self) -> None:
        while (task := self._next()) is not None:
            try:
                self._study(task)
            except Exception as error:
                message = " ".join(f"{type(error).__name__}: {error}".split())
                self._send({"error": message, "id": task.study.query.id})
            with self._changed:
                self._tasks.remove(task)

    def _next(self) -> Task | None:
        with self._changed:
            while not self._tasks and not self._has_ended:
                self._changed.wait()
            return min(self._tasks, default=None)

    def _study(self, task: Task) -> None:
        study = task.study
        if task.is_terminated or study.position.is_over:
            self._send(
                {
                    "id": study.query.id,
                    "turnNumber": study.turn,
                    "isDuringSearch": False,
                    "noResults": True,
                }
            )
            return
        if not study.engine.auxiliary([study.position]):
            self._warn(study.query.id, "scoreLead", PROXY_WARNING)
        study.run(lambda: task.is_terminated, self._send)

    # -- answering ---------------------------------------------------------------------------------

    def _warn(self, number: str, name: str, text: str) -> None:
        """Say something once in a conversation."""
        if text not in self._warned:
            self._warned.add(text)
            self._send({"warning": text, "field": name, "id": number})

    def _send(self, answer: dict[str, Any]) -> None:
        with self._sending:
            self._send_one(answer)


def serve(options: EngineOptions) -> int:
    """Answer questions until the input ends. Raises UserError for a game known not to be Go."""
    require_game(options.game, "go", "analysis")
    answers = take_stdout()

    def send(answer: dict[str, Any]) -> None:
        data = json.dumps(answer, separators=(",", ":")).encode() + b"\n"
        try:
            while data:
                data = data[os.write(answers, data) :]
        except BrokenPipeError:  # nobody reads the answers any more
            os._exit(0)

    server = AnalysisServer(options, send, report)
    try:
        server.run(iter(sys.stdin.buffer.readline, b""))
    except KeyboardInterrupt:
        server.stop()
        return INTERRUPTED
    return 0
