"""Commands that read and write SGF files."""

from pathlib import Path

from alphazero.errors import RequestError, UserError
from alphazero.protocols.gtp.arguments import Arguments, read_integer
from alphazero.protocols.gtp.commands.query import go_score
from alphazero.protocols.gtp.session import Session


def loadsgf(session: Session, arguments: Arguments) -> str:
    """Load a file's main line, to its end or to before move N."""
    from alphazero.formats.rulesets import search_remark
    from alphazero.formats.sgf import read_sgf

    state = session.state
    path, move = path_and_move(arguments)
    try:
        sgf = read_sgf(path, move, game=state.game)
        rows, columns = sgf.position.game.planes[1:]
        if (rows, columns) != (state.rows, state.columns):
            state.resize(columns, rows)
            sgf = read_sgf(path, move, game=state.game)
    except UserError as error:
        session.report(str(error))
        raise RequestError("cannot load file") from error
    for remark in sgf.remarks:
        session.report(f"{path}: {remark}")
    state.adopt(sgf.position, sgf.info.rules, sgf.info.handicap)
    if remark := search_remark(state.rules):
        session.report(remark)
    session.begin_game()
    return ""


def path_and_move(arguments: Arguments) -> tuple[str, int | None]:
    """Parse a path, which may have spaces in it, and perhaps a number of a move."""
    name = arguments.word()
    words = arguments.rest()
    if len(words) > 1 or (words and not words[0].isdecimal()):
        name, move = arguments.tail, None
        if words[-1].isdecimal():
            name, move = name.removesuffix(words[-1]).rstrip(" "), read_integer(words[-1])
        return name.strip('"'), move
    return name, read_integer(words[0]) if words else None


def printsgf(session: Session, arguments: Arguments) -> str:
    """Write the game into a file or, without a name, into the response."""
    text = sgf_text(session, {})
    if not arguments:
        return text
    return save(text, arguments.word())


def savesgf(session: Session, arguments: Arguments) -> str:
    """Write the game into a file, with properties given as `RE=B+2` (gomill)."""
    path = arguments.word()
    pairs = (word.partition("=") for word in arguments.rest())
    properties = {name: value.replace("\\_", " ") for name, _, value in pairs}
    return save(sgf_text(session, properties), path)


def save(text: str, path: str) -> str:
    from alphazero.files import atomic_write

    atomic_write(Path(path).expanduser(), text.encode())
    return ""


def sgf_text(session: Session, properties: dict[str, str]) -> str:
    from alphazero.formats.sgf import SgfInfo, write_sgf

    state = session.state
    result = properties.get("RE", "")
    if not result and state.is_go and state.position.is_over:
        result = go_score(session)
    info = SgfInfo(
        black=properties.get("PB", ""),
        white=properties.get("PW", ""),
        result=result,
        date=properties.get("DT", ""),
        event=properties.get("EV", ""),
        rules=state.rules.name,
        handicap=state.handicap,
        main_time=None if state.control is None else state.control.main,
    )
    return write_sgf(state.position, info)


GO_COMMANDS = {
    "loadsgf": loadsgf,
    "printsgf": printsgf,
    "gomill-savesgf": savesgf,
}
