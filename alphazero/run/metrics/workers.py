"""Who plays for a run: what the learner's process knows of its workers, for `status` to show."""

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from alphazero.selfplay.workers.inline import Chunk

FORGET_SECONDS = 3600.0  # a worker that was not heard of for so long is left out


@dataclass
class Member:
    """One worker; times are in seconds since 1970."""

    name: str
    games: int  # that arrived since `first`
    version: int  # of the weights it had
    first: float  # when it was heard of for the first time
    last: float  # and when for the last


class Crew:
    """The workers that have sent games since this process began."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.members: dict[str, Member] = {}
        self.began = clock()

    def saw(self, chunk: Chunk) -> None:
        """Count what a worker sent."""
        now = self.clock()
        member = self.members.setdefault(
            chunk.worker, Member(chunk.worker, 0, chunk.version, self.began, now)
        )
        member.games += len(chunk.records)
        member.version, member.last = max(member.version, chunk.version), now

    def to_json(self) -> str:
        """The process that learns and its workers, for other processes to read."""
        now = self.clock()
        self.members = {
            name: member
            for name, member in self.members.items()
            if now - member.last < FORGET_SECONDS
        }
        content = {
            "time": now,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "workers": [asdict(member) for member in self.members.values()],
        }
        return json.dumps(content) + "\n"
