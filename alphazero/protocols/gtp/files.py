"""GTP's commands about files of games (SGF)."""

from typing import TYPE_CHECKING

from alphazero.errors import UserError
from alphazero.protocols.gtp.call import Call, GtpError, Handler, read_integer
from alphazero.protocols.gtp.moves import Memory

if TYPE_CHECKING:
    from alphazero.protocols.gtp.front import Front

CANNOT_LOAD = "cannot load file"


def loadsgf(front: "Front", call: Call) -> str:
    """A file's main line to its end or, with a number, to before that move."""
    from alphazero.formats.sgf import read_sgf

    table = front.table
    path, move = path_and_move(call)
    try:
        read = read_sgf(path, move, game=table.game)
        size = read.position.game.planes[1]
        if size != table.size:
            table.resize(size)
            read = read_sgf(path, move, game=table.game)
    except UserError as error:
        front.report(str(error))
        raise GtpError(CANNOT_LOAD) from error
    for remark in read.remarks:
        front.report(f"{path}: {remark}")
    table.adopt(read.position, read.info.rules, read.info.handicap)
    front.memory = Memory()
    table.prepare()
    return ""


def path_and_move(call: Call) -> tuple[str, int | None]:
    """A file's name and perhaps a number. GTP has no spaces in names, but people's folders do."""
    name = call.word()
    words = call.rest()
    if len(words) > 1 or (words and not words[0].isdecimal()):
        name, move = call.tail, None
        if words[-1].isdecimal():
            name, move = call.tail.removesuffix(words[-1]).rstrip(" "), read_integer(words[-1])
        return name.strip('"'), move
    return name, read_integer(words[0]) if words else None


def printsgf(front: "Front", call: Call) -> str:
    """The game as a file's text or, with a name, into that file."""
    from pathlib import Path

    from alphazero.files import atomic_write

    text = sgf_text(front)
    if not call.has_more:
        return text
    path = call.word()
    atomic_write(Path(path).expanduser(), text.encode())
    return ""


def savesgf(front: "Front", call: Call) -> str:
    """gomill's: into a file; what else is said of the game (`RE=B+2`) goes into the file."""
    from pathlib import Path

    from alphazero.files import atomic_write

    path = call.word()
    said: dict[str, str] = {}
    for word in call.rest():
        name, _, value = word.partition("=")
        said[name] = value.replace("\\_", " ")
    text = sgf_text(front, said)
    atomic_write(Path(path).expanduser(), text.encode())
    return ""


def sgf_text(front: "Front", said: dict[str, str] | None = None) -> str:
    from alphazero.formats.sgf import SgfInfo, write_sgf

    table, said = front.table, said or {}
    info = SgfInfo(
        black=said.get("PB", ""),
        white=said.get("PW", ""),
        result=said.get("RE", ""),
        date=said.get("DT", ""),
        event=said.get("EV", ""),
        rules=table.rules.name,
        handicap=table.handicap,
        main_time=None if table.control is None else table.control.main,
    )
    return write_sgf(table.position, info)


GO_COMMANDS: dict[str, Handler] = {
    "loadsgf": loadsgf,
    "printsgf": printsgf,
    "gomill-savesgf": savesgf,
}
