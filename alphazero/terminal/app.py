"""A game between a person and the engine as a conversation in lines of text.

It prints and never takes over the screen, so it works over ssh, in logs and with a screen reader.
Where the lines come from and go to is the caller's choice.
"""

from collections.abc import Callable
from typing import TextIO

import numpy as np

from alphazero.arena.player import RESIGN, Player
from alphazero.arena.reference import Reference
from alphazero.command_line import INTERRUPTED
from alphazero.engine.analysis import Analysis
from alphazero.engine.engine import Engine
from alphazero.engine.limits import SearchRequest
from alphazero.errors import UserError
from alphazero.formats.annotation import Note
from alphazero.terminal.chess import PiecesTalk
from alphazero.terminal.commands import AGREEMENT, HINTS, commands_of
from alphazero.terminal.console import Interrupt
from alphazero.terminal.display import Display
from alphazero.terminal.go import StonesTalk
from alphazero.terminal.session import OVER, PASS, PERSON, Session
from alphazero.terminal.style import Style


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
        in the person's place. The engine knows what is in the `reference`."""
        self.session, self.engine, self.ask, self.opponent = session, engine, ask, opponent
        self.seed, self._reference = seed, reference or Reference()
        self._players = session.game.players
        self._stones = StonesTalk(session, engine) if session.game.stones is not None else None
        self._pieces = PiecesTalk(session) if session.game.pieces is not None else None
        self.display = Display(
            session,
            out,
            err,
            style or Style(),
            person=None if opponent is None else opponent.name,
            stones=self._stones,
            pieces=self._pieces,
            quiet=quiet,
        )
        self._commands = commands_of(session.game)
        self._proposed: np.ndarray | None = None  # dead stones that are talked about
        self._rng = np.random.default_rng(seed)
        self._warned = False

    # -- the conversation --------------------------------------------------------------------------

    def run(self) -> int:
        """Play until the person leaves or the input ends; returns the exit code."""
        code = 0
        try:
            self.display.introduce(self.engine.name)
            while self._turn():
                pass
        except EOFError:
            self.display.say("")
        except KeyboardInterrupt:
            self.display.say("")
            code = INTERRUPTED
        finally:  # even if an opponent has failed
            if self.session.saved:
                self.display.say(f"game saved: {self.session.path}")
        return code

    def _turn(self) -> bool:
        """One move or command; False when there is nothing more to do."""
        session = self.session
        if session.is_counting:
            return self._settle()
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
                self._give_up()
            else:
                self._make_move(action, f"{name} plays {session.text(action)}")
        else:
            return self._obey(self.ask(f"{name}({len(session.position.moves) + 1}): "))
        return True

    def _obey(self, line: str) -> bool:
        """Carry out one line; False for quit. A line that makes no sense changes nothing."""
        line = line.strip()
        try:
            command = self._command(line) if line else "nothing"
            if command == "move":
                self._make_move(line, "")
            elif command in self._commands and command != "quit":
                getattr(self, f"_{command}")(line.partition(" ")[2].strip())
            return command != "quit"
        except UserError as error:
            self.display.say(str(error))
            return True

    def _command(self, line: str) -> str:
        """Which command a line means, or "move"; first letters will do where no move reads so."""
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
            raise UserError(f"{error} (help lists the commands)") from error

    def _settle(self) -> bool:
        """Talk about the dead stones of a game that two passes have ended; False for quit."""
        session, stones = self.session, self._stones
        assert stones is not None, "a game of stones"
        if self._proposed is None:
            self._proposed = stones.propose_dead()
            self.display.show_count(self._proposed)
        line = self.ask("dead stones (agree, on, or the point of a chain): ").strip()
        word = line.lower()
        said = [name for name in AGREEMENT if word and name.startswith(word)]
        try:
            if said == ["agree"]:
                session.agree(self._proposed)
                self._autosave()
                self.display.show_result()
            elif said == ["on"]:
                session.play_on()
                self._start_over()
                self._autosave()
                self.display.show_board()
            elif word and self._command(line) == "move":
                self._proposed = stones.toggle(self._proposed, line)
                self.display.show_count(self._proposed)
                return True
            else:
                return self._obey(line)
        except UserError as error:
            self.display.say(str(error))
            return True
        self._proposed = None
        return True

    # -- moves -------------------------------------------------------------------------------------

    def _engine_move(self) -> None:
        position = self.session.position
        name = self._players[position.to_play]
        if self._stones is not None and self.opponent is None:
            reason = self._stones.passes_too()
            if reason:
                self._make_move(position.action(PASS), f"{name} passes, too: {reason}")
                return
        known = self._reference.move(position, self._rng)
        if known is not None:
            line = f"{name} plays {self.session.text(known)} (from the book)"
            return self._make_move(known, line)
        thought = self._think(only=self._reference.only(position))
        if self._stones is not None and self._stones.gives_up(thought.winrate(thought.to_play)):
            self._give_up()
            return
        if self._pieces is not None and self._pieces.takes_draw(thought.winrate(thought.to_play)):
            return self._draw("")
        line = f"{name} plays {self.session.text(thought.action)}"
        facts = self.display.facts(thought)
        if not self.display.quiet:
            line = f"{line} | {self.display.judgement(thought, facts)}"
        note = Note(" | ".join(facts), thought.winrate(0))
        self._make_move(thought.action, line, note)

    def _give_up(self) -> None:
        """Whoever is to move resigns."""
        self.session.resign(self.session.position.to_play)
        self._autosave()
        self.display.show_result()

    def _make_move(self, move: int | str, line: str, note: Note | None = None) -> None:
        self.session.play(move, note)
        self._proposed = None
        self._autosave()
        self.display.show_board()
        if line:
            self.display.say(line)
        self.display.show_result()

    def _think(
        self, in_earnest: bool = False, lines: int = 1, only: list[int] | None = None
    ) -> Analysis:
        """Have the engine look at the position, with a progress line for people who wait; in
        earnest it leaves the level aside that it plays at."""
        self.session.require_unfinished()
        progress = self.display.show_progress if self.display.can_progress else None
        with Interrupt() as stop:
            thought = self.engine.analyze(
                SearchRequest(
                    self.session.position,
                    full_strength=in_earnest,
                    continuations=lines,
                    only=only,
                ),
                stop,
                progress,
            )
        if progress is not None:
            self.display.wipe_progress()
        return thought

    # -- commands, each with the rest of its line --------------------------------------------------

    def _undo(self, _: str) -> None:
        given_up, claimed = self.session.resigned is not None, bool(self.session.drawn)
        self.session.undo()
        self._start_over()
        if given_up:
            self.display.say("the resignation is taken back")
        if claimed:
            self.display.say("the draw is taken back")
        self._autosave()
        self.display.show_board()

    def _redo(self, _: str) -> None:
        self.session.redo()
        self._autosave()
        self.display.show_board()
        self.display.show_result()

    def _hint(self, _: str) -> None:
        thought = self._think(in_earnest=True, lines=HINTS)
        for number in range(min(HINTS, len(thought.moves))):
            self.display.hint(number, thought)

    def _eval(self, _: str) -> None:
        thought = self._think(in_earnest=True)
        self.display.say(self.display.judgement(thought, self.display.facts(thought)))

    _why = _eval

    def _pass(self, _: str) -> None:
        self._make_move(self.session.position.action(PASS), "")

    def _score(self, _: str) -> None:
        assert self._stones is not None, "the command is known in games of stones alone"
        drawing, text = self._stones.estimate()
        self.display.say(f"{self.display.styled(drawing)}\n{text}")

    def _draw(self, _: str) -> None:
        name = self._players[self.session.position.to_play]
        self.session.claim_draw()
        self._autosave()
        self.display.say(f"{name} claims a draw.")
        self.display.show_result()

    def _fen(self, _: str) -> None:
        assert self._pieces is not None, "the command is known in games of pieces alone"
        self.display.say(self._pieces.fen())

    def _legal(self, _: str) -> None:
        position = self.session.position
        moves = [self.session.text(action) for action in position.legal_actions()]
        self.display.say(" ".join(moves) if moves else "none: the game is over")

    def _board(self, _: str) -> None:
        self.display.say(self.display.drawing())

    def _flip(self, _: str) -> None:
        self.display.flipped = not self.display.flipped
        self.display.say(self.display.drawing())

    def _new(self, _: str) -> None:
        self.session.begin()
        self._start_over()
        self.display.show_board()

    def _swap(self, _: str) -> None:
        self.session.human = 1 - self.session.human
        self.display.say(f"you are {self._players[self.session.human]} now")

    def _level(self, number: str) -> None:
        if number:
            self.engine.set_level(int(number) if number.isdecimal() else -1)
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
        self.display.say(f"game saved: {name or self.session.path}")

    def _load(self, arguments: str) -> None:
        name, _, number = arguments.rpartition(" ")
        if not (name and number.isdecimal()):
            name, number = arguments, ""
        if not name:
            raise UserError("load which file? write load FILE, or load FILE N")
        for remark in self.session.load(name.strip(), int(number) if number else None):
            self.display.say(remark)
        self._start_over()
        self.display.say(f"you are {self._players[self.session.human]}")
        self.display.show_board()
        self.display.show_result()

    def _help(self, _: str) -> None:
        example = self.display.example()
        self.display.say(f"Write a move{example}, or one of these; the first letters are enough:")
        said = self._commands | (AGREEMENT if self.session.is_counting else {})
        for usage, explanation in said.values():
            if usage:
                self.display.say(f"  {usage:15}{explanation}")
        self.display.say(
            "Win rates count a draw as half a win. Ctrl-C makes the engine move at once."
        )

    def _start_over(self) -> None:
        """Forget what belonged to how the game stood before."""
        self._proposed = None
        if self._stones is not None:
            self._stones.take_heart()

    # -- saving ------------------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        """What the game's file says besides the moves."""
        person = PERSON if self.opponent is None else self.opponent.name
        return self.session.headers(person, self.engine.name, self.seed)

    def _autosave(self) -> None:
        """Save after every move; a disk that cannot is named once and does not end the game."""
        try:
            self.session.save(self._headers())
        except UserError as error:
            if not self._warned:
                self.display.warn(f"the game is not saved: {error}")
            self._warned = True
