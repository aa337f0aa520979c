"""The engine's options: one record, made once by a front end and handed down whole.

Imports nothing heavy: front ends answer before a game or a network is loaded.
"""

from dataclasses import dataclass
from typing import NamedTuple

from alphazero.errors import UserError

NETWORK_SIMULATIONS = 800  # AlphaZero's; a fraction of a second for the package's networks
ROLLOUT_SIMULATIONS = 4000
TITLES = {"go": "Go", "chess": "chess", "connect4": "Connect Four", "tictactoe": "tic-tac-toe"}


@dataclass(frozen=True)
class EngineOptions:
    """Which game, which network on which device, and how much to search. None: not given."""

    game: str = "go"  # as `alphazero.game.load` takes it
    network: str | None = None  # a path; None: the package's own, or none
    simulations: int | None = None
    seconds: float | None = None  # per move
    level: int | None = None  # 1 to 10
    seed: int = 0
    device: str = "auto"
    threads: int = 1  # of the network on a processor
    cache: int = 0  # bytes for remembered evaluations


class SearchOptions(NamedTuple):
    """Parameters of the search that people change; None: the engine's default."""

    c_puct: float | None = None
    fpu_reduction: float | None = None  # first-play urgency: how much worse a new move is taken for
    leaves: int | None = None  # positions evaluated at once
    memory: int | None = None  # bytes of a tree, after which it grows no more


def require_game(spec: str, wanted: str, what: str) -> None:
    """Raise UserError if `spec` names a game of the package other than `wanted`.

    `what` is named in the message as being for that game alone. Nothing is loaded: an unknown
    name may be the right game, and is checked once it is.
    """
    name = spec.partition(":")[0].replace("-", "").replace("_", "").lower()
    if name in TITLES and name != wanted:
        raise UserError(f"{what} is for {TITLES[wanted]}, not for {TITLES[name]}")
