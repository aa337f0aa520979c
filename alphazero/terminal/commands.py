"""What a person can write in the terminal besides moves."""

from typing import NamedTuple

from alphazero.game import Game

HINTS = 3  # moves that a hint shows


class Command(NamedTuple):
    """How a command is written and what it does; without a usage it is an alias."""

    usage: str
    explanation: str


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
STONES_COMMANDS = {
    "pass": Command("pass", "make no move; two passes one after the other end the game"),
    "score": Command("score", "estimate whose the points of the board will be"),
}
PIECES_COMMANDS = {
    "draw": Command("draw", "claim a draw: third repetition, or fifty moves without progress"),
    "fen": Command("fen", "the position as FEN"),
}
AGREEMENT = {  # what may be said of dead stones, besides a point and the commands
    "agree": Command("agree", "these stones are dead, all others alive"),
    "on": Command("on", "play on: both passes are taken back"),
}


def commands_of(game: Game) -> dict[str, Command]:
    """The commands that make sense in a game."""
    commands = COMMANDS | (STONES_COMMANDS if game.stones is not None else {})
    return commands | (PIECES_COMMANDS if game.pieces is not None else {})
