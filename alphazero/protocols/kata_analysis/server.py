"""The server of KataGo's analysis protocol: `python -m alphazero analysis`.

The thread that reads only passes queries on, so that it sees the end of the input whatever is being
loaded. A second one checks them and replays their games; the host searches one turn after the
other, those of the highest priority first.
"""

import json
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import alphazero
from alphazero.command_line import report
from alphazero.engine.host import EngineHost, SearchHandle
from alphazero.engine.options import EngineOptions, require_game
from alphazero.errors import UserError
from alphazero.protocols import stdio
from alphazero.protocols.kata_analysis.codec import QueryError, read_object, write_error

if TYPE_CHECKING:
    from alphazero.protocols.kata_analysis.job import Job

PROXY_WARNING = "without a network that knows the score, scoreLead only stands for the win rate"


def serve(options: EngineOptions) -> NoReturn:
    """Answer queries on stdin and stdout until the input ends, and all of them.

    Raises UserError for a game that is known not to be Go.
    """
    require_game(options.game, "go", "analysis")

    def make_server(write: Callable[[bytes], None]) -> AnalysisServer:
        def send(answer: dict[str, Any]) -> None:
            write(json.dumps(answer, separators=(",", ":"), allow_nan=False).encode() + b"\n")

        return AnalysisServer(options, send, report)

    stdio.serve(make_server, finishes=True)


class AnalysisServer:
    """One conversation."""

    def __init__(
        self,
        options: EngineOptions,
        send: Callable[[dict[str, Any]], None],
        report: Callable[[str], None],
    ) -> None:
        """`send` gets the answers, from three threads; `report` messages for people."""
        self._game, self._send = options.game, send
        self.host = EngineHost(options, report)
        self._preparing = ThreadPoolExecutor(1, "preparation of queries")
        self._jobs: list[tuple[Job, SearchHandle[None]]] = []  # that may not be done
        self._warned: set[str] = set()

    def receive(self, line: bytes) -> bool:
        """Take one line of input; always True, for no query ends a conversation."""
        if not line.strip():
            return True
        try:
            fields = read_object(line)
        except QueryError as error:
            self._send(write_error(error))
            return True
        if fields.get("action") == "query_version":  # asked to see whether it lives
            self._send(fields | {"version": alphazero.__version__, "git_hash": "<omitted>"})
        else:
            self._preparing.submit(self._take, fields)
        return True

    def close(self) -> None:
        """Answer all queries."""
        self._preparing.shutdown()
        self.host.close()

    # -- in the thread that prepares ---------------------------------------------------------------

    def _take(self, fields: dict[str, Any]) -> None:
        try:
            if "action" in fields:
                self._act(fields)
            else:
                self._enqueue(fields)
        except (QueryError, UserError) as error:
            self._send(write_error(error, fields["id"]))
        except Exception as error:
            self._send_failure(error, fields["id"])

    def _act(self, fields: dict[str, Any]) -> None:
        action = fields["action"]
        if action == "query_models":
            self.host.run(lambda handle: self._send_models(fields))
        elif action == "clear_cache":  # every search begins with an empty tree
            self._send(fields)
        elif action in ("terminate", "terminate_all"):
            self._send(fields)
            self._terminate(fields, everything=action == "terminate_all")
        else:
            raise QueryError(f"unknown action {action!r}", "action")

    def _terminate(self, fields: dict[str, Any], everything: bool) -> None:
        turns = fields.get("turnNumbers")
        for job, handle in self._jobs:
            is_meant = everything or job.query.id == fields.get("terminateId")
            if is_meant and (not isinstance(turns, list) or job.turn in turns):
                handle.stop()

    def _enqueue(self, fields: dict[str, Any]) -> None:
        from alphazero.protocols.kata_analysis.job import make_jobs
        from alphazero.protocols.kata_analysis.query import read_query, unused_fields

        query = read_query(fields)
        jobs, warnings = make_jobs(self.host, self._game, query)
        for field in unused_fields(fields):
            self._warn(query.id, field, f"{field} has no effect")
        for field, text in warnings:
            self._warn(query.id, field, text)
        self._jobs = [(job, handle) for job, handle in self._jobs if not handle.is_done]
        queued: set[int] = set()
        for job, priority in zip(jobs, query.priorities, strict=True):
            if job.turn in queued:  # one final answer for every turn
                continue
            queued.add(job.turn)
            handle = self.host.run(
                lambda handle, job=job: self._run(job, handle), priority=priority
            )
            self._jobs.append((job, handle))

    # -- in the host's thread ----------------------------------------------------------------------

    def _send_models(self, fields: dict[str, Any]) -> None:
        try:
            source = self.host.engine(self.host.game(self._game)).source
        except UserError as error:
            self._send(write_error(error, fields["id"]))
            return
        model = {"name": source, "internalName": source, "maxBatchSize": 0}
        self._send(fields | {"models": [model]})

    def _run(self, job: "Job", handle: SearchHandle[None]) -> None:
        try:
            if handle.is_stopped or job.position.is_over:
                self._send(job.no_results)
                return
            if not self.host.engine(job.position.game).knows_score:
                self._warn(job.query.id, "scoreLead", PROXY_WARNING)
            job.run(self.host, handle, self._send)
        except (QueryError, UserError) as error:
            self._send(write_error(error, job.query.id))
        except Exception as error:
            self._send_failure(error, job.query.id)

    # -- in either ---------------------------------------------------------------------------------

    def _send_failure(self, error: Exception, query_id: str) -> None:
        """Answer a query that an error of the program has ended."""
        traceback.print_exc(file=sys.stderr)
        message = f"internal error: {type(error).__name__}: {error}"
        self._send(write_error(RuntimeError(message), query_id))

    def _warn(self, query_id: str, field: str, text: str) -> None:
        """Send a warning once in a conversation, one about the moves of a game for every query."""
        key = f"{query_id} {text}" if field == "moves" else text
        if key not in self._warned:
            self._warned.add(key)
            self._send({"warning": text, "field": field, "id": query_id})
