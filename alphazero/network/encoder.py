"""Encoders: how a network sees a position, and which moves its policy means.

A network owns its inputs and outputs. Its `Encoder` names the planes and float inputs, the kernel
that fills them from a state, the scale of the planes, the symmetries they have, and the action of
the game behind every entry of the network's policy. `Encoder.of(game)` is the default, made from
the game's own `observe`; a network trained elsewhere brings another one, for the same game:

    @kernel
    def observe(state, keys, n, planes, values):      # `values` only with globals > 0
        planes[0, 3, 3] = state.board[24] == 1 + state.to_play
        values[0] = state.komi / 20

    encoder = Encoder("katago-v7", planes=(22, 19, 19), globals=19, observe=observe,
                      symmetries=symmetries, action_map=action_map, board_plane=0)

`planes` and `values` are zero when `observe` is called and are filled from the view of the player
to move; `keys[:n]` are the keys of all earlier positions, as in the game's own kernels.

Three places bind an encoder: a step of the search, the replay window and `NetworkEvaluator`. All
three reach the earlier states of a position (the search by the parents of a node, the window by
the rows of a game), so an encoder that needs past boards adds one argument there, the states of
the last K plies, and leaves the game as it is.

Letters in shapes: B positions, A actions, C x H x W planes, G float inputs, N policy entries.
"""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from alphazero.game import Game, Position, Symmetries
from alphazero.game.jit import bind, borrows

NEVER = -1  # in an action map: this entry of the policy is not a move
UNMAPPED_LOGIT = -1e4  # of actions that no entry of the policy means


class Inputs(NamedTuple):
    """The inputs of a network for B positions."""

    planes: np.ndarray  # [B, C, H, W], of the encoder's dtype
    globals: np.ndarray | None  # float32 [B, G]; None if the encoder has none


@dataclass(frozen=True, eq=False)
class Encoder:
    """The inputs of a network for one game, and what its policy means. Compared by identity."""

    name: str
    planes: tuple[int, int, int]  # C, H, W
    observe: Callable[..., Any]  # kernel (state, keys, n, planes), with globals also (…, values)
    symmetries: Symmetries  # of the planes' points and of the game's actions
    globals: int = 0  # float inputs beside the planes
    dtype: type[np.generic] = np.uint8  # of the planes: uint8 or float32
    # int [N]: the game's action that each entry of the network's policy means, or NEVER;
    # None: the policy has an entry for every action of the game, in order.
    action_map: np.ndarray | None = None
    plane_scale: tuple[float, ...] = ()  # what the network multiplies each plane by; (): 1
    board_plane: int | None = None  # the plane that marks points on the board, if some may be off

    def __post_init__(self) -> None:
        """Raises ValueError for inputs that no network could take."""
        if self.dtype not in (np.uint8, np.float32):
            raise ValueError(f"encoder {self.name}: planes are uint8 or float32, not {self.dtype}")
        if len(self.plane_scale) not in (0, self.planes[0]):
            raise ValueError(
                f"encoder {self.name}: {len(self.plane_scale)} scales for {self.planes[0]} planes"
            )
        points = self.planes[1] * self.planes[2]
        if self.symmetries.points.shape[1] != points:
            raise ValueError(
                f"encoder {self.name}: symmetries of {self.symmetries.points.shape[1]} points for"
                f" planes of {points}"
            )

    @staticmethod
    def of(game: Game) -> "Encoder":
        """Return the encoder made from the game's own `observe`, the same for every call."""
        if game not in _DEFAULTS:
            assert game.symmetries is not None, "a game has at least the identity"
            _DEFAULTS[game] = Encoder(
                game.name,
                game.planes,
                game.observe,
                game.symmetries,
                game.globals,
                plane_scale=game.plane_scale,
                board_plane=game.board_plane,
            )
        return _DEFAULTS[game]

    def __deepcopy__(self, memo: Any) -> "Encoder":
        return self  # nothing in it changes; a copied network keeps its encoder

    @cached_property
    def encode(self) -> Callable[..., None]:
        """Kernel (state, keys, n, planes, values) that fills zeroed inputs of one position: planes
        [C, H, W] and float32 values [G], whether or not there are any."""
        template = encode_with_globals if self.globals else encode_planes
        return bind(template, self.name, observe=self.observe)

    @cached_property
    def encode_batch(self) -> Callable[..., None]:
        """Kernel (states, keys, lengths, planes, values): inputs of states [B] with the keys [B, L]
        of earlier positions and their numbers [B] into planes [B, C, H, W], values [B, G]."""
        return bind(encode_batch, self.name, encode=self.encode)

    def empty(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Allocate zeroed planes [rows, C, H, W] and values float32 [rows, G], for the kernels."""
        return np.zeros((rows, *self.planes), self.dtype), np.zeros((rows, self.globals), "f4")

    def inputs(self, planes: np.ndarray, values: np.ndarray) -> Inputs:
        """Make inputs as evaluators take them of arrays that the kernels have filled."""
        return Inputs(planes, values if self.globals else None)

    def inputs_of(self, positions: Sequence[Position]) -> Inputs:
        """Encode some positions, upright. Slow: for front ends, not for a search."""
        planes, values = self.empty(len(positions))
        for row, position in enumerate(positions):
            lengths = np.array([len(position.moves)], np.int32)
            one = slice(row, row + 1)
            self.encode_batch(
                position.state_array, position.keys[None], lengths, planes[one], values[one]
            )
        return self.inputs(planes, values)

    def to_actions(self, logits: np.ndarray, num_actions: int) -> np.ndarray:
        """Convert logits float32 [B, N] of the network's policy to [B, A] of the game's actions."""
        if self.action_map is None:
            return logits
        meant = self.action_map != NEVER
        actions = np.full((len(logits), num_actions), UNMAPPED_LOGIT, np.float32)
        actions[:, self.action_map[meant]] = logits[:, meant]
        return actions


_DEFAULTS: "weakref.WeakKeyDictionary[Game, Encoder]" = weakref.WeakKeyDictionary()


# -- templates -------------------------------------------------------------------------------------


def observe(*arguments: Any) -> None: ...
def encode(state: Any, keys: Any, n: Any, planes: Any, values: Any) -> None: ...


@borrows
def encode_planes(state, keys, n, planes, values):
    """Encode one position for a network without float inputs."""
    observe(state, keys, n, planes)


@borrows
def encode_with_globals(state, keys, n, planes, values):
    """Encode one position for a network with float inputs."""
    observe(state, keys, n, planes, values)


def encode_batch(states, keys, lengths, planes, values):
    """Fill planes [B, C, H, W] and values float32 [B, G] with the inputs of states [B]; keys [B, L]
    and lengths [B] are the keys of earlier positions."""
    for b in range(states.shape[0]):
        planes[b] = 0
        values[b] = 0
        encode(states[b], keys[b], lengths[b], planes[b], values[b])
