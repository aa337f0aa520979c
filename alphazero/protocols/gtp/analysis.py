"""GTP's commands that tell what the engine is thinking, while it does.

An analysis goes on until any line comes, even an empty one. A move with analysis does not.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.protocols.gtp import lines
from alphazero.protocols.gtp.call import (
    BOOLEANS,
    COLORS,
    Call,
    GtpError,
    Handler,
    read_integer,
    read_number,
)
from alphazero.protocols.gtp.lines import Candidate, Report
from alphazero.protocols.gtp.moves import NEVER, generate

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis
    from alphazero.engine.ownership import Outlook
    from alphazero.game import Position
    from alphazero.protocols.gtp.front import Front
    from alphazero.protocols.gtp.table import Table

LEAST_INTERVAL = 0.01  # seconds
CENTISECONDS = 100
SWITCHES = (  # of KataGo's, each followed by true or false
    "rootInfo",
    "ownership",
    "ownershipStdev",
    "movesOwnership",
    "movesOwnershipStdev",
    "pvVisits",
    "pvEdgeVisits",
    "noResultValue",
)
VISITS_KEYS = ("pvVisits", "pvEdgeVisits")  # the same here, where no positions are merged
Format = Callable[[Report], str]


@dataclass
class Wish:
    """What an analysis is to be of, and like."""

    player: int
    every: float = NEVER  # seconds between two lines
    most: int | None = None  # moves on a line
    least: int = 0
    avoid: list[tuple[int, list[str]]] = field(default_factory=list)  # player, points
    allow: list[tuple[int, list[str]]] = field(default_factory=list)
    switches: dict[str, bool] = field(default_factory=dict)


def read_wish(front: "Front", call: Call) -> Wish:
    """`[color] [interval] {key value}*`. Raises GtpError, as KataGo does."""
    try:
        return _read_wish(front, call)
    except GtpError as error:
        raise GtpError(f"Could not parse analyze arguments: {call.tail}") from error


def _read_wish(front: "Front", call: Call) -> Wish:
    player = call.color() if call.peek().lower() in COLORS else front.table.position.to_play
    wish = Wish(player)
    if call.has_more and not call.peek()[0].isalpha():
        wish.every = interval(call.word())
    while call.has_more:
        key = call.word()
        if key == "interval":
            wish.every = interval(call.word())
        elif key in ("minmoves", "maxmoves"):
            count = read_integer(call.word())
            wish.least, wish.most = (count, wish.most) if key[1] == "i" else (wish.least, count)
        elif key in ("avoid", "allow"):
            entry = call.color(), call.word().split(",")
            call.integer()  # plies for which it holds; here it is about the move to be made
            (wish.avoid if key == "avoid" else wish.allow).append(entry)
        elif key in SWITCHES and call.peek() in BOOLEANS:
            wish.switches[key] = call.boolean()
        else:
            raise GtpError(key)
    return wish


def interval(word: str) -> float:
    """Seconds from a number of hundredths."""
    value = read_number(word)
    if value < 0:
        raise GtpError(word)
    return max(value / CENTISECONDS, LEAST_INTERVAL)


def wanted_moves(table: "Table", wish: Wish, position: "Position") -> list[int] | None:
    """The moves that may be considered; None for all of them."""
    moves = set(position.legal_actions())
    for keep, entries in ((False, wish.avoid), (True, wish.allow)):
        for player, texts in entries:
            if player == wish.player:
                named = {table.read(text) for text in texts}
                moves = {move for move in moves if (move in named) == keep}
    if not wish.avoid and not wish.allow:
        return None
    if not moves:
        raise GtpError("no move is left to consider")
    return sorted(moves)


# -- reports ---------------------------------------------------------------------------------------


def make_report(
    table: "Table", thought: "Analysis", position: "Position", wish: Wish, outlook: "Outlook | None"
) -> Report:
    """What is said of a thought; scores and ownership where there is an outlook that knows them."""
    shown = [line for line in thought.moves if line.visits]
    shown += [line for line in thought.moves if not line.visits][: max(wish.least - len(shown), 0)]
    shown = shown[: wish.most]
    candidates = [Candidate(line, table.points.texts(position, line.pv)) for line in shown]
    report = Report(
        candidates,
        thought.winrate(thought.to_play),
        thought.visits,
        has_root=wish.switches.get("rootInfo", False),
        moves_ownership=wish.switches.get("movesOwnership", False),
        visits_keys=tuple(key for key in VISITS_KEYS if wish.switches.get(key)),
    )
    if outlook is None or not shown:
        return report
    afterwards = outlook.after([line.action for line in shown])
    for candidate, after in zip(candidates, afterwards, strict=True):
        candidate.score, candidate.ownership = after.score, after.ownership
    report.score = outlook.after([thought.moves[0].action])[0].score
    if wish.switches.get("ownership"):
        report.ownership = outlook.now.ownership
    return report


class Reporter:
    """Writes the lines of one analysis as thoughts come."""

    def __init__(
        self, front: "Front", call: Call, wish: Wish, position: "Position", style: Format
    ) -> None:
        self._table, self._call, self._wish = front.table, call, wish
        self._position, self._style = position, style
        self._outlook: Outlook | None = None
        if style is not lines.leela:
            from alphazero.engine.ownership import outlook

            self._outlook = outlook(front.table.engine, position)

    def report(self, thought: "Analysis") -> Report:
        return make_report(self._table, thought, self._position, self._wish, self._outlook)

    def __call__(self, thought: "Analysis") -> None:
        text = self._style(self.report(thought))
        if text:
            self._call.line(text)


# -- commands --------------------------------------------------------------------------------------


def analyze(front: "Front", call: Call, style: Format) -> str:
    """Think about the position until another line comes."""
    wish = read_wish(front, call)
    position = front.table.turn(wish.player)
    only = wanted_moves(front.table, wish, position)
    engine = front.table.engine
    call.begin()
    if position.is_over:
        wait(call)
        return ""
    reporter = Reporter(front, call, wish, position, style)
    request = SearchRequest(position, SearchLimits(), only=only, report_every=wish.every)
    engine.analyze(request, call.is_followed, None if wish.every >= NEVER else reporter)
    return ""


def wait(call: Call) -> None:
    import time

    while not call.is_followed():
        time.sleep(0.01)


def genmove_analyze(
    front: "Front",
    call: Call,
    style: Format,
    *,
    makes_move: bool = True,
    can_be_cancelled: bool = False,
) -> str:
    """Move, and tell the thoughts before it, at least the last."""
    wish = read_wish(front, call)
    position = front.table.turn(wish.player)
    only = None if position.is_over else wanted_moves(front.table, wish, position)
    stop = call.is_followed if can_be_cancelled else call.is_cancelled
    call.begin()
    reporter = Reporter(front, call, wish, position, style)
    move = generate(
        front,
        call,
        wish.player,
        progress=reporter,
        every=wish.every,
        only=only,
        makes_move=makes_move,
        stop=stop,
    )
    if can_be_cancelled and call.is_followed():
        move = "cancelled"
    return f"play {move}"


def cgos_genmove_analyze(front: "Front", call: Call) -> str:
    """Move, and tell the last thought before it as the server CGOS keeps it."""
    wish = Wish(call.color(), switches={"ownership": True})
    position = front.table.turn(wish.player)
    call.begin()
    reporter = Reporter(front, call, wish, position, lines.cgos)
    return f"play {generate(front, call, wish.player, progress=reporter)}"


def in_style(command: Handler, style: Format) -> Handler:
    """A command as its dialect has it."""
    return lambda front, call: command(front, call, style)


COMMANDS: dict[str, Handler] = {
    "lz-analyze": in_style(analyze, lines.leela),
    "lz-genmove_analyze": in_style(genmove_analyze, lines.leela),
    "analyze": in_style(analyze, lines.sabaki),
    "genmove_analyze": in_style(genmove_analyze, lines.sabaki),
}
GO_COMMANDS: dict[str, Handler] = {"cgos-genmove_analyze": cgos_genmove_analyze}
