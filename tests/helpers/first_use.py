"""A conversation, and the kernels that its commands are the first to use once the engine is ready.

    python -m tests.helpers.first_use uci     prints a line for every command that uses a new kernel

In a process of its own: there nothing is compiled, or loaded from the cache, but what the engine
did to get ready. A kernel that is loaded is one that an empty cache would have had compiled.
"""

import gc
import sys
from collections.abc import Callable

from numba.core import event
from numba.core.dispatcher import Dispatcher

from tests.helpers import gtp_conversation, uci_conversation

KNIGHTS = "g1f3 g8f6 f3g1 f6g8"
UCI = [
    ["position startpos", "go nodes 50"],
    [f"position startpos moves {KNIGHTS} {KNIGHTS}", "go nodes 50"],  # a draw may be claimed
    [f"position startpos moves {KNIGHTS} g1f3 g8f6 f3g1", "go nodes 300"],  # within the tree
    [f"position startpos moves {KNIGHTS} {KNIGHTS} e2e4", "go nodes 50", "d"],
    ["position startpos moves e2e4", "go nodes 20 searchmoves e7e5 c7c5"],
    ["position fen 6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", "go nodes 50"],  # mate in one
    ["position fen 7k/8/5KQ1/8/8/8/8/8 w - - 98 90", "go nodes 50"],
    ["position fen 7k/8/5KQ1/8/8/8/8/8 w - - 120 90", "go nodes 50", "d"],
    ["position fen 7k/8/5K2/8/8/8/8/8 w - - 0 1", "go nodes 50"],  # nobody can win
    ["position fen 7k/5Q2/5K2/8/8/8/8/8 b - - 0 1", "go nodes 50"],  # stalemate
    ["position fen 7k/6Q1/5K2/8/8/8/8/8 b - - 0 1", "go nodes 50"],  # checkmate
    ["setoption name MultiPV value 5", "setoption name VerboseMoveStats value true"],
    ["position startpos moves e2e4 e7e5", "go nodes 50"],
    ["position startpos moves e2e4 e7e5 g1f3 b8c6", "go nodes 50"],  # the tree is moved on
    ["position startpos moves e2e4 e7e5 0000", "go nodes 20"],
    ["position startpos moves e2e4 e7e5 e1e3", "position fen nonsense", "d"],
    ["position startpos", "go perft 2", "go depth 3", "go mate 1 movetime 100"],
    ["setoption name Level value 3", "go", "setoption name Level value 0"],
    ["setoption name MinibatchSize value 16", "ucinewgame", "isready", "go nodes 300"],
    ["go wtime 3000 btime 3000 winc 10 binc 10"],
    ["go infinite", "stop"],
    ["go ponder wtime 1000 btime 1000", "ponderhit"],
    ["position fen r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1 moves e1g1", "go nodes 20"],
    ["position fen 4k3/P7/8/3pP3/8/8/8/4K3 w - d6 0 1 moves a7a8q", "go nodes 20"],
]
GTP = [
    ["play b e5", "genmove w", "undo", "genmove b", "showboard"],
    ["lz-analyze b 1", "kata-analyze w 1 ownership true"],
    ["clear_board", "fixed_handicap 2", "genmove w"],
    ["play b pass", "play w pass", "final_score", "final_status_list dead", "printsgf"],
    ["komi 0.5", "time_settings 1 0 0", "genmove b"],
]


class KernelWatch(event.Listener):
    """The kernels with their numbers of compiled signatures, and those compiled since."""

    def __init__(self) -> None:
        self.compiled: list[str] = []
        self.before = self.count()
        event.register("numba:compile", self)

    def on_start(self, event: event.Event) -> None:
        self.compiled.append(event.data["dispatcher"].py_func.__qualname__)

    def on_end(self, event: event.Event) -> None: ...

    def count(self) -> dict[int, tuple[str, int]]:
        found = [one for one in gc.get_objects() if issubclass(type(one), Dispatcher)]
        return {id(one): (one.py_func.__qualname__, len(one.overloads)) for one in found}

    def new(self) -> list[str]:
        """Names of kernels that were used since last asked, first or for other arguments."""
        before, self.before = self.before, self.count()
        grown = {
            name
            for number, (name, count) in self.before.items()
            if count > before.get(number, (name, 0))[1]
        }
        compiled, self.compiled = self.compiled, []
        return sorted(grown | set(compiled))


def first_uses(steps: list[list[str]], tell: Callable[[list[str]], object]) -> list[str]:
    """Tell the engine all commands; a line for each group of them that uses a new kernel."""
    watch, lines = KernelWatch(), []
    for commands in steps:
        tell(commands)
        if new := watch.new():
            lines.append(f"{commands}: {', '.join(new)}")
    return lines


def main() -> None:
    if sys.argv[1] == "uci":
        uci = uci_conversation.Conversation()
        uci.ask("isready")
        found = first_uses(UCI, lambda commands: uci.ask(*commands))
        uci.ask("setoption name UCI_Chess960 value true", "isready")
        found += first_uses(
            [["position startpos", "go nodes 20", "d"]], lambda commands: uci.ask(*commands)
        )
    else:
        gtp = gtp_conversation.Conversation()
        gtp("genmove b")
        gtp("lz-analyze b 1", 1)
        gtp("clear_board")
        found = first_uses(GTP, lambda commands: [gtp(command, 1) for command in commands])
    print("\n".join(found))


if __name__ == "__main__":
    main()
