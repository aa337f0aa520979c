"""A conversation, and the kernels that its commands are the first to use once the engine is ready.

    python -m tests.helpers.first_use uci              prints a line for every command that uses a
    python -m tests.helpers.first_use "gtp connect4"   kernel for the first time

In a process of its own: there nothing is compiled, or loaded from the cache, but what the engine
did to get ready. A kernel that is loaded is one that an empty cache would have had compiled.
"""

import contextlib
import gc
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core import event
from numba.core.dispatcher import Dispatcher

from alphazero.cli import play
from alphazero.engine import warm_up
from alphazero.engine.options import EngineOptions
from alphazero.protocols.kata_analysis.server import AnalysisServer
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
GTP = [  # of every game
    ["showboard", "genmove b", "genmove w", "undo", "undo", "reg_genmove b", "showboard"],
    ["lz-analyze b 1", "analyze 1"],
    ["gogui-rules_legal_moves", "gogui-rules_final_result", "all_legal b", "alphazero-policy"],
    ["alphazero-value", "alphazero-search", "heatmap", "kata-raw-nn 0", "gomill-explain_last_move"],
    ["clear_board", "time_settings 1 0 0", "genmove b", "play b nonsense", "clear_board"],
]
SGF = "(;GM[1]SZ[{size}]KM[0.5]RU[Chinese]HA[2]AB[cc][gg];W[gc];B[cg];W[ee])"
GO = [
    ["play b e5", "genmove w", "undo", "undo", "play b a1", "play w a1", "play w pass"],
    ["kata-analyze w 1 ownership true pvVisits true", "kata-genmove_analyze b 1"],
    ["kata-analyze b 1 avoid b d4,e4 3", "kata-analyze b 1 allow b d4,e4 1", "kata-search b"],
    ["clear_board", "fixed_handicap 2", "genmove w", "clear_board", "place_free_handicap 3"],
    ["clear_board", "set_free_handicap d4 e5", "genmove w"],
    [
        "kata-get-rules",
        "kata-set-rules tromp-taylor",
        "kgs-rules japanese",
        "kata-set-rule ko SIMPLE",
    ],
    ["clear_board", "genmove b", "kata-set-rules chinese", "komi 0.5", "genmove w"],
    # A white group in the corner, dead or alive by who moves first: judged by a search.
    ["clear_board", "set_position w a1 w b1 w c1 w d2 w c2 b e1 b e2 b d3 b c3 b b3 b a3 w b2"],
    ["final_score", "final_status_list dead", "final_status_list seki", "alphazero-ownership"],
    ["play b pass", "play w pass", "final_score", "final_status_list alive", "printsgf"],
    ["loadsgf {sgf}", "final_score", "genmove b", "printsgf", "kgs-genmove_cleanup b"],
]
ANALYSIS = [
    {"maxVisits": 20},
    {"maxVisits": 20, "includeOwnership": True, "includePolicy": True, "includePVVisits": True},
    {"maxVisits": 20, "includeMovesOwnership": True, "includeOwnershipStdev": True},
    {"maxVisits": 20, "analyzeTurns": [0, 1, 2], "reportDuringSearchEvery": 0.01},
    {"maxVisits": 20, "rules": "tromp-taylor", "komi": 0.5},
    {"maxVisits": 20, "rules": "japanese", "komi": 6.5, "whiteHandicapBonus": "N"},
    {"maxVisits": 20, "initialStones": [["B", "D4"], ["B", "F6"]], "initialPlayer": "W"},
    {"maxVisits": 20, "avoidMoves": [{"player": "B", "moves": ["C3"], "untilDepth": 3}]},
    {"maxVisits": 20, "allowMoves": [{"player": "B", "moves": ["C3", "C4"], "untilDepth": 1}]},
    {"maxVisits": 20, "moves": [["B", "pass"], ["W", "pass"]]},
]
TERMINAL = {  # lines that a person enters
    "tic-tac-toe": "hint,a1,undo,redo,level 2,a2,c3,b3,level 10,eval,flip,legal,swap,new,c3,resign",
    "connect4": "hint,d,undo,redo,level 1,c,level 10,e,eval,legal,swap,new,d,draw,save,quit",
    "go:size=9": "hint,e5,c3,undo,redo,score,level 2,g7,eval,pass,pass,d5,agree,score,new,quit",
    "chess": "hint,e4,undo,redo,Nf3,Ke5,level 3,Nc3,level 10,fen,eval,legal,draw,swap,resign,new",
}


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


def uci() -> list[str]:
    """Chess and Chess960, ready after `isready`."""
    talk = uci_conversation.Conversation()
    talk.ask("isready")
    found = first_uses(UCI, lambda commands: talk.ask(*commands))
    talk.ask("setoption name UCI_Chess960 value true", "isready")
    shuffled = [["position startpos", "go nodes 20", "d", "go nodes 20 searchmoves e2e4"]]
    return found + first_uses(shuffled, lambda commands: talk.ask(*commands))


def gtp(game: str) -> list[str]:
    """A game, ready after a move and an analysis."""
    talk = gtp_conversation.Conversation(game)
    talk("genmove b")
    talk("lz-analyze b 1", 1)
    talk("clear_board")
    steps = list(GTP)
    if game.startswith("go"):
        sgf = Path(tempfile.mkdtemp()) / "game.sgf"
        sgf.write_text(SGF.format(size=9 if "size=9" in game else 19))
        steps += [[command.format(sgf=sgf) for command in commands] for commands in GO]
    return first_uses(steps, lambda commands: [talk(command, 1) for command in commands])


def analysis() -> list[str]:
    """Go, ready after the first answer."""
    answers: list[dict] = []
    server = AnalysisServer(EngineOptions("go:size=9"), answers.append, lambda text: None)
    basis = {"moves": [["B", "C7"], ["W", "G3"]], "boardXSize": 9, "boardYSize": 9}
    basis |= {"rules": "chinese", "komi": 7.5}

    def ask(fields: dict) -> None:
        query = {"id": str(len(answers)), **basis, **fields}
        server.receive(json.dumps(query).encode() + b"\n")
        server._preparing.submit(lambda: None).result()
        while server.host.is_busy:
            time.sleep(0.01)

    ask({"maxVisits": 20})
    watch, lines = KernelWatch(), []
    for fields in ANALYSIS:
        ask(fields)
        if new := watch.new():
            lines.append(f"{fields}: {', '.join(new)}")
    return lines


def terminal(game: str) -> list[str]:
    """A game in the terminal, ready once its engine is."""
    ready, watches = warm_up.ready, []

    def watched(*arguments: Any) -> Any:
        engine = ready(*arguments)
        watches.append(KernelWatch())
        return engine

    warm_up.ready = watched
    sys.stdin = io.StringIO(TERMINAL[game].replace(",", "\n"))
    with contextlib.redirect_stdout(sys.stderr):
        play.main(["--game", game, "--simulations", "20"])
    new = watches[0].new()
    return [f"{game}: {', '.join(new)}"] if new else []


def main() -> None:
    name, _, game = sys.argv[1].partition(" ")
    found = {"uci": uci, "gtp": gtp, "analysis": analysis, "terminal": terminal}[name]
    print("\n".join(found(game) if game else found()))


if __name__ == "__main__":
    main()
