"""The table at which GTP's commands take place: the board with its moves, komi, rules and clocks.

GTP lets either side move at any time and go on after two passes, and it knows neither as a special
case. The table therefore keeps the moves as they came, and makes the position from them: where a
game went on after passes, one pass of them is left in its history.
"""

import math
import time
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from alphazero.engine.clock import Clock, TimeControl, moves_to_go
from alphazero.engine.engine import Engine
from alphazero.engine.host import EngineHost
from alphazero.engine.limits import SearchLimits
from alphazero.errors import UserError
from alphazero.game import Game, Position, Stones
from alphazero.protocols.gtp.call import GtpError
from alphazero.protocols.gtp.points import Points

ILLEGAL_MOVE = "illegal move"
LEAST_SECONDS = 0.001
Move = tuple[int, int]  # player and action


class RuleSet(NamedTuple):
    """A ruleset by its name, and what is different from it; "" where nothing is."""

    name: str
    ko: str = ""
    suicide: bool | str = ""


class Table:
    """One game at a time, of one kind."""

    def __init__(self, host: EngineHost, spec: str) -> None:
        """Raises UserError when there is no such game."""
        self.host = host
        self._set_game(host.game(spec))
        parameters = self.game.parameters
        self.komi = float(parameters.get("komi", 0.0))
        self.rules = RuleSet(
            str(parameters.get("rules", "")),
            str(parameters.get("ko", "")),
            parameters.get("suicide", ""),
        )
        self.control: TimeControl | None = None
        self.clocks: list[Clock] = []
        self.clear()

    # -- the kind of game --------------------------------------------------------------------------

    def _set_game(self, game: Game) -> None:
        self.game, self.points = game, Points(game)

    @property
    def stones(self) -> Stones:
        """What games of stones can do. Raises GtpError for another game."""
        if self.game.stones is None:
            raise GtpError(f"there is no such thing in {self.game.title}")
        return self.game.stones

    @property
    def is_go(self) -> bool:
        return self.game.stones is not None

    @property
    def size(self) -> int:
        """Columns of the board."""
        return self.points.columns

    @property
    def engine(self) -> Engine:
        """The engine for the board, once it is there. Raises UserError."""
        return self.host.engine(self.game)

    def prepare(self) -> None:
        """Make the engine for the board in the background."""
        self.host.prepare(self.game)

    def resize(self, size: int) -> None:
        """An empty board of another size; komi and rules stay. Raises GtpError."""
        if size != self.size or size != self.points.rows:
            if "size" not in self.game.parameters:
                if size not in (self.points.rows, self.points.columns):
                    raise GtpError("unacceptable size")
            else:
                try:
                    self._set_game(self.host.variant(self.game, size=size))
                except UserError as error:
                    raise GtpError("unacceptable size") from error
        self.clear()

    # -- the position ------------------------------------------------------------------------------

    def clear(self) -> None:
        """A new game: no moves, no stones, full clocks."""
        self.moves: list[Move] = []
        self._setup: tuple[np.ndarray, int] | None = None  # stones set up, and who is to move
        self._handicap = 0  # of these stones
        self._position: Position | None = None
        for clock in self.clocks:
            clock.reset()

    @property
    def position(self) -> Position:
        """The position that the moves have led to. Not to be changed."""
        if self._position is None:
            self._position = self._replay(self._played(keep=2))
        return self._position

    @property
    def pass_action(self) -> int:
        return self.points.rows * self.points.columns

    @property
    def is_passed_out(self) -> bool:
        """Whether the last two moves are passes, which end a game but not GTP's."""
        last = [action for _, action in self.moves[-2:]]
        return self.is_go and last == [self.pass_action] * 2

    @property
    def handicap(self) -> int:
        """Stones that Black has before the game: those set up as such, or several moves of Black's
        before any of White's, by which most programs tell."""
        if self._handicap or not self.is_go:
            return self._handicap
        count = 0
        for player, action in self.moves:
            if player != 0 or action == self.pass_action:
                break
            count += 1
        return count if count >= 2 else 0

    def turn(self, player: int) -> Position:
        """A copy of the position with this player to move, for the engine. It is over only where
        nothing can be played any more. Raises GtpError."""
        position = self._resumed() if self.is_passed_out else self.position.copy()
        if position.to_play != player:
            if not self.is_go:
                raise GtpError(f"it is {self.game.players[position.to_play]}'s move")
            position.set_to_play(player)
        return position

    def play(self, player: int, action: int | None) -> None:
        """Make a move; None is none that there is. Raises GtpError, and nothing has changed."""
        handicap = self.handicap
        position = self.position
        is_pass = self.is_go and action == self.pass_action
        if not (position.is_over and is_pass):
            if self.is_passed_out:
                position = self._resumed()
            turn = position.to_play
            if action is None or (player != turn and not self.is_go):
                raise GtpError(ILLEGAL_MOVE)
            if player != turn:
                position.set_to_play(player)
            if not position.is_legal(action):
                if player != turn:
                    position.set_to_play(turn)
                raise GtpError(ILLEGAL_MOVE)
            position.play(action)
        assert action is not None, "only a pass is made without a position"
        self._position = position
        self.moves.append((player, action))
        if self.handicap != handicap:
            self._amend()

    def play_all(self, moves: Iterable[tuple[int, str]]) -> None:
        """Make several moves, given as players and names of points, or none of them."""
        before, position = list(self.moves), self.position.copy()
        try:
            for player, text in moves:
                self.play(player, self.read(text))
        except GtpError:
            self.moves, self._position = before, position
            raise

    def read(self, text: str) -> int | None:
        """The move of a point's name, None for a point where none can be made. Raises GtpError."""
        try:
            return self.points.action(self.position, text)
        except ValueError as error:
            raise GtpError("syntax error") from error

    def undo(self, count: int = 1) -> None:
        """Take moves back, all of them or, raising GtpError, none."""
        if not 0 <= count <= len(self.moves):
            raise GtpError("cannot undo")
        del self.moves[len(self.moves) - count :]
        self._position = None

    def set_up(self, board: np.ndarray, to_play: int, handicap: int = 0) -> None:
        """These stones instead of what is on the board, int8 [N, N] of 0, 1 and 2.

        Raises GtpError if a chain has no liberty.
        """
        try:
            self.stones.set_up(self.game.position().start_state.copy(), board, to_play)
        except ValueError as error:
            raise GtpError(str(error)) from error
        self.moves, self._position = [], None
        self._setup, self._handicap = (board, to_play), handicap

    def adopt(self, position: Position, rules: str, handicap: int) -> None:
        """Go on with a position of the same board, with its moves and its komi."""
        earlier = position.copy()
        moves: list[Move] = []
        while earlier.moves:
            action = earlier.undo()
            moves.append((earlier.to_play, action))
        self.set_up(self.stones.board(earlier.state), earlier.to_play, handicap)
        self.moves = moves[::-1]
        self.komi = self.stones.komi(position.state)
        if rules:
            self.rules = RuleSet(rules)

    # -- komi and rules ----------------------------------------------------------------------------

    def set_komi(self, komi: float) -> None:
        """Raises GtpError."""
        if self.is_go:
            self._try(komi, self.rules)
        self.komi = komi
        self._amend()

    def set_rules(self, rules: RuleSet) -> None:
        """Other rules, also for the moves made so far. Raises GtpError."""
        self._try(self.komi, rules)
        before, self.rules = self.rules, rules
        try:
            self._position = self._replay(self._played(keep=2))
        except ValueError as error:
            self.rules = before
            raise GtpError(f"a move of this game breaks these rules: {error}") from error

    def _try(self, komi: float, rules: RuleSet) -> None:
        state = self.game.empty_states(1)[0]
        try:
            self.stones.set_komi(state, komi)
        except ValueError as error:
            raise GtpError("unacceptable komi") from error
        try:
            self.stones.set_rules(state, rules.name, rules.ko, rules.suicide)
        except ValueError as error:
            raise GtpError(str(error)) from error

    def _amend(self) -> None:
        """Have komi, rules and handicap hold for the whole game."""
        if self._position is not None and self.is_go:
            self._position.amend(self._apply)

    def _apply(self, state: np.void) -> None:
        self.stones.set_komi(state, self.komi)
        self.stones.set_rules(state, self.rules.name, self.rules.ko, self.rules.suicide)
        self.stones.set_handicap(state, self.handicap)

    # -- time --------------------------------------------------------------------------------------

    def set_control(self, control: TimeControl | None) -> None:
        """The clocks start anew; None stops them."""
        self.control = control
        self.clocks = [] if control is None else [Clock(control), Clock(control)]

    def limit(self, player: int, arrived: float) -> SearchLimits:
        """What the engine may spend on a move that was asked for when time.perf_counter() was
        `arrived`."""
        limit = self.engine.limits()
        if not self.clocks:
            return limit
        points = math.prod(self.game.planes[1:])
        seconds = self.clocks[player].seconds(moves_to_go(points, len(self.moves)))
        if limit.seconds is not None:
            seconds = min(seconds, limit.seconds)
        options = self.host.options
        if options.simulations is None and options.level is None:
            limit = limit._replace(simulations=None)  # it was meant for games without clocks
        seconds -= time.perf_counter() - arrived
        return limit._replace(seconds=max(seconds, LEAST_SECONDS), settle=1.0)

    def spend(self, player: int, arrived: float) -> None:
        """The engine has moved for this player."""
        if self.clocks:
            self.clocks[player].spend(time.perf_counter() - arrived)

    # -- inside ------------------------------------------------------------------------------------

    def _resumed(self) -> Position:
        """The position after passes as one in which the game goes on."""
        return self._replay(self._played(keep=1))

    def _played(self, keep: int) -> list[Move]:
        """The moves of one game: of passes that did not end it one is left, of those at the end so
        many as `keep` says."""
        played: list[Move] = []
        passes = 0
        for player, action in self.moves:
            if not self.is_go or action != self.pass_action:
                if passes > 1:
                    del played[1 - passes :]
                passes = 0
            else:
                passes += 1
            played.append((player, action))
        return played[: len(played) - passes + keep] if passes > keep else played

    def _replay(self, moves: list[Move]) -> Position:
        state = self.game.position().start_state.copy()
        if self.is_go:
            if self._setup is not None:
                self.stones.set_up(state, *self._setup)
            self._apply(state)
        position = Position(self.game, state)
        for player, action in moves:
            if position.is_over:  # after very many moves, and then passes
                break
            if position.to_play != player:
                position.set_to_play(player)
            position.play(action)
        return position
