"""The GTP server: lines of input to commands, run one after the other by the engine's host.

The thread that reads never waits for a command, so that the next line ends an analysis at once and
GoGui can interrupt a move.
"""

import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from alphazero.command_line import report
from alphazero.engine.host import SearchHandle
from alphazero.errors import RequestError, UserError
from alphazero.protocols import stdio
from alphazero.protocols.gtp.arguments import Arguments
from alphazero.protocols.gtp.codec import (
    END,
    Command,
    body,
    failure,
    is_interrupt,
    parse,
    success,
)
from alphazero.protocols.gtp.commands.registry import find_command
from alphazero.protocols.gtp.session import GtpOptions, Reply, Session


class GtpServer:
    """One conversation, for `stdio.serve`."""

    def __init__(self, session: Session, write: Callable[[bytes], None]) -> None:
        """`write` sends bytes, all at once."""
        self.host = session.host
        self._session, self._write = session, write
        self._last: Reply | None = None  # to the latest command

    def receive(self, line: bytes) -> bool:
        """Queue the command of a line, if there is one; False after `quit`."""
        if is_interrupt(line):
            self.host.stop()
        if self._last is not None:
            self._last.follow()
        command = parse(line)
        if command is None:
            return True
        reply = self._last = Reply(command.id, self._write)

        def run(handle: SearchHandle[None]) -> None:
            reply.handle = handle
            answer(self._session, command, reply)

        self.host.run(run)
        return command.name != "quit"

    def close(self) -> None:
        """Answer all commands."""
        if self._last is not None:
            self._last.follow()
        self.host.close()


def answer(session: Session, command: Command, reply: Reply) -> None:
    """Run a command and write its response."""
    session.reply = reply
    try:
        handler = find_command(session, command.name)
        text = handler(session, Arguments(command))
    except RequestError as error:
        _fail(session, command, str(error))
    except UserError as error:  # a wrong file, say: a person should know of it too
        message = " ".join(str(error).split())
        session.report(message)
        _fail(session, command, message)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        _fail(session, command, f"internal error: {type(error).__name__}: {error}")
    else:
        reply.write(body(text) + END if reply.has_begun else success(reply.id, text))


def _fail(session: Session, command: Command, message: str) -> None:
    reply = session.reply
    if reply.has_begun:  # as a success, so the response only ends
        session.report(f"{command.name}: {message}")
        reply.write(END)
    else:
        reply.write(failure(reply.id, message))


def serve(options: GtpOptions) -> NoReturn:
    """Speak GTP on stdin and stdout until `quit` or the end of input, then exit."""
    stdio.serve(lambda write: GtpServer(Session(options, report), write))
