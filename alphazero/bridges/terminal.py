"""A game between a person and the engine as a conversation in lines of text.

It prints and never takes over the screen, so it works over ssh, in logs and with a screen reader.
Where the lines come from and go to is the caller's choice.
"""

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, TextIO

import numpy as np

from alphazero.arena.player import Player
from alphazero.bridges.engine import Engine, Thought
from alphazero.bridges.gamefile import UNFINISHED, GameFile, free_path, save_path
from alphazero.bridges.style import Style, paint, paint_cells, percent, rotate, win_bar
from alphazero.errors import UserError
from alphazero.game import Game, Position, load

HINTS = 3
RESIGNATION = " by resignation"


class Command(NamedTuple):
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


class Interrupt:
    """Ctrl-C while the engine thinks: the first asks for its move, the second leaves the game.

    In a `with` block; calling the object tells whether the move is wanted now. Signals reach only
    the main thread, so elsewhere it does nothing.
    """

    def __init__(self) -> None:
        self.count = 0
        self._previous: Any = None

    def __call__(self) -> bool:
        return self.count > 0

    def __enter__(self) -> "Interrupt":
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_main:
            signal.signal(signal.SIGINT, self._previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt


def line_reader(script: Sequence[str], stdin: TextIO, stdout: TextIO) -> Callable[[str], str]:
    """A function that prompts for a line: first come the script's, then those of `stdin`.

    It raises EOFError at the end. Lines that nobody has typed into a terminal are echoed, so that
    the output reads as a conversation.
    """
    pending = deque(script)

    def ask(prompt: str) -> str:
        if not pending and stdin is sys.stdin and stdin.isatty():
            return input(prompt)  # with the line editing of readline, where it is loaded
        stdout.write(prompt)
        stdout.flush()
        line = pending.popleft() + "\n" if pending else stdin.readline()
        if not line:
            raise EOFError
        stdout.write(line.rstrip("\n") + "\n")
        return line.rstrip("\n")

    return ask


class TerminalGame:
    """One person (or, to watch, another player) against the engine, from the first line to the
    last."""

    def __init__(
        self,
        game: Game,
        engine: Engine,
        ask: Callable[[str], str],
        out: TextIO,
        err: TextIO,
        *,
        human: int = 0,
        opponent: Player | None = None,
        style: Style | None = None,
        quiet: bool = False,
        path: Path | None = None,
        seed: int = 0,
    ) -> None:
        """`human` is the player (0 or 1) that the person moves for, or `opponent` in its place.

        Every move is saved to `path`; without one a new file is made in the folder of saved games.
        """
        self.game, self.engine, self.ask, self.out, self.err = game, engine, ask, out, err
        self.human, self.opponent = human, opponent
        self.style, self.quiet, self.path, self.seed = style or Style(), quiet, path, seed
        self.position = game.position()
        self.undone: list[int] = []  # moves taken back, the next one to redo last
        self.resigned: int | None = None
        self.flipped = False
        self._rng = np.random.default_rng(seed)
        self._wanted_path = path
        self._saved = self._warned = False

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
            code = 130  # what a shell reports for a program that Ctrl-C has ended
        if self._saved:
            self._say(f"game saved: {self.path}")
        return code

    def load_file(self, name: str, moves: int | None = None) -> None:
        """Go on with a saved game, after its first `moves` moves. Raises UserError."""
        file = GameFile.read(name)
        if load(file.game).spec != self.game.spec:
            raise UserError(f"{name} is a game of {file.game}, not of {self.game.spec}")
        position = file.position(self.game, name)
        if moves is not None and not 0 <= moves <= len(position.moves):
            raise UserError(f"{name} has {len(position.moves)} moves, so N cannot be {moves}")
        self._leave_game()
        self.position = position
        if moves is not None:
            while len(position.moves) > moves:
                self.undone.append(position.undo())
        elif file.result.endswith(RESIGNATION):
            winner = file.result.removesuffix(" wins" + RESIGNATION)
            self.resigned = int(winner == self.game.players[0])
        sides = [file.headers.get(player) == "human" for player in self.game.players]
        if sum(sides) == 1:
            self.human = sides.index(True)

    def _introduce(self) -> None:
        game = self.game
        if self.quiet:
            return
        mine, other = game.players[self.human], game.players[1 - self.human]
        if self.opponent is not None:
            self._say(f"{game.title}: {mine} is {self.opponent.name}, {other} is {self.engine.name}.")
        else:
            self._say(f"{game.title}: you are {mine}, {other} is {self.engine.name}.")
            if legal := self.position.legal_actions():
                example = self.position.text(legal[len(legal) // 2])
                self._say(f"Write a move, as in {example}, or help for the other commands.")
        if self.style.unicode:
            discs = [paint_cells(f" {p} ", game.players, self.style.colours) for p in game.players]
            self._say(f"{game.players[0]} is {discs[0]}, {game.players[1]} is {discs[1]}.")
        self._show_board()
        self._show_result()

    def _turn(self) -> bool:
        """One move or command; False when there is nothing more to do."""
        if self._is_over and self.opponent is not None:
            return False
        if self._is_over:
            return self._obey(self.ask("game over (new, undo or quit): "))
        name = self.game.players[self.position.to_play]
        if self.position.to_play != self.human:
            self._engine_move()
        elif self.opponent is not None:
            (action,) = self.opponent.choose([self.position], self._rng)
            self._make_move(action, f"{name} plays {self.position.text(action)}")
        else:
            return self._obey(self.ask(f"{name}({len(self.position.moves) + 1}): "))
        return True

    def _obey(self, line: str) -> bool:
        """Carry out one line; False for quit. A line that makes no sense changes nothing."""
        line = line.strip()
        try:
            command = self._command(line) if line else "nothing"
            if command == "move":
                self._human_move(self.position.action(line))
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
            self.position.action(line)
            return "move"
        except ValueError as error:
            matches = [name for name in COMMANDS if name.startswith(word)]
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise UserError(f"{word!r} could be {' or '.join(matches)}") from error
            raise UserError(f"{error}; or help for the commands") from error

    # -- moves -------------------------------------------------------------------------------------

    def _human_move(self, action: int) -> None:
        if self._is_over:
            raise UserError("the game is over: write new, undo or quit")
        if not self.position.is_legal(action):
            try:
                self.position.play(action)
            except ValueError as error:
                raise UserError(str(error)) from error
        self._make_move(action, "")

    def _engine_move(self) -> None:
        thought = self._think()
        name = self.game.players[self.position.to_play]
        text = self.position.text(thought.action)
        line = f"{name} plays {text}"
        if not self.quiet:
            line = f"{line} | {self._judgement(thought)}"
        self._make_move(thought.action, line)

    def _make_move(self, action: int, line: str) -> None:
        self.position.play(action)
        self.undone.clear()
        self._autosave()
        self._show_board()
        if line:
            self._say(line)
        self._show_result()

    def _think(self, in_earnest: bool = False, lines: int = 1) -> Thought:
        """Have the engine look at the position, with a progress line for people who wait; in
        earnest it leaves the level aside that it plays at."""
        if self._is_over:
            raise UserError("the game is over: write new, undo or quit")
        progress = self._show_progress if self.err.isatty() else None
        with Interrupt() as stop:
            thought = self.engine.think(
                self.position, stop=stop, progress=progress, in_earnest=in_earnest, lines=lines
            )
        if progress is not None:
            self.err.write("\r" + " " * 79 + "\r")
            self.err.flush()
        return thought

    def _show_progress(self, thought: Thought) -> None:
        best = self.position.text(thought.lines[0].action)
        line = (
            f"thinking: {thought.seconds:.0f} s, {thought.simulations} simulations, "
            f"{best} {percent(thought.lines[0].share)} (Ctrl-C: move now)"
        )
        self.err.write(f"\r{line[:79]:79}")
        self.err.flush()

    # -- commands ----------------------------------------------------------------------------------

    def _undo(self, _: str) -> None:
        if self.resigned is not None:
            self.resigned = None
            self._say("the resignation is taken back")
            return
        earlier = self.position.copy()
        while earlier.moves:
            earlier.undo()
            if earlier.to_play == self.human:
                break
        else:
            raise UserError("you have no move to take back")
        while len(self.position.moves) > len(earlier.moves):
            self.undone.append(self.position.undo())
        self._autosave()
        self._show_board()

    def _redo(self, _: str) -> None:
        if not self.undone:
            raise UserError("nothing was taken back")
        while self.undone:
            self.position.play(self.undone.pop())
            if self.position.to_play == self.human:
                break
        self._autosave()
        self._show_board()
        self._show_result()

    def _hint(self, _: str) -> None:
        thought = self._think(in_earnest=True, lines=HINTS)
        for number, line in enumerate(thought.lines[:HINTS], start=1):
            move = self.position.text(line.action)
            follows = " ".join(self._texts(line.pv))
            self._say(
                f"{number}. {move:6}{percent(line.share):>4}  {line.visits:>6} visits   {follows}"
            )

    def _eval(self, _: str) -> None:
        self._say(self._judgement(self._think(in_earnest=True)))

    _why = _eval

    def _legal(self, _: str) -> None:
        moves = [self.position.text(action) for action in self.position.legal_actions()]
        self._say(" ".join(moves) if moves else "none: the game is over")

    def _board(self, _: str) -> None:
        self._say(self._drawing())

    def _flip(self, _: str) -> None:
        self.flipped = not self.flipped
        self._say(self._drawing())

    def _new(self, _: str) -> None:
        self._leave_game()
        self._show_board()

    def _swap(self, _: str) -> None:
        self.human = 1 - self.human
        self._say(f"you are {self.game.players[self.human]} now")

    def _level(self, number: str) -> None:
        if number:
            self.engine.set_level(int(number) if number.isdecimal() else -1)
        self._say(f"the engine: {self.engine.name}")

    def _resign(self, _: str) -> None:
        if self._is_over:
            raise UserError("the game is over: write new, undo or quit")
        self.resigned = self.human
        self._autosave()
        self._show_result()

    def _save(self, name: str) -> None:
        if name:
            self._file().write(name)
        else:
            self._autosave()
        self._say(f"game saved: {name or self.path}")

    def _load(self, arguments: str) -> None:
        name, _, number = arguments.rpartition(" ")
        if not (name and number.isdecimal()):
            name, number = arguments, ""
        if not name:
            raise UserError("load which file? write load FILE, or load FILE N")
        self.load_file(name.strip(), int(number) if number else None)
        self._say(f"you are {self.game.players[self.human]}")
        self._show_board()
        self._show_result()

    def _help(self, _: str) -> None:
        legal = self.position.legal_actions()
        example = f", as in {self.position.text(legal[0])}" if legal else ""
        self._say(f"Write a move{example}, or one of these; the first letters are enough:")
        for usage, explanation in COMMANDS.values():
            if usage:
                self._say(f"  {usage:15}{explanation}")
        self._say("Win rates count a draw as half a win. Ctrl-C makes the engine move at once.")

    def _leave_game(self) -> None:
        """Back to the initial position; the game so far keeps its file."""
        self.position, self.undone, self.resigned = self.game.position(), [], None
        if self._saved:
            self.path = free_path(self._wanted_path) if self._wanted_path else None
        self._saved = False

    # -- showing and saving ------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self.resigned is not None or self.position.is_over

    def _say(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()

    def _drawing(self) -> str:
        board = self.position.render()
        board = rotate(board) if self.flipped else board
        return paint(board, self.game.players, self.style)

    def _show_board(self) -> None:
        if not self.quiet:
            self._say("\n" + self._drawing())

    def _show_result(self) -> None:
        if self._is_over:
            winner = self._winner()
            you = " (you)" if winner == self.human and self.opponent is None else ""
            result = self._result()
            self._say("The game is a draw." if winner is None else f"{result}{you}.")

    def _winner(self) -> int | None:
        if self.resigned is not None:
            return 1 - self.resigned
        outcome = self.position.outcome()
        return None if outcome is None else outcome.winner

    def _result(self) -> str:
        """The result as the game's file has it."""
        if not self._is_over:
            return UNFINISHED
        winner = self._winner()
        if winner is None:
            return "draw"
        how = RESIGNATION if self.resigned is not None else ""
        return f"{self.game.players[winner]} wins{how}"

    def _judgement(self, thought: Thought) -> str:
        """Chances for the person and for both sides by name, effort, and what would follow."""
        players = self.game.players
        shares = [thought.share(player) for player in (0, 1)]
        you = "you" if self.opponent is None else self.opponent.name
        parts = [
            f"{you} ({players[self.human]}) {percent(shares[self.human])}",
            f"{players[0]} {percent(shares[0])}, {players[1]} {percent(shares[1])}",
            f"{thought.simulations} simulations, {thought.rate:.0f}/s, {thought.seconds:.2f} s",
            "line: " + " ".join(self._texts(thought.lines[0].pv)),
        ]
        if thought.proven is not None:
            winner = players[thought.to_play if thought.proven > 0 else 1 - thought.to_play]
            parts.insert(2, f"{winner} wins by force" if thought.proven else "a draw by force")
        return " | ".join(parts) + "\n" + win_bar(shares[0], players[0])

    def _texts(self, moves: Sequence[int]) -> list[str]:
        """A line of moves from this position, as text."""
        position: Position = self.position.copy()
        texts = []
        for action in moves:
            texts.append(position.text(action))
            position.play(action)
        return texts

    def _file(self) -> GameFile:
        position = self.game.position()
        moves = []
        for action in self.position.moves:
            moves.append(position.text(action))
            position.play(action)
        players = self.game.players
        person = "human" if self.opponent is None else self.opponent.name
        sides = {players[self.human]: person, players[1 - self.human]: self.engine.name}
        headers = {
            players[0]: sides[players[0]],
            players[1]: sides[players[1]],
            "date": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
            "seed": str(self.seed),
        }
        return GameFile(self.game.spec, tuple(moves), self._result(), headers)

    def _autosave(self) -> None:
        """Save after every move; a disk that cannot is named once and does not end the game."""
        if self.path is None:
            self.path = save_path(self.game, datetime.now())
        try:
            self._file().write(self.path)
            self._saved = True
        except UserError as error:
            if not self._warned:
                self.err.write(f"the game is not saved: {error}\n")
            self._warned = True
