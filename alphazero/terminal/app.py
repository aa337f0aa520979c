"""A game between a person and the engine as a conversation in lines of text.

It prints and never takes over the screen, so it works over ssh, in logs and with a screen reader.
"""

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NamedTuple, TextIO

import numpy as np

from alphazero.arena.players import RESIGN, Player
from alphazero.arena.reference import Reference
from alphazero.command_line import INTERRUPTED
from alphazero.engine.analysis import Analysis
from alphazero.engine.engine import Engine
from alphazero.engine.limits import SearchRequest
from alphazero.errors import UserError, closest
from alphazero.formats.annotation import Annotation
from alphazero.game import Game
from alphazero.terminal.chess import ChessCommentary
from alphazero.terminal.commentary import Commentary
from alphazero.terminal.display import Display, Style
from alphazero.terminal.go import LEGEND, GoCommentary
from alphazero.terminal.session import OVER, PASS, PERSON, Session

HINTS = 3  # moves that a hint shows
ROUNDING = 1e-6  # of probabilities that are equal
MISTYPED = 3  # letters, from which a word that means nothing may be a command mistyped


class Command(NamedTuple):
    """The usage and the effect of a command; without a usage it is an alias."""

    usage: str
    effect: str


COMMANDS = {
    "undo": Command("undo", "take back your last move and the reply to it"),
    "redo": Command("redo", "replay what was taken back"),
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
GO_COMMANDS = {
    "pass": Command("pass", "make no move; two passes one after the other end the game"),
    "score": Command("score", "estimate whose the points of the board will be"),
}
CHESS_COMMANDS = {
    "draw": Command("draw", "claim a draw: third repetition, or fifty moves without progress"),
    "fen": Command("fen", "the position as FEN"),
}
HOW_TO_AGREE = (
    "Write agree if these are the dead stones, a point such as C3 to change its chain from dead to"
    " alive or back, or on to play on."
)
AGREEMENT = {  # accepted beside points and commands while dead stones are to be agreed on
    "agree": Command("agree", "these stones are dead, all others alive"),
    "on": Command("on", "play on: both passes are taken back"),
}


def commands_of(game: Game) -> dict[str, Command]:
    """The commands that make sense in a game."""
    commands = COMMANDS | (GO_COMMANDS if game.stones is not None else {})
    return commands | (CHESS_COMMANDS if game.pieces is not None else {})


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
        reference: Reference | None = None,
        style: Style | None = None,
        quiet: bool = False,
        seed: int = 0,
    ) -> None:
        """`ask` prompts for a line and raises EOFError at the end of the input. An `opponent` plays
        in the person's place. The engine plays the moves of the `reference` where it has some."""
        self.session, self.engine, self.ask, self.opponent = session, engine, ask, opponent
        self.seed, self._reference = seed, reference or Reference()
        self._players = session.game.players
        self._go = GoCommentary(session, engine) if session.game.stones is not None else None
        self._chess = ChessCommentary(session) if session.game.pieces is not None else None
        self._commentary = self._go or self._chess or Commentary(session)
        self.display = Display(
            session,
            self._commentary,
            out,
            err,
            style or Style(),
            person=None if opponent is None else opponent.name,
            quiet=quiet,
        )
        self._commands = commands_of(session.game)
        self._dead: np.ndarray | None = None  # stones [H, W] proposed as dead, to be agreed on
        self._rng = np.random.default_rng(seed)
        self._warned = False

    # -- the conversation --------------------------------------------------------------------------

    def run(self) -> int:
        """Play until the person leaves or the input ends; returns the exit code."""
        code = 0
        try:
            self.display.introduce(self.engine.name, self._example())
            while self._turn():
                pass
        except EOFError:
            self.display.say("")
        except KeyboardInterrupt:
            self.display.say("")
            code = INTERRUPTED
        finally:  # even if an opponent has failed
            if self.session.saved:
                self.display.write(f"game saved: {self.session.path}")
        return code

    def _turn(self) -> bool:
        """Make one move or obey one command; False ends the conversation."""
        session = self.session
        if session.is_counting:
            return self._agree_on_dead() if self.opponent is None else self._take_dead()
        if session.is_over:
            if self.opponent is not None:
                return False
            return self._obey(self.ask("game over (new, undo or quit): "))
        name = self._players[session.position.to_play]
        if session.position.to_play != session.human:
            self._engine_move()
        elif self.opponent is not None:
            (action,) = self.opponent.choose([session.position], self._rng)
            if action == RESIGN:
                self._resign_for_player()
            else:
                self._make_move(action, f"{name} {self._doing(action)}")
        else:
            return self._obey(self.ask(f"{name}({len(session.position.moves) + 1}): "))
        return True

    def _obey(self, line: str) -> bool:
        """Carry out one line; False for quit. After an error the turn is still the person's."""
        line = line.strip()
        try:
            command = self._command(line) if line else ""
            if command == "move":
                self._make_move(line)
            elif command and command != "quit":
                getattr(self, f"_{command}")(line.partition(" ")[2].strip())
            return command != "quit"
        except UserError as error:
            self.display.say(str(error))
            return True

    def _command(self, line: str) -> str:
        """The command that a line means, or "move". The first letters of a command are enough
        where they are not a move."""
        word = line.split()[0].lower()
        if word in self._commands:
            return word
        try:
            self.session.position.action(line)
            return "move"
        except ValueError as error:
            matches = [name for name in self._commands if name.startswith(word)]
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise UserError(f"{word!r} could be {' or '.join(matches)}") from error
            if self.session.is_over:
                raise UserError(OVER) from error
            if self._go is not None and word in AGREEMENT and not self.session.is_counting:
                raise UserError(f"{word} is for the end of the game, after two passes") from error
            names = [*self._commands, *(AGREEMENT if self.session.is_counting else ())]
            hint = closest(word, names) if len(word) >= MISTYPED else ""
            raise UserError(f"{error}{hint or ' (help lists the commands)'}") from error

    def _example(self) -> str:
        """A good move as an example: the one the evaluator likes best, among equals one from the
        middle of the list, where moves are ordinary ones. "" if there is none."""
        position = self.session.position
        legal = position.legal_actions()
        if not legal:
            return ""
        policy, _ = self.engine.evaluate(position)
        best = [action for action in legal if policy[action] >= policy[legal].max() - ROUNDING]
        return self.session.text(best[len(best) // 2])

    def _agree_on_dead(self) -> bool:
        """Ask which stones are dead once two passes have ended a game; False for quit."""
        session, go = self.session, self._go
        assert go is not None, "a game of stones"
        if self._dead is None:
            self._dead = go.dead_stones()
            self.display.show_count(*go.count(self._dead), LEGEND)
            if doubts := go.doubts():
                self.display.say(doubts)
            if not self.display.quiet:
                self.display.say(HOW_TO_AGREE)
        line = self.ask("dead stones (agree, on, or the point of a chain): ").strip()
        word = line.lower()
        answers = [name for name in AGREEMENT if word and name.startswith(word)]
        try:
            if answers == ["agree"]:
                session.agree(self._dead)
                self._autosave()
                self.display.show_result()
            elif answers == ["on"]:
                session.play_on()
                self._forget()
                self._autosave()
                self.display.show_board()
            elif word and self._command(line) == "move":
                self._dead = go.toggle(self._dead, line)
                self.display.show_count(*go.count(self._dead), LEGEND)
                return True
            else:
                return self._obey(line)
        except UserError as error:
            self.display.say(str(error))
            return True
        self._dead = None
        return True

    def _take_dead(self) -> bool:
        """End a game between two programs after two passes: the dead stones are the judge's."""
        assert self._go is not None, "a game of stones"
        dead = self._go.dead_stones()
        self.display.show_count(*self._go.count(dead), LEGEND)
        self.session.agree(dead)
        self._autosave()
        self.display.show_result()
        return True

    # -- moves -------------------------------------------------------------------------------------

    def _engine_move(self) -> None:
        position = self.session.position
        name = self._players[position.to_play]
        reason, worthwhile = self._commentary.answer_to_pass()
        if reason:
            self._make_move(position.action(PASS), f"{name} passes, too: {reason}")
            return
        known = self._reference.move(position, self._rng)
        if known is not None:
            line = f"{name} {self._doing(known)} (from the book)"
            return self._make_move(known, line)
        analysis = self._analyze(only=self._reference.only(position) or worthwhile)
        if self.opponent is None:
            analysis = self._commentary.without_waste(analysis)
        winrate = analysis.winrate(analysis.to_play)
        if self._commentary.resigns(winrate):
            return self._resign_for_player()
        if self._commentary.claims_draw(winrate):
            return self._draw("")
        line = f"{name} {self._doing(analysis.action)}"
        facts = self.display.facts(analysis)
        if not self.display.quiet and not self._ends_game(analysis.action):
            line = f"{line} | {self.display.opinion(analysis, facts)}"
        self._make_move(analysis.action, line, self.display.annotation(analysis, facts))

    def _ends_game(self, action: int) -> bool:
        """True if nothing comes after a move, so that there are no chances to speak of."""
        after = self.session.position.copy()
        after.play(action)
        return after.is_over

    def _doing(self, action: int) -> str:
        """A move in words, to follow the player's name."""
        text = self.session.text(action)
        return "passes" if text == PASS else f"plays {text}"

    def _resign_for_player(self) -> None:
        """Resign for the player to move."""
        player = self.session.position.to_play
        self.session.resign(player)
        self._autosave()
        self.display.say(f"{self._players[player]} resigns.")
        self.display.show_result()

    def _make_move(
        self, move: int | str, line: str = "", annotation: Annotation | None = None
    ) -> None:
        """Play a move and show the board; then write the line, if any, and the result. In a small
        window the board is shown once the engine has replied."""
        self.session.play(move, annotation)
        self._dead = None
        self._autosave()
        if not self._replies_soon or self.display.has_room_for_two:
            self.display.show_board()
        if line:
            self.display.say(line)
        self.display.show_result()

    @property
    def _replies_soon(self) -> bool:
        """True if the engine's move follows a person's, with another board."""
        session = self.session
        is_over = session.is_over or session.is_counting
        return self.opponent is None and not is_over and session.position.to_play != session.human

    def _analyze(
        self, full_strength: bool = False, continuations: int = 1, only: list[int] | None = None
    ) -> Analysis:
        """Search the position, showing progress; at full strength whatever the level."""
        self.session.require_unfinished()
        progress = self.display.show_progress if self.display.can_progress else None
        request = SearchRequest(
            self.session.position,
            full_strength=full_strength,
            continuations=continuations,
            only=only,
        )
        try:
            with Interrupt() as stop:
                return self.engine.analyze(request, stop, progress)
        finally:
            self.display.end_progress()

    # -- commands, each with the rest of its line --------------------------------------------------

    def _undo(self, _: str) -> None:
        was_resigned, was_drawn = self.session.resigned is not None, bool(self.session.drawn)
        self.session.undo()
        self._forget()
        if was_resigned:
            self.display.say("the resignation is taken back")
        if was_drawn:
            self.display.say("the draw is taken back")
        self._autosave()
        self.display.show_board()

    def _redo(self, _: str) -> None:
        self.session.redo()
        self._autosave()
        self.display.show_board()
        self.display.show_result()

    def _hint(self, _: str) -> None:
        self.display.show_hints(self._analyze(full_strength=True, continuations=HINTS), HINTS)

    def _eval(self, _: str) -> None:
        analysis = self._analyze(full_strength=True)
        self.display.say(self.display.opinion(analysis, self.display.facts(analysis)))

    _why = _eval

    def _pass(self, _: str) -> None:
        self._make_move(self.session.position.action(PASS))

    def _score(self, _: str) -> None:
        assert self._go is not None, "a command of Go"
        view, text = self._go.estimate()
        self.display.write(self.display.board(view))
        self.display.say(text)

    def _draw(self, _: str) -> None:
        name = self._players[self.session.position.to_play]
        self.session.claim_draw()
        self._autosave()
        self.display.say(f"{name} claims a draw.")
        self.display.show_result()

    def _fen(self, _: str) -> None:
        assert self._chess is not None, "a command of chess"
        self.display.write(self._chess.fen())

    def _legal(self, _: str) -> None:
        position = self.session.position
        moves = [self.session.text(action) for action in position.legal_actions()]
        self.display.say(" ".join(moves) if moves else "none: the game is over")

    def _board(self, _: str) -> None:
        self.display.write(self.display.board())

    def _flip(self, _: str) -> None:
        self.display.flipped = not self.display.flipped
        self.display.write(self.display.board())

    def _new(self, _: str) -> None:
        if self.session.saved:
            self.display.write(f"game saved: {self.session.path}")
        self.session.begin()
        self._forget()
        self.display.show_board()

    def _swap(self, _: str) -> None:
        self.session.human = 1 - self.session.human
        self.display.say(f"you are {self._players[self.session.human]} now")

    def _level(self, number: str) -> None:
        if number and not number.isdecimal():
            raise UserError(f"the level must be a whole number from 1 to 10, not {number}")
        if number:
            self.engine.set_level(int(number))
        self.display.say(f"the engine: {self.engine.name}")

    def _resign(self, _: str) -> None:
        self.session.resign()
        self._autosave()
        self.display.show_result()

    def _save(self, name: str) -> None:
        if name:
            self.session.write(name, self._headers())
        else:
            self.session.save(self._headers())
        self.display.write(f"game saved: {name or self.session.path}")

    def _load(self, arguments: str) -> None:
        name, _, number = arguments.rpartition(" ")
        if not (name and number.isdecimal()):
            name, number = arguments, ""
        if not name:
            raise UserError("load which file? write load FILE, or load FILE N")
        for remark in self.session.load(name.strip(), int(number) if number else None):
            self.display.say(remark)
        self._forget()
        self.display.say(f"you are {self._players[self.session.human]}")
        self.display.show_board()
        self.display.show_result()

    def _help(self, _: str) -> None:
        example = self._example()
        move = f"a move, as in {example}," if example else "a move"
        self.display.say(f"Write {move} or one of these; the first letters are enough:")
        commands = self._commands | (AGREEMENT if self.session.is_counting else {})
        self.display.show_usage(command for command in commands.values() if command.usage)
        self.display.say(
            "Win rates count a draw as half a win. Ctrl-C makes the engine move at once."
        )

    def _forget(self) -> None:
        """Drop what belonged to the position before it was replaced."""
        self._dead = None
        self._commentary.cancel_resignation()

    # -- saving ------------------------------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        """The headers of the game's file."""
        person = PERSON if self.opponent is None else self.opponent.name
        return self.session.headers(person, self.engine.name, self.seed)

    def _autosave(self) -> None:
        """Save the game; an error is reported once and does not end the game."""
        try:
            self.session.save(self._headers())
        except UserError as error:
            if not self._warned:
                self.display.warn(f"the game is not saved: {error}")
            self._warned = True


# -- the keyboard ----------------------------------------------------------------------------------


def line_reader(script: Sequence[str], stdin: TextIO, stdout: TextIO) -> Callable[[str], str]:
    """A function that prompts for a line: first those of the script, then those of `stdin`.

    It raises EOFError at the end. Lines that were not typed into a terminal are echoed, so that the
    output reads as a conversation.
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


class Interrupt:
    """Ctrl-C during a search, as a context: the first asks for the engine's move, the second raises
    KeyboardInterrupt.

    Calling the object returns True once the move is wanted. Signals reach only the main thread;
    elsewhere the context does nothing.
    """

    def __init__(self) -> None:
        self.count = 0
        self._is_main = threading.current_thread() is threading.main_thread()
        self._previous: Any = None

    def __call__(self) -> bool:
        return self.count > 0

    def __enter__(self) -> "Interrupt":
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
