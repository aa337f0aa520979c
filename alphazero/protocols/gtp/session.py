"""One GTP conversation: its game, its engine, and the reply to the command under way."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import alphazero
from alphazero.engine.clock import LONGEST_MOVE
from alphazero.engine.host import EngineHost, SearchHandle
from alphazero.engine.limits import SearchLimits, SearchRequest
from alphazero.engine.options import EngineOptions
from alphazero.engine.resignation import Resignation
from alphazero.errors import RequestError, UserError
from alphazero.network.find import WITHOUT_NETWORK, has_pretrained
from alphazero.protocols.gtp.codec import body, header

if TYPE_CHECKING:
    from alphazero.engine.analysis import Analysis
    from alphazero.engine.engine import Engine
    from alphazero.game import Position
    from alphazero.protocols.game_state import GameState

NAME = "AlphaZero"
GO = "go"  # the game that the protocol is named after


@dataclass(frozen=True)
class GtpOptions:
    """The engine, and how it presents itself."""

    engine: EngineOptions = field(default_factory=EngineOptions)
    name: str = NAME
    version: str = alphazero.__version__
    may_resign: bool = True


class Reply:
    """The response to one command, which may be written line by line while the command runs."""

    def __init__(self, number: str, write: Callable[[bytes], None]) -> None:
        """`number` is the command's id; `write` sends bytes, all at once."""
        self.id, self.write = number, write
        self.handle: SearchHandle[Any] = SearchHandle()  # stopping it asks for the response now
        self.has_begun = False
        self.followed = threading.Event()  # set once another line, or the end of input, has come
        self._ends_when_followed = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Write the first line of a response whose other lines follow one by one."""
        self.has_begun = True
        self.write(header(self.id))

    def line(self, text: str) -> None:
        """Write one or more of these lines."""
        self.write(body(text))

    def end_when_followed(self) -> None:
        """Stop the command as soon as another line comes, as an analysis does."""
        with self._lock:
            self._ends_when_followed = True
            if self.followed.is_set():
                self.handle.stop()

    def follow(self) -> None:
        """Tell the command that another line, or the end of input, has come."""
        with self._lock:
            self.followed.set()
            if self._ends_when_followed:
                self.handle.stop()


@dataclass
class LastSearch:
    """The search of the engine's last move."""

    position: "Position"
    analysis: "Analysis"


class Session:
    """The state that commands read and change.

    Game and engine are loaded in the background, once the conversation pauses or a command needs
    them; until then nothing large is imported.
    """

    def __init__(self, options: GtpOptions, report: Callable[[str], None]) -> None:
        """`report` gets messages for people, one line at a time."""
        self.options, self.report = options, report
        self.may_resign = options.may_resign
        self.host = EngineHost(options.engine, report, self.prepare)
        self.resignation = Resignation()
        self.last_decision: LastSearch | str | None = None  # the engine's: by a search, or why
        self.reply = Reply("", lambda data: None)  # to the command under way
        self._state: GameState | None = None
        self._problem = ""  # why there is no game
        self._loader: threading.Thread | None = None

    # -- the game ----------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Begin to load game and engine in the background."""
        if self._loader is None:
            self._loader = threading.Thread(target=self._load, daemon=True)
            self._loader.start()

    @property
    def state(self) -> "GameState":
        """The game, once it is loaded. Raises RequestError if it cannot be."""
        if self._state is None:
            self.prepare()
            assert self._loader is not None
            self._loader.join()
            if self._state is None:
                raise RequestError(self._problem)
        return self._state

    def _load(self) -> None:
        try:
            from alphazero.formats.rulesets import search_remark
            from alphazero.protocols.game_state import GameState

            game = self.host.game(self.options.engine.game)
            self._state = GameState(game, self.host.variant)
            if remark := search_remark(self._state.rules):
                self.report(remark)
            self.host.prepare(game)
        except UserError as error:
            self._problem = " ".join(str(error).split())
            self.report(self._problem)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._problem = f"internal error: {type(error).__name__}: {error}"

    @property
    def is_go(self) -> bool:
        """True for Go. Only a game of another name has to be loaded to tell."""
        name = self.options.engine.game.partition(":")[0]
        return name.lower() == GO or self.state.is_go

    @property
    def removes_dead(self) -> bool:
        """True under rules by which dead stones are taken off at the end of a game."""
        return self.state.rules.terms.removes_dead

    @property
    def has_network(self) -> bool:
        """True if a network tells score and ownership, as all networks for Go do."""
        network = self.options.engine.network or "pretrained"
        return has_pretrained(GO) if network == "pretrained" else network not in WITHOUT_NETWORK

    def begin_game(self) -> None:
        """Forget what belongs to the game before, and make the engine for the board there is."""
        self.last_decision = None
        self.resignation.reset()
        self.host.prepare(self.state.game)

    # -- the engine --------------------------------------------------------------------------------

    @property
    def engine(self) -> "Engine":
        """The engine for the board, once it is ready. Raises UserError."""
        return self.host.engine(self.state.game)

    def search(
        self, request: SearchRequest, on_info: "Callable[[Analysis], None] | None" = None
    ) -> "Analysis":
        """Search until the limits are reached or the command is stopped."""
        return self.host.search(request, self.reply.handle, on_info)

    def move_limits(self, player: int) -> SearchLimits:
        """Find the limits of the player's next move: the engine's own, and the player's clock."""
        limits = self.engine.limits()
        seconds = self.state.seconds_for_move(player)
        if seconds is None:
            return limits
        seconds = min(seconds, LONGEST_MOVE if limits.seconds is None else limits.seconds)
        options = self.host.options
        if options.simulations is None and options.level is None:
            limits = limits._replace(simulations=None)  # the default for games without clocks
        return limits._replace(seconds=seconds, settle=1.0, on_clock=True)

    def spend_time(self, player: int) -> None:
        """Take the time since the command came from the player's clock."""
        self.state.spend(player, time.perf_counter() - self.reply.handle.started)
