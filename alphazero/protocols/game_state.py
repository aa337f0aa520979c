"""The game under way in a conversation: moves, setup stones, komi, rules and clocks.

GTP lets either player move at any time and play go on after two passes, and has no special cases
for that. The state therefore keeps the moves as they came, and makes the position from them: where
a game was resumed after passes, only one of the passes stays in its history.

Methods raise RequestError, with GTP's messages, and leave the state unchanged then.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from alphazero.engine.clock import Clock, TimeControl, moves_to_go
from alphazero.errors import RequestError, UserError
from alphazero.formats.rulesets import Rules, name_rules, read_field, read_katago
from alphazero.formats.stones import put_stone
from alphazero.game import Game, Position, Stones
from alphazero.protocols.vertices import Vertices

ILLEGAL_MOVE = "illegal move"
Move = tuple[int, int]  # player, action


class GameState:
    """One game at a time, on a board that may change its size between games."""

    def __init__(self, game: Game, variant: Callable[..., Game]) -> None:
        """`variant(game, size=9)` loads the same game with other parameters or raises UserError."""
        self._variant = variant
        self._set_game(game)
        self.komi = float(game.parameters.get("komi", 0.0))
        self.rules = Rules.of(game)
        self.control: TimeControl | None = None
        self.clocks: list[Clock] = []  # by player; none without a time control
        self.clear()

    # -- the board ---------------------------------------------------------------------------------

    def _set_game(self, game: Game) -> None:
        self.game, self.vertices = game, Vertices(game)

    @property
    def is_go(self) -> bool:
        return self.game.stones is not None

    @property
    def stones(self) -> Stones:
        """The game's functions for stones. Raises RequestError for another kind of game."""
        if self.game.stones is None:
            raise RequestError(f"not available in {self.game.title}")
        return self.game.stones

    @property
    def rows(self) -> int:
        return self.vertices.rows

    @property
    def columns(self) -> int:
        return self.vertices.columns

    @property
    def board(self) -> np.ndarray:
        """The stones, int8 [H, W]: 0 empty, 1 Black's, 2 White's."""
        return self.stones.board(self.position.state)

    def resize(self, columns: int, rows: int) -> None:
        """Begin a new game on a board of another size; komi and rules stay."""
        given = self.game.parameters
        if (self.columns, self.rows) != (columns, rows):
            if given.keys().isdisjoint(("size", "width")):
                if columns != rows or columns not in (self.rows, self.columns):
                    raise RequestError("unacceptable size")
            else:
                changes = {"width": columns, "height": rows}
                if columns == rows:
                    changes = {"size": columns} | {name: 0 for name in changes if name in given}
                try:
                    self._set_game(self._variant(self.game, **changes))
                except UserError as error:
                    raise RequestError("unacceptable size") from error
        self.clear()

    # -- the position ------------------------------------------------------------------------------

    def clear(self) -> None:
        """Begin a new game: no moves, no stones, full clocks."""
        self.moves: list[Move] = []
        self._setup: tuple[np.ndarray, int] | None = None  # board and player to move
        self._prisoners = (0, 0)  # stones that the players had taken before the setup
        self._handicap = 0  # stones of the setup
        self._position: Position | None = None  # made from the above when needed
        for clock in self.clocks:
            clock.reset()

    @property
    def position(self) -> Position:
        """The position after all moves. Not to be changed."""
        if self._position is None:
            self._position = self._replay(self._game_moves())
        return self._position

    @property
    def pass_action(self) -> int:
        return self.rows * self.columns

    @property
    def is_passed_out(self) -> bool:
        """True after the passes that end a game but not a GTP conversation."""
        last = [action for _, action in self.moves[-2:]]
        return self.is_go and last == [self.pass_action] * 2 and self.position.is_over

    @property
    def handicap(self) -> int:
        """Handicap stones: those set up as such, or two and more moves of Black's before any of
        White's, as most programs send them."""
        if self._handicap or not self.is_go:
            return self._handicap
        count = 0
        for player, action in self.moves:
            if player != 0 or action == self.pass_action:
                break
            count += 1
        return count if count >= 2 else 0

    def to_move(self, player: int | None = None) -> Position:
        """Copy the position with a player to move; None for the one whose turn it is.

        After two passes the game is resumed, so the position is over only if no move is possible.
        """
        if player is None:
            player = self.position.to_play
        position = self._resumed() if self.is_passed_out else self.position.copy()
        if position.to_play != player:
            if not self.is_go:
                raise RequestError(f"it is {self.game.players[position.to_play]}'s move")
            position.set_to_play(player)
        return position

    def play(self, player: int, action: int | None) -> None:
        """Make a move; None is an illegal one."""
        handicap = self.handicap
        position = self.position
        is_pass = self.is_go and action == self.pass_action
        if not (position.is_over and is_pass):
            if self.is_passed_out:
                position = self._resumed()
            turn = position.to_play
            if action is None or (player != turn and not self.is_go):
                raise RequestError(ILLEGAL_MOVE)
            if player != turn:
                position.set_to_play(player)
            if not position.is_legal(action):
                if player != turn:
                    position.set_to_play(turn)
                raise RequestError(ILLEGAL_MOVE)
            position.play(action)
        assert action is not None, "only a pass is made without changing the position"
        self._position = position
        self.moves.append((player, action))
        if self.handicap != handicap:
            self._amend()

    def play_recorded(self, player: int, action: int | None) -> str:
        """Make a move of a recorded game, which may have had other rules; returns why ours forbid
        it, or an empty text.

        A ko retaken at once, a repetition and suicide are executed, as by KataGo: the game then
        begins anew from the stones. Occupied points and points off the board are refused.
        """
        try:
            self.play(player, action)
            return ""
        except RequestError:
            if action is None or not self.is_go or self.is_occupied(action):
                raise
        position = self.to_move(player)
        try:
            position.play(action)
        except ValueError as error:
            reason = str(error).partition("illegal: ")[2] or str(error)
        else:
            reason = "the game is over"
        handicap, board = self.handicap, self.board.copy()
        taken = self.stones.captures(position.state)
        self.set_up(board, player, handicap, taken)
        try:
            self.play(player, action)
        except RequestError:
            more = put_stone(board, player, action)
            taken = taken[0] + more[0], taken[1] + more[1]
            self.set_up(board, 1 - player, handicap, taken)
        return reason

    def is_occupied(self, action: int) -> bool:
        """Return True for a point with a stone."""
        return action != self.pass_action and bool(self.board.flat[action])

    def play_all(self, moves: Iterable[tuple[int, str]]) -> None:
        """Make moves given as players and vertices, all or none."""
        before, position = list(self.moves), self.position.copy()
        try:
            for player, text in moves:
                self.play(player, self.read(text))
        except RequestError:
            self.moves, self._position = before, position
            raise

    def read(self, text: str) -> int | None:
        """Parse a vertex to an action; None for a point where no move can be made."""
        try:
            return self.vertices.action(self.position, text)
        except ValueError as error:
            raise RequestError("syntax error") from error

    def name(self, action: int) -> str:
        """Name an action of the position."""
        return self.vertices.text(self.position, action)

    def move_names(self) -> list[tuple[int, str]]:
        """List all moves as players and vertices, the oldest first."""
        actions = tuple(action for _, action in self.moves)
        start = self.position if self.is_go else self.game.position()
        names = self.vertices.texts(start, actions)
        return [(player, name) for (player, _), name in zip(self.moves, names, strict=True)]

    def undo(self, count: int = 1) -> None:
        """Take back moves, all or none."""
        if not 0 <= count <= len(self.moves):
            raise RequestError("cannot undo")
        del self.moves[len(self.moves) - count :]
        self._position = None

    # -- setting up --------------------------------------------------------------------------------

    def read_stones(self, stones: Iterable[tuple[int, str]]) -> np.ndarray:
        """Parse stones, given as players and vertices, to a board int8 [H, W]."""
        board = np.zeros_like(self.board)
        for player, text in stones:
            point = self.read(text)
            if point is None or point == self.pass_action:
                raise RequestError(ILLEGAL_MOVE)
            if board.flat[point]:
                raise RequestError(f"{text} is given twice")
            board.flat[point] = player + 1
        return board

    def set_up(
        self,
        board: np.ndarray,
        to_play: int,
        handicap: int = 0,
        prisoners: tuple[int, int] = (0, 0),
    ) -> None:
        """Begin a new game from stones, int8 [H, W], with prisoners of both players taken
        before. Every chain needs a liberty."""
        try:
            self.stones.set_up(self.game.position().start_state.copy(), board, to_play)
        except ValueError as error:
            raise RequestError(str(error)) from error
        self.moves, self._position = [], None
        self._setup, self._handicap = (board, to_play), handicap
        self._prisoners = prisoners

    def place_handicap(self, points: list[tuple[int, int]]) -> None:
        """Begin a new game with handicap stones on points (row, column) and White to move."""
        board = np.zeros_like(self.board)
        for point in points:
            board[point] = 1
        self.set_up(board, 1, handicap=len(points))

    def adopt(self, position: Position, rules: str, handicap: int) -> None:
        """Continue a position of the same board, with its moves, komi and rules; `rules` names the
        ruleset where several have the same terms."""
        earlier = position.copy()
        moves: list[Move] = []
        while earlier.moves:
            action = earlier.undo()
            moves.append((earlier.to_play, action))
        stones, start = self.stones, earlier.state
        self.set_up(stones.board(start), earlier.to_play, handicap, stones.captures(start))
        self.moves = moves[::-1]
        self.komi = stones.komi(start)
        self.rules = name_rules(stones.terms(start), stones.rules, rules)

    # -- komi and rules ----------------------------------------------------------------------------

    def set_komi(self, komi: float) -> None:
        if self.is_go:
            self._check(komi, self.rules)
        self.komi = komi
        self._amend()

    def read_rules(self, value: Any) -> Rules:
        """Parse a ruleset's name, KataGo's shorthand, or the fields of KataGo's JSON."""
        try:
            return read_katago(value, self.stones.rules)
        except ValueError as error:
            raise RequestError(str(error)) from error

    def amended_rules(self, field: str, value: Any) -> Rules:
        """The rules with one of the fields of KataGo's JSON changed."""
        try:
            term, content = read_field(field, value)
        except ValueError as error:
            raise RequestError(str(error)) from error
        return name_rules(self.rules.terms._replace(**{term: content}), self.stones.rules)

    def set_rules(self, rules: Rules) -> None:
        """Change the rules, also for the moves made so far."""
        self._check(self.komi, rules)
        before, self.rules = self.rules, rules
        try:
            self._position = self._replay(self._game_moves())
        except ValueError as error:
            self.rules = before
            raise RequestError(f"a move of this game breaks these rules: {error}") from error

    def _check(self, komi: float, rules: Rules) -> None:
        state = self.game.empty_states(1)[0]
        try:
            self.stones.set_komi(state, komi)
        except ValueError as error:
            raise RequestError("unacceptable komi") from error
        try:
            self.stones.set_rules(state, rules.terms)
        except ValueError as error:
            raise RequestError(str(error)) from error

    def _amend(self) -> None:
        """Apply komi, rules and handicap to the whole game."""
        if self._position is not None and self.is_go:
            self._position.amend(self._apply)

    def _apply(self, state: np.void) -> None:
        self.stones.set_komi(state, self.komi)
        self.stones.set_rules(state, self.rules.terms)
        self.stones.set_handicap(state, self.handicap)

    # -- time --------------------------------------------------------------------------------------

    def set_time_control(self, control: TimeControl | None) -> None:
        """Start both clocks anew; None removes them."""
        self.control = control
        self.clocks = [] if control is None else [Clock(control), Clock(control)]

    def seconds_for_move(self, player: int) -> float | None:
        """Seconds to spend on the player's next move; None without clocks."""
        if not self.clocks:
            return None
        points = math.prod(self.game.planes[1:])
        return self.clocks[player].seconds(moves_to_go(points, len(self.moves)))

    def spend(self, player: int, seconds: float) -> None:
        """Take the time of a move from a player's clock."""
        if self.clocks:
            self.clocks[player].spend(seconds)

    # -- inside ------------------------------------------------------------------------------------

    def _resumed(self) -> Position:
        """Make the position after two passes with the game going on."""
        return self._replay(self._game_moves(resumed=True))

    def _game_moves(self, resumed: bool = False) -> list[Move]:
        """List the moves as those of one game: of consecutive passes that did not end it one stays,
        also of those at the end if the game is resumed."""
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
        return played[: len(played) - passes + 1] if resumed and passes > 1 else played

    def _replay(self, moves: list[Move]) -> Position:
        state = self.game.position().start_state.copy()
        if self.is_go:
            if self._setup is not None:
                self.stones.set_up(state, *self._setup)
                self.stones.set_captures(state, self._prisoners)
            self._apply(state)
        position = Position(self.game, state)
        for player, action in moves:
            if position.is_over:  # what follows are passes
                break
            if position.to_play != player:
                position.set_to_play(player)
            position.play(action)
        return position
