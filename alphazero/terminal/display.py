"""The terminal's output: boards, opinions and results, painted where the terminal allows it.

Everything is a line of plain text unless the style is Unicode. Then boards have stones and chess
figures, and with colours the ground is painted too, so that the terminal's own colours do not
matter; lists become tables. Colours alone tell only chess figures apart: stones differ in shape,
and letters such as X and O stay letters, for people who do not see colours or who copy a board.
In a terminal, long lines are broken between words. Progress of a long search is shown on stderr if
that is a terminal.
"""

import os
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.live import Live
from rich.style import Style as Paint
from rich.table import Table
from rich.text import Text

from alphazero.engine.analysis import Analysis
from alphazero.formats.annotation import Annotation
from alphazero.game import BoardView, Cell, Position
from alphazero.terminal.commentary import Commentary
from alphazero.terminal.session import Session, counted

LINE_MOVES = 8  # shown of the moves expected to follow
BAR_CELLS = 20
SHOWN_SECONDS = 0.05  # from which a search's time and speed mean anything
EMOJI_OFF = "\ufe0e"  # asks the terminal not to draw the character before it as an emoji

CHESS = {"king": "♔♚", "queen": "♕♛", "rook": "♖♜", "bishop": "♗♝", "knight": "♘♞", "pawn": "♙♟"}
STONES = "●○"
HINT = "hint"  # the name of a mark on a board that is not a piece
BESIDE_BOARDS = 6  # lines of an exchange besides its two boards


@dataclass(frozen=True)
class Style:
    """The characters and colours that the terminal can show."""

    unicode: bool = False
    colours: int = 0  # 0, 16 or 256


class Palette(NamedTuple):
    """Colours for boards, by their numbers in the terminal's table."""

    board: int  # the ground of stones
    stones: tuple[int, int]  # of the two players; chess figures too
    lines: int
    mark: int  # of hints on the board
    squares: tuple[int, int]  # light, dark
    moved: tuple[int, int]  # the same, in the last move
    threatened: int
    paper: int  # the ground of letters
    letters: tuple[int, int]  # of the two players: orange and blue, or the like
    dots: int
    letter_mark: int


PALETTES = {
    256: Palette(137, (16, 231), 236, 52, (180, 137), (150, 107), 167, 236, (215, 117), 245, 231),
    16: Palette(3, (0, 15), 0, 1, (6, 4), (2, 2), 1, 0, (11, 14), 7, 15),
}


def choose_style(option: str, stream: TextIO, environment: Mapping[str, str]) -> Style:
    """The style for `--style`: ascii, unicode, or auto (unicode where it is safe).

    `unicode` holds for pipes too, but nothing makes an ASCII locale print discs, and NO_COLOR and a
    dumb terminal always switch colours off.
    """
    terminal = environment.get("TERM", "")
    colours = 16
    if "256color" in terminal or environment.get("COLORTERM"):
        colours = 256
    if environment.get("NO_COLOR") or terminal in ("", "dumb"):
        colours = 0
    unicode = (stream.encoding or "").lower().replace("-", "") == "utf8" and option != "ascii"
    if option == "auto":
        # Chinese, Japanese and Korean terminals draw discs two cells wide, which tears the board.
        language = environment.get("LC_ALL") or environment.get("LANG") or ""
        wide = language.startswith(("zh", "ja", "ko"))
        unicode = unicode and stream.isatty() and colours > 0 and not wide
    return Style(unicode, colours if unicode else 0)


# -- boards ----------------------------------------------------------------------------------------


def paint(view: BoardView, style: Style) -> Text:
    """Draw a board with stones, chess figures or letters, on a painted ground where there are
    colours."""
    palette = PALETTES.get(style.colours)
    is_chess = any(name in CHESS for name in view.names.values())
    has_letters = not is_chess and "stone" not in view.names.values()
    board = Text()
    for number, line in enumerate(view.lines()):
        board.append("\n" if number else "")
        for text, cell in line:
            if cell is None:
                board.append(text)
                continue
            glyph = glyph_of(view, cell, is_chess, filled=palette is not None)
            if palette is None:
                board.append(text[0] + glyph + text[2:])
                continue
            piece, owner = view.cells[cell]
            sides = palette.stones[::-1] if is_chess else palette.stones  # White is first in chess
            ground = square_colour(view, cell, palette) if is_chess else palette.board
            empty, mark, bracket = palette.lines, palette.mark, palette.stones[0]
            if has_letters:
                sides, ground = palette.letters, palette.paper
                empty, mark, bracket = palette.dots, palette.letter_mark, palette.letter_mark
            front = empty if owner is None else sides[owner]
            front = mark if view.names.get(piece) == HINT else front
            marks = colours(front if is_chess else bracket, ground)
            board.append(text[0], marks)
            board.append(glyph, colours(front, ground, bold=not is_chess))
            board.append(text[2:], marks)
    return board.append(f"\n{view.caption}" if view.caption else "")


def colours(front: int, ground: int, bold: bool = False) -> Paint:
    """A colour of letters on a ground."""
    return Paint(color=f"color({front})", bgcolor=f"color({ground})", bold=bold or None)


def glyph_of(view: BoardView, cell: int, is_chess: bool, *, filled: bool) -> str:
    """The character of a cell.

    With `filled` the shapes of both players' chess figures are the same: outlines are hard to read
    on painted squares, and colours tell them apart.
    """
    piece, owner = view.cells[cell]
    name = view.names.get(piece, "")
    if not piece:
        empty = " " if is_chess and filled else "·"
        return "+" if cell in view.stars else empty
    if owner is not None and name in CHESS:
        return CHESS[name][1 if filled else owner] + EMOJI_OFF
    if owner is not None and name == "stone":
        return STONES[owner] + EMOJI_OFF
    return piece


def square_colour(view: BoardView, cell: int, palette: Palette) -> int:
    """The ground of a square of chess; the one at the top left is light from either side."""
    dark = sum(divmod(cell, len(view.columns))) % 2
    if cell in view.threatened:
        return palette.threatened
    return (palette.moved if cell in view.last else palette.squares)[dark]


# -- the game --------------------------------------------------------------------------------------


class Display:
    """Writes about a session; `person` names a player in the person's place, None for a person."""

    def __init__(
        self,
        session: Session,
        commentary: Commentary,
        out: TextIO,
        err: TextIO,
        style: Style,
        *,
        person: str | None,
        quiet: bool,
    ) -> None:
        self._session, self._commentary, self._style = session, commentary, style
        self._person, self.quiet = person, quiet
        self._players = session.game.players
        self._out, self._err = out, err
        self._console = Console(
            file=out,
            color_system={0: None, 16: "standard", 256: "256"}[style.colours],
            force_terminal=style.colours > 0,
            no_color=style.colours == 0,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._progress: Live | None = None
        self._narrowest = 0  # the width for which a person was told that the board is wider
        is_chess = session.game.pieces is not None
        self.flipped = is_chess and person is None and session.human == 1

    @property
    def _window(self) -> os.terminal_size | None:
        """The size of the terminal's window; None unless the output is a terminal."""
        return shutil.get_terminal_size() if self._out.isatty() else None

    def write(self, text: str | Text | Table) -> None:
        """Write a text as it is, and a line break."""
        if isinstance(text, str):
            self._out.write(text + "\n")
        else:
            self._console.print(text, soft_wrap=isinstance(text, Text))
        self._out.flush()

    def say(self, text: str, indent: int = 0) -> None:
        """Write lines of text, broken between words where a terminal is too narrow for them; what
        follows is indented."""
        window = self._window
        if window is not None:
            lines = [break_line(line, window.columns, indent) for line in text.split("\n")]
            text = "\n".join(lines)
        self.write(text)

    def warn(self, text: str) -> None:
        """Write a line to stderr."""
        self._err.write(text + "\n")

    def introduce(self, engine: str, example: str) -> None:
        """Write who plays whom, how to play, and the board."""
        if self.quiet:
            return
        title, human = self._session.game.title, self._session.human
        mine, other = self._players[human], self._players[1 - human]
        who = "you are" if self._person is None else f"{self._person} is"
        self.say(f"{title[:1].upper()}{title[1:]}: {who} {mine}, {other} is {engine}.")
        if introduction := self._commentary.introduction():
            self.say(f"{introduction}.")
        if self._person is None and example:
            self.say(f"Write a move, as in {example}, or help for the other commands.")
        pieces = self._commentary.pieces
        if pieces is not None and pieces != self._players:
            first, second = (self._piece(pieces, owner) for owner in (0, 1))
            legend = Text.assemble(self._players[0], " is ", first, ", ")
            self.write(legend + Text.assemble(self._players[1], " is ", second, "."))
        self.show_board()
        self.show_result()

    def _piece(self, pieces: tuple[str, str], owner: int) -> Text:
        """A player's piece as it looks on the board."""
        if not self._style.unicode:
            return Text(pieces[owner])
        names = self._session.position.board_view().names
        one = BoardView("squares", [""], [""], [Cell(pieces[owner], owner)], names=names)
        line = paint(one, self._style).split("\n")[1]
        return line[1:-1]  # without the margins for labels

    # -- boards ------------------------------------------------------------------------------------

    def board(self, view: BoardView | None = None) -> str | Text:
        """The board as the person wants to see it; without a view that of the session, with the
        status of the game below."""
        below = self._commentary.status() if view is None else ""
        view = view or self._session.position.board_view()
        view = view.turned() if self.flipped else view
        if self._style.unicode and view.kind != "text":
            board = paint(view, self._style)
            return board.append(f"\n{below}") if below else board
        text = view.text()
        if self.flipped and view.kind != "text":
            text = textwrap.dedent(replace(view, caption="").text())
            text += f"\n{view.caption}" if view.caption else ""
        return f"{text}\n{below}" if below else text

    def show_board(self, view: BoardView | None = None) -> None:
        """Write the board after an empty line, unless only moves are wanted."""
        if self.quiet:
            return
        board, window = self.board(view), self._window
        self.write("")
        self.write(board)
        width = max(map(len, str(board).replace(EMOJI_OFF, "").split("\n")))
        if window is not None and width > window.columns != self._narrowest:
            self._narrowest = window.columns
            self.say(f"(the board is {width} columns wide, the window {window.columns})")

    @property
    def has_room_for_two(self) -> bool:
        """True unless two boards and a few words are higher than the window."""
        window = self._window
        height = len(str(self.board()).split("\n"))
        return window is None or 2 * height + BESIDE_BOARDS <= window.lines

    def show_count(self, view: BoardView, text: str, legend: str) -> None:
        """Write a board with dead stones, the score, and the letters' meaning."""
        self.show_board(view)
        self.say(text)
        if not self.quiet:
            self.say(f"({legend})")

    # -- opinions and results ----------------------------------------------------------------------

    def show_result(self) -> None:
        """Write how the game ended, if it has."""
        session = self._session
        if not session.is_over:
            return
        you = " (you)" if session.winner == session.human and self._person is None else ""
        how = "" if not session.ending else f" by {session.ending}"
        result = "The game is a draw" if session.winner is None else session.result
        if tally := self._commentary.tally():
            how += f": {tally}"
        self.say(f"{result}{how}{you}.")

    def opinion(self, analysis: Analysis, facts: Sequence[str]) -> str:
        """The person's win rate, with a bar, and the facts: on one line."""
        return " | ".join([self._chances(analysis, bar=True), *facts])

    def _chances(self, analysis: Analysis, bar: bool = False) -> str:
        """The only win rate in sight: the person's, or that of the player in the person's place."""
        human = self._session.human
        winrate = analysis.winrate(human)
        text = f"{'you' if self._person is None else self._players[human]} {percent(winrate)}"
        return f"{text} {win_bar(winrate)}" if bar else text

    def annotation(self, analysis: Analysis, facts: Sequence[str]) -> Annotation:
        """The analysis for the game's file, with the win rate of the first player."""
        winrate = analysis.winrate(0)
        return Annotation(" | ".join([f"{self._players[0]} {percent(winrate)}", *facts]), winrate)

    def facts(self, analysis: Analysis) -> list[str]:
        """The analysis in words: who leads if that is known, a forced result, the effort, and the
        moves expected."""
        facts = []
        if lead := self._commentary.lead(analysis):
            facts.append(lead)
        if analysis.proven is not None:
            winner = analysis.to_play if analysis.proven > 0 else 1 - analysis.to_play
            wins = f"{self._players[winner]} wins by force"
            facts.append(wins if analysis.proven else "a draw by force")
        effort = counted(analysis.simulations, "simulation")
        if analysis.seconds >= SHOWN_SECONDS:
            effort += f", {analysis.speed:.0f}/s, {analysis.seconds:.2f} s"
        line = self._session.texts(analysis.moves[0].pv[:LINE_MOVES])
        return [*facts, effort, "expected: " + " ".join(line)]

    def show_hints(self, analysis: Analysis, count: int) -> None:
        """Write the best moves, and the moves expected after each; they are numbered on the board
        where they lead to an empty place."""
        best = analysis.moves[:count]
        marked = mark_hints(self._session.position, [move.action for move in best])
        if marked is not None:
            self.show_board(marked)
        rows = []
        for number, move in enumerate(best, start=1):
            line = self._session.texts(move.pv[:LINE_MOVES])
            rows.append((f"{number}.", line[0], percent(move.winrate), move.visits, " ".join(line)))
        if not self._style.unicode:
            for number, move, winrate, visits, line in rows:
                times = f"{visits:>6} visit{' ' if visits == 1 else 's'}"
                self.say(f"{number} {move:6}{winrate:>4}  {times}   {line}", indent=9)
            return
        table = new_table(("", "move", "win rate", "visits", "expected"), right=(2, 3))
        for number, move, winrate, visits, line in rows:
            table.add_row(number, move, winrate, str(visits), line)
        self.write(table)

    def show_usage(self, usages: Iterable[tuple[str, str]]) -> None:
        """Write pairs of a command and its explanation."""
        if not self._style.unicode:
            for usage, explanation in usages:
                self.say(f"  {usage:15}{explanation}", indent=17)
            return
        table = new_table(("command", "effect"))
        for usage, explanation in usages:
            table.add_row(usage, explanation)
        self.write(table)

    # -- progress ----------------------------------------------------------------------------------

    @property
    def can_progress(self) -> bool:
        """True if stderr can show a line that changes."""
        return self._err.isatty()

    def show_progress(self, analysis: Analysis) -> None:
        """Show how far a long search is, on one line of stderr that changes."""
        best = analysis.moves[0]
        line = (
            f"thinking: {analysis.seconds:.0f} s, {analysis.simulations} simulations, "
            f"{self._session.text(best.action)}, {self._chances(analysis)} (Ctrl-C: move now)"
        )
        if self._progress is None:
            console = Console(file=self._err, highlight=False, legacy_windows=False)
            self._progress = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._progress.start()
        self._progress.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)

    def end_progress(self) -> None:
        """Remove the line of progress."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def new_table(headers: Sequence[str], right: tuple[int, ...] = ()) -> Table:
    """A table without borders; numbers are flush right in the columns `right`."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if column in right else "left")
    return table


def percent(share: float) -> str:
    """A share from 0 to 1 in whole per cent."""
    return f"{100 * share:.0f}%"


def win_bar(winrate: float) -> str:
    """A winrate as a bar: `[#########...........]`."""
    filled = round(BAR_CELLS * winrate)
    return f"[{'#' * filled}{'.' * (BAR_CELLS - filled)}]"


def break_line(line: str, width: int, indent: int) -> str:
    """A line broken between words where it is wider than so many columns."""
    if len(line) <= width:
        return line
    return textwrap.fill(
        line,
        max(width, indent + 10),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def mark_hints(position: Position, actions: Sequence[int]) -> BoardView | None:
    """The board with the number of each move, from 1, where it puts something on an empty place;
    None if none of them does."""
    view = position.board_view()
    cells, names = list(view.cells), dict(view.names)
    for number, action in enumerate(actions, start=1):
        after = position.copy()
        after.play(action)
        made = after.board_view()
        for cell in made.last:
            if not cells[cell].piece and made.cells[cell].piece:
                cells[cell] = Cell(str(number))
                names[str(number)] = HINT
    return replace(view, cells=cells, names=names) if len(names) > len(view.names) else None
