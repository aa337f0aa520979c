"""A game between a person and the engine as a conversation in lines of text.

It prints and never takes over the screen, so it works over ssh, in logs and with a screen reader.
Where the lines come from and go to is the caller's choice.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TextIO

import numpy as np

from alphazero.arena.player import Player
from alphazero.bridges.commandline import INTERRUPTED
from alphazero.bridges.console import Interrupt
from alphazero.bridges.engine import Engine, Thought
from alphazero.bridges.session import Session
from alphazero.bridges.style import Style, paint, paint_cells, percent, rotate, win_bar
from alphazero.errors import UserError

HINTS = 3
LINE_MOVES = 8  # shown of what is expected to follow


class Command(NamedTuple):
    """How a command is written and what it does; without a usage it is an alias."""

    usage: str
    explanation: str


COMMANDS = {
    "undo": Command("undo", "take back your last move and the reply to it"),
    "redo": Command("redo", "make again what was taken back"),
    "hint": Command("hint", f"the {HINTS} best moves: win rate, visits, what would follow"),
    "eval": Command("eval (or why)", "what the engine thinks of the position"),
    "why": Command("", ""),
    "legal": Command("legal", "list the legal moves"),
    "board": Command("board", "show the board again"),
    "flip": Command("flip", "turn the board around"),
    "new": Command("new", "begin a new game"),
    "swap": Command("swap", "change sides with the engine"),
    "level": Command("level [1-10]", "make the engine weaker or stronger"),
    "resign": Command("resign", "give the game up"),
    "save": Command("save [FILE]", "save the game (every move is saved by itself, too)"),
    "load": Command("load FILE [N]", "go on with a saved game, after its first N moves"),
    "help": Command("help", "this list"),
    "quit": Command("quit", "leave; the game stays saved"),
}


class TerminalGame:
    """One person (or, to watch, another player) against the engine, from the first line to the
    last."""

    def __init__(
        self,
        session: Session,
        engine: Engine,
        ask: Callable[[str], str],
        out: TextIO,
        err: TextIO,
        *,
        opponent: Player | None = None,
        style: Style | None = None,
        quiet: bool = False,
        seed: int = 0,
    ) -> None:
        """`ask` prompts for a line and raises EOFError at the end of the input. An `opponent` plays
        in the person's place."""
        self.session, self.engine, self.ask, self.out, self.err = session, engine, ask, out, err
        self.opponent, self.style, self.quiet, self.seed = opponent, style or Style(), quiet, seed
        self.flipped = False
        self._players = session.game.players
        self._rng = np.random.default_rng(seed)
        self._warned = False

    # -- the conversation --------------------------------------------------------------------------

    def run(self) -> int:
        """Play until the person leaves or the input ends; returns the exit code."""
        code = 0
        try:
            self._introduce()
            while self._turn():
                pass
        except EOFError:
            self._say("")
        except KeyboardInterrupt:
            self._say("")
            code = INTERRUPTED
        if self.session.saved:
            self._say(f"game saved: {self.session.path}")
        return code

    def _introduce(self) -> None:
        if self.quiet:
            return
        title, human = self.session.game.title, self.session.human
        mine, other = self._players[human], self._players[1 - human]
        who = "you are" if self.opponent is None else f"{self.opponent.name} is"
        self._say(f"{title}: {who} {mine}, {other} is {self.engine.name}.")
        position = self.session.position
        if self.opponent is None and (legal := position.legal_actions()):
            example = position.text(legal[len(legal) // 2])
            self._say(f"Write a move, as in {example}, or help for the other commands.")
        if self.style.unicode:
            cells = [
                paint_cells(f" {p} ", self._players, self.style.colours) for p in self._players
            ]
            self._say(f"{self._players[0]} is {cells[0]}, {self._players[1]} is {cells[1]}.")
        self._show_board()
        self._show_result()

    def _turn(self) -> bool:
        """One move or command; False when there is nothing more to do."""
        session = self.session
        if session.is_over:
            if self.opponent is not None:
                return False
            return self._obey(self.ask("game over (new, undo or quit): "))
        name = self._players[session.position.to_play]
        if session.position.to_play != session.human:
            self._engine_move()
        elif self.opponent is not None:
            (action,) = self.opponent.choose([session.position], self._rng)
            self._make_move(action, f"{name} plays {session.position.text(action)}")
        else:
            return self._obey(self.ask(f"{name}({len(session.position.moves) + 1}): "))
        return True

    def _obey(self, line: str) -> bool:
        """Carry out one line; False for quit. A line that makes no sense changes nothing."""
        line = line.strip()
        try:
            command = self._command(line) if line else "nothing"
            if command == "move":
                self._make_move(self.session.position.action(line), "")
            elif command in COMMANDS and command != "quit":
                getattr(self, f"_{command}")(line.partition(" ")[2].strip())
            return command != "quit"
        except UserError as error:
            self._say(str(error))
            return True

    def _command(self, line: str) -> str:
        """Which command a line means, or "move"; first letters will do where no move reads so."""
        word = line.split()[0].lower()
        if word in COMMANDS:
            return word
        try:
            self.session.position.action(line)
            return "move"
        except ValueError as error:
            matches = [name for name in COMMANDS if name.startswith(word)]
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise UserError(f"{word!r} could be {' or '.join(matches)}") from error
            raise UserError(f"{error}; or help for the commands") from error

    # -- moves -------------------------------------------------------------------------------------

    def _engine_move(self) -> None:
        thought = self._think()
        position = self.session.position
        line = f"{self._players[position.to_play]} plays {position.text(thought.action)}"
        if not self.quiet:
            line = f"{line} | {self._judgement(thought)}"
        self._make_move(thought.action, line)

    def _make_move(self, action: int, line: str) -> None:
        self.session.play(action)
        self._autosave()
        self._show_board()
        if line:
            self._say(line)
        self._show_result()

    def _think(self, in_earnest: bool = False, lines: int = 1) -> Thought:
        """Have the engine look at the position, with a progress line for people who wait; in
        earnest it leaves the level aside that it plays at."""
        self.session.require_unfinished()
        progress = self._show_progress if self.err.isatty() else None
        with Interrupt() as stop:
            thought = self.engine.think(
                self.session.position,
                stop=stop,
                progress=progress,
                in_earnest=in_earnest,
                lines=lines,
            )
        if progress is not None:
            self.err.write("\r" + " " * 79 + "\r")
            self.err.flush()
        return thought

    def _show_progress(self, thought: Thought) -> None:
        best = thought.lines[0]
        line = (
            f"thinking: {thought.seconds:.0f} s, {thought.simulations} simulations, "
            f"{self.session.position.text(best.action)} {percent(best.share)} (Ctrl-C: move now)"
        )
        self.err.write(f"\r{line[:79]:79}")
        self.err.flush()

    # -- commands, each with the rest of its line --------------------------------------------------

    def _undo(self, _: str) -> None:
        given_up = self.session.resigned is not None
        self.session.undo()
        if given_up:
            self._say("the resignation is taken back")
        self._autosave()
        self._show_board()

    def _redo(self, _: str) -> None:
        self.session.redo()
        self._autosave()
        self._show_board()
        self._show_result()

    def _hint(self, _: str) -> None:
        thought = self._think(in_earnest=True, lines=HINTS)
        for number, line in enumerate(thought.lines[:HINTS], start=1):
            moves = self.session.texts(line.pv[:LINE_MOVES])
            self._say(
                f"{number}. {moves[0]:6}{percent(line.share):>4}  {line.visits:>6} visits   "
                + " ".join(moves)
            )

    def _eval(self, _: str) -> None:
        self._say(self._judgement(self._think(in_earnest=True)))

    _why = _eval

    def _legal(self, _: str) -> None:
        position = self.session.position
        moves = [position.text(action) for action in position.legal_actions()]
        self._say(" ".join(moves) if moves else "none: the game is over")

    def _board(self, _: str) -> None:
        self._say(self._drawing())

    def _flip(self, _: str) -> None:
        self.flipped = not self.flipped
        self._say(self._drawing())

    def _new(self, _: str) -> None:
        self.session.begin()
        self._show_board()

    def _swap(self, _: str) -> None:
        self.session.human = 1 - self.session.human
        self._say(f"you are {self._players[self.session.human]} now")

    def _level(self, number: str) -> None:
        if number:
            self.engine.set_level(int(number) if number.isdecimal() else -1)
        self._say(f"the engine: {self.engine.name}")

    def _resign(self, _: str) -> None:
        self.session.resign()
        self._autosave()
        self._show_result()

    def _save(self, name: str) -> None:
        if name:
            self.session.file(self._headers()).write(name)
        else:
            self.session.save(self._headers())
        self._say(f"game saved: {name or self.session.path}")

    def _load(self, arguments: str) -> None:
        name, _, number = arguments.rpartition(" ")
        if not (name and number.isdecimal()):
            name, number = arguments, ""
        if not name:
            raise UserError("load which file? write load FILE, or load FILE N")
        self.session.load(name.strip(), int(number) if number else None)
        self._say(f"you are {self._players[self.session.human]}")
        self._show_board()
        self._show_result()

    def _help(self, _: str) -> None:
        position = self.session.position
        legal = position.legal_actions()
        example = f", as in {position.text(legal[0])}" if legal else ""
        self._say(f"Write a move{example}, or one of these; the first letters are enough:")
        for usage, explanation in COMMANDS.values():
            if usage:
                self._say(f"  {usage:15}{explanation}")
        self._say("Win rates count a draw as half a win. Ctrl-C makes the engine move at once.")

    # -- showing and saving ------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()

    def _drawing(self) -> str:
        board = self.session.position.render()
        board = rotate(board) if self.flipped else board
        return paint(board, self._players, self.style)

    def _show_board(self) -> None:
        if not self.quiet:
            self._say("\n" + self._drawing())

    def _show_result(self) -> None:
        session = self.session
        if not session.is_over:
            return
        you = " (you)" if session.winner == session.human and self.opponent is None else ""
        self._say("The game is a draw." if session.winner is None else f"{session.result}{you}.")

    def _judgement(self, thought: Thought) -> str:
        """Chances for the person and for both sides by name, effort, and what would follow."""
        first, second = self._players
        shares = [thought.share(player) for player in (0, 1)]
        human = self.session.human
        you = "you" if self.opponent is None else self.opponent.name
        parts = [
            f"{you} ({self._players[human]}) {percent(shares[human])}",
            f"{first} {percent(shares[0])}, {second} {percent(shares[1])}",
            f"{thought.simulations} simulations, {thought.rate:.0f}/s, {thought.seconds:.2f} s",
            "line: " + " ".join(self.session.texts(thought.lines[0].pv[:LINE_MOVES])),
        ]
        if thought.proven is not None:
            winner = thought.to_play if thought.proven > 0 else 1 - thought.to_play
            sure = f"{self._players[winner]} wins by force" if thought.proven else "a draw by force"
            parts.insert(2, sure)
        return " | ".join(parts) + "\n" + win_bar(shares[0], first)

    def _headers(self) -> dict[str, str]:
        """What the game's file says besides the moves."""
        person = "human" if self.opponent is None else self.opponent.name
        sides = [person, self.engine.name]
        if self.session.human == 1:
            sides.reverse()
        date = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        named = dict(zip(self._players, sides, strict=True))
        return named | {"date": date, "seed": str(self.seed)}

    def _autosave(self) -> None:
        """Save after every move; a disk that cannot is named once and does not end the game."""
        try:
            self.session.save(self._headers())
        except UserError as error:
            if not self._warned:
                self.err.write(f"the game is not saved: {error}\n")
            self._warned = True
