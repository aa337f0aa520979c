"""All commands by name, and those about the conversation itself."""

import time
from collections.abc import Callable, Mapping

from alphazero.errors import RequestError
from alphazero.protocols.gtp.arguments import Arguments
from alphazero.protocols.gtp.commands import analyze, board, files, gogui, kata, play, query
from alphazero.protocols.gtp.session import Session

Handler = Callable[[Session, Arguments], str]
PROTOCOL_VERSION = "2"


def find_command(session: Session, name: str) -> Handler:
    """Find the function of a command. Raises RequestError for an unknown one."""
    handler = BASICS.get(name) or commands(session).get(name)
    if handler is None:
        raise RequestError("unknown command")
    return handler


def commands(session: Session) -> Mapping[str, Handler]:
    """Collect all commands of a session by name. Games other than Go are loaded for it."""
    groups = [BASICS, *(module.COMMANDS for module in (board, play, query, analyze, gogui))]
    if not session.is_go:
        groups.append(gogui.RULES_COMMANDS)
    else:
        go_modules = (board, play, query, analyze, gogui, kata, files)
        groups += [module.GO_COMMANDS for module in go_modules]
        if session.has_network:
            groups += [analyze.SCORE_COMMANDS, kata.SCORE_COMMANDS]
    return {name: handler for group in groups for name, handler in group.items()}


# -- commands that need no game --------------------------------------------------------------------


def protocol_version(session: Session, arguments: Arguments) -> str:
    return PROTOCOL_VERSION


def name(session: Session, arguments: Arguments) -> str:
    return session.options.name


def version(session: Session, arguments: Arguments) -> str:
    return session.options.version


def known_command(session: Session, arguments: Arguments) -> str:
    word = arguments.peek()
    return "true" if word in BASICS or word in commands(session) else "false"


def list_commands(session: Session, arguments: Arguments) -> str:
    return "\n".join(sorted(commands(session)))


def nothing(session: Session, arguments: Arguments) -> str:
    """Only respond: the server sees to `quit`, and the line `stop` has ended an analysis."""
    return ""


def cpu_time(session: Session, arguments: Arguments) -> str:
    return f"{time.process_time():.3f}"


BASICS: dict[str, Handler] = {
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
