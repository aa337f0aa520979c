"""A game between a person and the engine without its front end: moves, taking back, saving."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from alphazero.bridges.gamefile import UNFINISHED, GameFile, free_path, save_path
from alphazero.errors import UserError
from alphazero.game import Game

RESIGNATION = " by resignation"
OVER = "the game is over: write new, undo or quit"


class Session:
    """The game under way, and the file that it is saved to."""

    def __init__(self, game: Game, *, human: int = 0, path: Path | None = None) -> None:
        """`human` is the player, 0 or 1, that the person moves for. Without a path every game gets
        a file of its own in the folder of saved games."""
        self.game, self.human, self.path = game, human, path
        self.position = game.position()
        self.undone: list[int] = []  # moves taken back, the next one to redo last
        self.resigned: int | None = None  # the player who has given up
        self.saved = False  # whether `path` holds this game
        self._wanted_path = path

    @property
    def is_over(self) -> bool:
        return self.resigned is not None or self.position.is_over

    @property
    def winner(self) -> int | None:
        """The player who has won; None for a draw, or while the game goes on."""
        if self.resigned is not None:
            return 1 - self.resigned
        outcome = self.position.outcome()
        return None if outcome is None else outcome.winner

    @property
    def result(self) -> str:
        """The result as the game's file has it."""
        if not self.is_over:
            return UNFINISHED
        if self.winner is None:
            return "draw"
        how = RESIGNATION if self.resigned is not None else ""
        return f"{self.game.players[self.winner]} wins{how}"

    def texts(self, actions: Sequence[int]) -> list[str]:
        """A line of moves from this position, as people write them."""
        position = self.position.copy()
        return [(position.text(action), position.play(action))[0] for action in actions]

    # -- what changes it; UserError says why something cannot be done ------------------------------

    def require_unfinished(self) -> None:
        """Raise UserError when the game is over."""
        if self.is_over:
            raise UserError(OVER)

    def play(self, action: int) -> None:
        """Make a move of whoever is to move."""
        self.require_unfinished()
        try:
            self.position.play(action)
        except ValueError as error:
            raise UserError(str(error)) from error
        self.undone.clear()

    def undo(self) -> None:
        """Take back a resignation, or the person's last move and what came after it."""
        if self.resigned is not None:
            self.resigned = None
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

    def redo(self) -> None:
        """Make the moves again that the last `undo` took back."""
        if not self.undone:
            raise UserError("nothing was taken back")
        while self.undone:
            self.position.play(self.undone.pop())
            if self.position.to_play == self.human:
                break

    def resign(self) -> None:
        """The person gives up."""
        self.require_unfinished()
        self.resigned = self.human

    def begin(self) -> None:
        """Back to the initial position; the game so far keeps its file."""
        self.position, self.undone, self.resigned = self.game.position(), [], None
        if self.saved:
            self.path = free_path(self._wanted_path) if self._wanted_path else None
        self.saved = False

    # -- files -------------------------------------------------------------------------------------

    def file(self, headers: dict[str, str]) -> GameFile:
        """The game as it stands, with headers that say who plays."""
        position = self.game.position()
        moves = [(position.text(move), position.play(move))[0] for move in self.position.moves]
        return GameFile(self.game.spec, tuple(moves), self.result, headers)

    def save(self, headers: dict[str, str]) -> None:
        """Write the game to its own file."""
        if self.path is None:
            self.path = save_path(self.game, datetime.now())
        self.file(headers).write(self.path)
        self.saved = True

    def load(self, name: str, moves: int | None = None) -> None:
        """Go on with a saved game, after its first `moves` moves; `redo` then makes the others.

        The person takes the side that was the person's. The file is not written to.
        """
        file = GameFile.read(name)
        if file.load_game(name).spec != self.game.spec:
            raise UserError(f"{name} is a game of {file.game}, not of {self.game.spec}")
        position = file.position(self.game, name)
        if moves is not None and moves > len(position.moves):
            raise UserError(f"{name} has {len(position.moves)} moves, so N cannot be {moves}")
        self.begin()
        self.position = position
        while moves is not None and len(position.moves) > moves:
            self.undone.append(position.undo())
        if moves is None and file.result.endswith(RESIGNATION):
            winner = file.result.removesuffix(f" wins{RESIGNATION}")
            self.resigned = int(winner == self.game.players[0])
        persons = [file.headers.get(player) == "human" for player in self.game.players]
        if sum(persons) == 1:
            self.human = persons.index(True)
