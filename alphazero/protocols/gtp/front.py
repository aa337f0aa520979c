"""The engine's end of a GTP conversation: which commands there are, and answering a line.

Commands that need no board are here, and answered before anything large is loaded. The others are
functions (front, call) -> answer in modules of their own, by name in each module's COMMANDS.
"""

import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import alphazero
from alphazero.errors import UserError
from alphazero.protocols.gtp import (
    analysis,
    files,
    gogui,
    handicaps,
    kata,
    looking,
    moves,
    raw,
    ruler,
    rules,
    scoring,
    timing,
)
from alphazero.protocols.gtp.call import Call, GtpError, Handler, Line
from alphazero.protocols.gtp.frame import END, body, failure, parse, success
from alphazero.protocols.gtp.options import GtpOptions

if TYPE_CHECKING:
    from alphazero.protocols.gtp.table import Table

PROTOCOL_VERSION = "2"
GO = "go"  # the game that the protocol is named after
PRETRAINED = Path(alphazero.__file__).parent / "pretrained" / f"{GO}.safetensors"
GROUPS = (moves, timing, looking, scoring, analysis, gogui)
GO_GROUPS = (moves, handicaps, looking, scoring, files, rules, analysis, raw, gogui)


class Front:
    """One conversation."""

    def __init__(self, options: GtpOptions, report: Callable[[str], None]) -> None:
        """`report` hears what a person at the other end should know, a line at a time."""
        self.options = options
        self.may_resign = options.may_resign
        self.memory = moves.Memory()
        self.report = report
        self._table: Table | None = None
        self._problem = ""  # why there is no table
        self._loader: threading.Thread | None = None
        self._commands: Mapping[str, Handler] | None = None

    # -- answering ---------------------------------------------------------------------------------

    def answer(self, data: bytes, line: Line) -> bool:
        """Answer one line of input, if it holds a command; False after the last."""
        request = parse(data)
        if request is None:
            return True
        call = Call(request, line)
        try:
            text = self._handler(request.name)(self, call)
        except GtpError as error:
            self._fail(call, line, str(error))
        except UserError as error:  # a file, say, that people can do something about
            message = " ".join(str(error).split())
            self.report(message)
            self._fail(call, line, message)
        except BrokenPipeError:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._fail(call, line, f"internal error: {type(error).__name__}: {error}")
        else:
            line.write(body(text) + END if call.has_begun else success(request.id, text))
        return request.name != "quit"

    def _fail(self, call: Call, line: Line, message: str) -> None:
        if call.has_begun:  # too late to call it a failure
            self.report(f"{call.request.name}: {message}")
            line.write(END)
        else:
            line.write(failure(call.request.id, message))

    def _handler(self, name: str) -> Handler:
        if name in ADMINISTRATION:
            return ADMINISTRATION[name]
        if name not in self.commands:
            raise GtpError("unknown command")
        return self.commands[name]

    # -- what there is -----------------------------------------------------------------------------

    @property
    def commands(self) -> Mapping[str, Handler]:
        """All commands by name. To know them for Go needs nothing, for other games the game."""
        if self._commands is None:
            found = {**ADMINISTRATION}
            for group in GROUPS:
                found |= group.COMMANDS
            if self._is_go():
                for group in GO_GROUPS:
                    found |= group.GO_COMMANDS
                if self._has_network():
                    found |= kata.COMMANDS
            else:
                found |= ruler.COMMANDS
            self._commands = found
            return found
        return self._commands

    def _is_go(self) -> bool:
        name = self.options.engine.game.partition(":")[0]
        return name.lower() == GO or self.table.is_go

    def _has_network(self) -> bool:
        """Whether a network tells score and ownership: all networks for Go do."""
        return self.options.engine.network is not None or PRETRAINED.exists()

    # -- the table ---------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Begin to load what takes long, in the background."""
        if self._loader is None:
            self._loader = threading.Thread(target=self._load, daemon=True)
            self._loader.start()

    @property
    def is_loading(self) -> bool:
        return self._loader is not None and self._loader.is_alive()

    @property
    def table(self) -> "Table":
        """The board and the engine, once they are there. Raises GtpError if they cannot be."""
        if self._table is None:
            self.prepare()
            assert self._loader is not None
            self._loader.join()
            if self._table is None:
                raise GtpError(self._problem)
        return self._table

    def _load(self) -> None:
        try:
            from alphazero.engine.host import EngineHost
            from alphazero.protocols.gtp.table import Table

            options = self.options.engine
            self._table = Table(EngineHost(options, self.report), options.game)
            self._table.prepare()
        except UserError as error:
            self._problem = " ".join(str(error).split())
            self.report(self._problem)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._problem = f"internal error: {type(error).__name__}: {error}"


# -- commands that need nothing --------------------------------------------------------------------


def protocol_version(front: Front, call: Call) -> str:
    return PROTOCOL_VERSION


def name(front: Front, call: Call) -> str:
    return front.options.name


def version(front: Front, call: Call) -> str:
    return front.options.version


def known_command(front: Front, call: Call) -> str:
    word = call.peek()
    return "true" if word in ADMINISTRATION or word in front.commands else "false"


def list_commands(front: Front, call: Call) -> str:
    return "\n".join(sorted(front.commands))


def nothing(front: Front, call: Call) -> str:
    """`quit` is seen to by `answer`; what `stop` asks for, the line itself has done."""
    return ""


def cpu_time(front: Front, call: Call) -> str:
    return f"{time.process_time():.3f}"


ADMINISTRATION: dict[str, Handler] = {
    "protocol_version": protocol_version,
    "name": name,
    "version": version,
    "known_command": known_command,
    "list_commands": list_commands,
    "quit": nothing,
    "stop": nothing,
    "gogui-interrupt": nothing,
    "cputime": cpu_time,
    "gomill-cpu_time": cpu_time,
}
