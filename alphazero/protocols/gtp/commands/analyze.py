"""Commands that report a search while it runs.

An analysis goes on until another line comes, even an empty one; a move with analysis does not.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alphazero.engine.limits import Restriction, SearchLimits, SearchRequest
from alphazero.errors import RequestError
from alphazero.protocols.gtp import analyze_format
from alphazero.protocols.gtp.analyze_format import OWNERSHIP_KEYS, MoveReport, Report
from alphazero.protocols.gtp.arguments import (
    BOOLEANS,
    COLORS,
    Arguments,
    read_number,
)
from alphazero.protocols.gtp.commands.play import NEVER, generate
from alphazero.protocols.gtp.session import Session

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis
    from alphazero.game import Position

LEAST_INTERVAL = 0.01  # seconds
CENTISECONDS = 100
VERTICES = re.compile(r"(?:\([^)]*\)|[^,(])+|,")  # a comma within (x,y) does not separate
PV_VISITS_KEYS = ("pvVisits", "pvEdgeVisits")  # equal here, where transpositions are not merged
SWITCHES = (  # KataGo's, each followed by true or false
    "rootInfo",
    *OWNERSHIP_KEYS,
    *PV_VISITS_KEYS,
    "noResultValue",
)
Format = Callable[[Report], str]


@dataclass
class AnalyzeOptions:
    """The arguments of an analysis."""

    player: int
    interval: float = NEVER  # seconds between two lines
    max_moves: int | None = None
    min_moves: int = 0
    avoid: list[tuple[int, list[str], int]] = field(default_factory=list)  # player, vertices, plies
    allow: list[tuple[int, list[str], int]] = field(default_factory=list)
    switches: dict[str, bool] = field(default_factory=dict)

    @property
    def ownership_keys(self) -> tuple[str, ...]:
        """The fields of ownership that are wanted."""
        return tuple(key for key in OWNERSHIP_KEYS if self.switches.get(key))


def read_options(session: Session, arguments: Arguments) -> AnalyzeOptions:
    """Parse `[color] [interval] {key value}*`."""
    try:
        return _read_options(session, arguments)
    except RequestError as error:
        message = f"Could not parse analyze arguments: {arguments.tail}"  # as KataGo says it
        raise RequestError(message) from error


def _read_options(session: Session, arguments: Arguments) -> AnalyzeOptions:
    has_color = arguments.peek().lower() in COLORS
    options = AnalyzeOptions(arguments.color() if has_color else session.state.position.to_play)
    if arguments and not arguments.peek()[0].isalpha():
        options.interval = read_interval(arguments.word())
    while arguments:
        key = arguments.word()
        if key == "interval":
            options.interval = read_interval(arguments.word())
        elif key == "minmoves":
            options.min_moves = arguments.integer()
        elif key == "maxmoves":
            options.max_moves = arguments.integer()
        elif key in ("avoid", "allow"):
            entry = arguments.color(), read_vertices(arguments.word()), arguments.integer()
            (options.avoid if key == "avoid" else options.allow).append(entry)
        elif key in SWITCHES and arguments.peek().lower() in BOOLEANS:
            options.switches[key] = arguments.boolean()
        else:
            raise RequestError(key)
    return options


def read_vertices(word: str) -> list[str]:
    """Split a list of vertices at its commas."""
    return [part for part in VERTICES.findall(word) if part != ","]


def read_interval(word: str) -> float:
    """Parse centiseconds to seconds."""
    value = read_number(word)
    if value < 0:
        raise RequestError(word)
    return max(value / CENTISECONDS, LEAST_INTERVAL)


def considered_moves(
    session: Session, options: AnalyzeOptions, position: "Position"
) -> list[int] | None:
    """List the legal moves that `avoid` and `allow` leave; None without either."""
    if not options.avoid and not options.allow:
        return None
    moves = set(position.legal_actions())
    for keep, entries in ((False, options.avoid), (True, options.allow)):
        for player, vertices, plies in entries:
            if player == options.player and plies:
                named = {session.state.read(vertex) for vertex in vertices}
                moves = {move for move in moves if (move in named) == keep}
    if not moves:
        raise RequestError("no move is left to consider")
    return sorted(moves)


def restrictions_below(
    session: Session, options: AnalyzeOptions, position: "Position"
) -> list[Restriction]:
    """Convert `avoid` and `allow` to restrictions of what follows the first move."""
    from alphazero.engine.restrictions import counts_plies

    entries = [(False, *entry) for entry in options.avoid]
    entries += [(True, *entry) for entry in options.allow]
    found = []
    for is_allowed, player, vertices, plies in entries:
        if plies > 1:
            named = {session.state.read(vertex) for vertex in vertices}
            actions = [action for action in named if action is not None]
            found.append(Restriction(player, actions, plies, is_allowed))
    return found if counts_plies(position) else []


class Reporter:
    """Writes the lines of one analysis."""

    def __init__(
        self, session: Session, options: AnalyzeOptions, position: "Position", style: Format
    ) -> None:
        self._session, self._options = session, options
        self._position, self._style = position, style

    def __call__(self, analysis: "Analysis") -> None:
        """Write one line, if there is a move to report."""
        text = self._style(self.report(analysis))
        if text:
            self._session.reply.line(text)

    def report(self, analysis: "Analysis") -> Report:
        """Select the moves to report."""
        options, vertices = self._options, self._session.state.vertices
        shown = [info for info in analysis.moves if info.visits]
        others = [info for info in analysis.moves if not info.visits]
        shown += others[: max(options.min_moves - len(shown), 0)]
        shown = shown[: options.max_moves]
        moves = [MoveReport(info, vertices.texts(self._position, info.pv)) for info in shown]
        return Report(
            moves,
            analysis.mean_winrate,
            analysis.visits,
            analysis.expected,
            with_root=options.switches.get("rootInfo", False),
            ownership_keys=options.ownership_keys,
            pv_visits_keys=tuple(key for key in PV_VISITS_KEYS if options.switches.get(key)),
        )


# -- commands --------------------------------------------------------------------------------------


def analyze(session: Session, arguments: Arguments, style: Format) -> str:
    """Report the search of a position until another line comes."""
    options = read_options(session, arguments)
    position = session.state.to_move(options.player)
    only = considered_moves(session, options, position)
    session.host.engine(position.game)  # if there is none, that is a failure and not a response
    session.reply.begin()
    if position.is_over:
        session.reply.followed.wait()
        return ""
    session.reply.end_when_followed()
    reporter = Reporter(session, options, position, style)
    request = SearchRequest(
        position,
        SearchLimits(),
        only,
        restrictions_below(session, options, position),
        report_every=options.interval,
        ownership=bool(options.ownership_keys),
        is_ended=session.state.is_passed_out,
    )
    session.search(request, None if options.interval >= NEVER else reporter)
    return ""


def genmove_analyze(
    session: Session, arguments: Arguments, style: Format, *, makes_move: bool = True
) -> str:
    """Move, and report the search at least once."""
    options = read_options(session, arguments)
    position = session.state.to_move(options.player)
    only = None if position.is_over else considered_moves(session, options, position)
    session.reply.begin()
    move = generate(
        session,
        options.player,
        on_info=Reporter(session, options, position, style),
        report_every=options.interval,
        only=only,
        restrictions=restrictions_below(session, options, position),
        makes_move=makes_move,
        ownership=bool(options.ownership_keys),
    )
    return f"play {move}"


def cgos_genmove_analyze(session: Session, arguments: Arguments) -> str:
    """Move, and report the end of the search as the server CGOS keeps it."""
    options = AnalyzeOptions(arguments.color(), switches={"ownership": True})
    position = session.state.to_move(options.player)
    session.reply.begin()
    reporter = Reporter(session, options, position, analyze_format.cgos)
    return f"play {generate(session, options.player, on_info=reporter, ownership=True)}"


def search(session: Session, arguments: Arguments) -> str:
    """Choose a move without making it (KataGo)."""
    return generate(session, arguments.color(), makes_move=False)


def search_cancellable(session: Session, arguments: Arguments) -> str:
    session.reply.end_when_followed()
    move = search(session, arguments)
    return "cancelled" if session.reply.followed.is_set() else move


def search_analyze(session: Session, arguments: Arguments) -> str:
    return genmove_analyze(session, arguments, analyze_format.katago, makes_move=False)


def search_analyze_cancellable(session: Session, arguments: Arguments) -> str:
    session.reply.end_when_followed()
    move = search_analyze(session, arguments)
    return "play cancelled" if session.reply.followed.is_set() else move


def styled(command: Callable[[Session, Arguments, Format], str], style: Format):
    """Bind a command to a dialect."""
    return lambda session, arguments: command(session, arguments, style)


COMMANDS = {
    "lz-analyze": styled(analyze, analyze_format.leela),
    "lz-genmove_analyze": styled(genmove_analyze, analyze_format.leela),
    "analyze": styled(analyze, analyze_format.sabaki),
    "genmove_analyze": styled(genmove_analyze, analyze_format.sabaki),
}
GO_COMMANDS = {"cgos-genmove_analyze": cgos_genmove_analyze}
SCORE_COMMANDS = {  # for an engine that knows the score: some programs take them as a promise of it
    "kata-analyze": styled(analyze, analyze_format.katago),
    "kata-genmove_analyze": styled(genmove_analyze, analyze_format.katago),
    "kata-search": search,
    "kata-search_cancellable": search_cancellable,
    "kata-search_analyze": search_analyze,
    "kata-search_analyze_cancellable": search_analyze_cancellable,
}
