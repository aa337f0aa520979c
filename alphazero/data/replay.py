"""The replay window: the newest games, from which training batches are sampled.

A record's moves are replayed once, when it is added. The window then holds states and sparse policy
targets; the game's kernels compute planes and legal masks of the sampled positions only. The size
of the window is a function of the records added so far alone, so a checkpoint stores only their
number.

Shapes: B samples, A actions, C x H x W planes, K earlier positions, N plies.
"""

import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np

from alphazero.config import ReplayConfig
from alphazero.data.record import GameRecord, same_game, start_states
from alphazero.data.replay_kernels import (
    compile_referee,
    gather_keys,
    permute,
    scatter_policies,
)
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.game import Game
from alphazero.game.kernels import target_batch
from alphazero.network.encoder import Encoder


class Batch(NamedTuple):
    """Training samples; every target is from the view of the player to move."""

    planes: np.ndarray  # [B, C, H, W], of the encoder's dtype
    policy: np.ndarray  # float32 [B, A]; a row of zeros: no policy target
    policy_mask: np.ndarray  # float32 [B]: 1 where there is a policy target, else 0
    legal: np.ndarray  # uint8 [B, A]
    wdl: np.ndarray  # float32 [B, 3]: shares of win, draw and loss
    auxiliary: dict[str, np.ndarray]  # float32 [B, *shape], by the target's name
    weight: np.ndarray  # float32 [B]: weight of the sample in the losses
    globals: np.ndarray | None = None  # float32 [B, G]; None: the encoder has none

    def take(self, rows: np.ndarray) -> "Batch":
        """Some of the samples, by index, as copies."""
        return Batch(
            planes=self.planes[rows],
            policy=self.policy[rows],
            policy_mask=self.policy_mask[rows],
            legal=self.legal[rows],
            wdl=self.wdl[rows],
            auxiliary={name: target[rows] for name, target in self.auxiliary.items()},
            weight=self.weight[rows],
            globals=None if self.globals is None else self.globals[rows],
        )


class Replay:
    """A sliding window over the newest games."""

    def __init__(self, game: Game, config: ReplayConfig, encoder: Encoder | None = None) -> None:
        """`encoder` computes the inputs of batches, as the network's does; None: `Encoder.of` the
        game."""
        self.game = game
        self.encoder = encoder or Encoder.of(game)
        self.config = config
        self.games = 0  # added so far
        self.positions = 0  # in these games, held-out ones too
        self.training_positions = 0  # in these games, held-out ones not counted
        self._window: deque[PlayedGame] = deque()  # oldest game first
        self._positions_in_window = 0
        self._draws_in_window = 0.0
        self._splits = {False: Positions(game), True: Positions(game)}  # by held out or not
        self._symmetries = self.encoder.symmetries
        self._inverse_actions = self._symmetries.inverse_actions
        self._targets = {
            item.name: game.bind(target_batch, target=item.target) for item in game.auxiliary
        }

    def __len__(self) -> int:
        """Number of training positions in the window."""
        return len(self._splits[False])

    @property
    def holdout_positions(self) -> int:
        """Number of positions in the window held out for validation."""
        return len(self._splits[True])

    @property
    def is_ready(self) -> bool:
        """True if there are enough positions for learning to start."""
        return self.positions >= self.config.min_positions and len(self) > 0

    def add(self, record: GameRecord) -> None:
        """Add the next game and drop the oldest ones that fall out of the window.

        Raises UserError when the record does not follow the game's rules.
        """
        added = self._append(record)
        self.games += 1
        self.positions += added.positions
        self.training_positions += 0 if added.held_out else added.positions
        wanted = window_size(self.config, self.positions)
        while self._positions_in_window - self._window[0].positions >= wanted:
            self._drop_oldest()

    def state(self) -> dict[str, int]:
        """Return the counters from which `restore` rebuilds this window out of the store."""
        return {
            "games": self.games,
            "positions": self.positions,
            "training_positions": self.training_positions,
        }

    def restore(self, state: dict[str, int], store: Store) -> None:
        """Fill an empty window as it was when `state` was taken, reading only the games it held.

        Raises UserError when games are missing in the store.
        """
        assert self.games == 0, "only an empty window can be restored"
        self.games = state["games"]
        self.positions = state["positions"]
        self.training_positions = state["training_positions"]
        if len(store) < self.games:
            raise UserError(
                f"the checkpoint has seen {self.games} games, "
                f"but {store.directory} holds only {len(store)}"
            )
        # The window only moves forward, so it held the newest games that fill it.
        counts = store.positions[: self.games]
        first, missing = self.games, window_size(self.config, self.positions)
        while first > 0 and missing > 0:
            first -= 1
            missing -= counts[first]
        for record in store.records(first, self.games):
            self._append(record)

    def sample(
        self,
        batch_size: int,
        rng: np.random.Generator,
        *,
        symmetry: bool = True,
        q_ratio: float = 0.0,
        holdout: bool = False,
    ) -> Batch:
        """Sample a batch uniformly, with replacement, each position in a random symmetry.

        `q_ratio` is the share of the search's root value in the value target; `holdout`
        samples the held-out games instead.
        """
        game, positions = self.game, self._splits[holdout]
        assert len(positions) > 0, "the window holds no positions to sample"
        drawn = rng.integers(len(positions), size=batch_size)
        states, rows = positions.states.live[drawn], positions.rows.live[drawn]
        points, actions = self._symmetries
        chosen = np.zeros(batch_size, np.int64)
        if symmetry:
            chosen = rng.integers(len(points), size=batch_size)

        planes, values = self.encoder.empty(batch_size)
        earlier = positions.earlier_keys(rows)
        self.encoder.encode_batch(states, *earlier, planes, values)
        legal = np.zeros((batch_size, game.num_actions), np.uint8)
        game.legal_batch(states, *earlier, legal)
        auxiliary = {}
        for item in game.auxiliary:
            flat = np.zeros((batch_size, math.prod(item.shape)), np.float32)
            self._targets[item.name](states, positions.final_states(rows), flat)
            target = flat.reshape(batch_size, *item.shape)
            on_board = item.shape[-2:] == self.encoder.planes[1:]
            auxiliary[item.name] = transform(target, points, chosen) if on_board else target
        return Batch(
            planes=transform(planes, points, chosen),
            policy=positions.policies(rows, self._inverse_actions, chosen),
            policy_mask=(rows["policy_count"] > 0).astype(np.float32),
            legal=transform(legal, actions, chosen),
            wdl=self._value_targets(rows, q_ratio),
            auxiliary=auxiliary,
            weight=rows["weight"],
            globals=self.encoder.inputs(planes, values).globals,
        )

    def _value_targets(self, rows: np.ndarray, q_ratio: float) -> np.ndarray:
        """Return the results as win, draw and loss [B, 3], mixed with the search's values.

        A search's value v says that win - loss = v, but not how likely a draw is. Here a decided
        game (v = 1 or -1) has none, an even one (v = 0) the share of draws among the window's
        games, and between them it falls in a straight line: right for games without draws.
        """
        targets = win_draw_loss(rows["value"], 1.0)
        if q_ratio > 0:
            draw_share = self._draws_in_window / len(self._window)
            searched = win_draw_loss(np.nan_to_num(rows["root_value"]), draw_share)
            share = q_ratio * np.isfinite(rows["root_value"]).astype(np.float32)
            targets += share[:, None] * (searched - targets)
        return targets

    def _append(self, record: GameRecord) -> "PlayedGame":
        held_out = is_held_out(record.game_id, self.config.holdout)
        played = replay_record(self.game, record, held_out)
        self._splits[held_out].append(played)
        self._positions_in_window += played.positions
        self._draws_in_window += played.draw
        self._window.append(played.without_arrays())
        return played

    def _drop_oldest(self) -> None:
        oldest = self._window.popleft()
        self._splits[oldest.held_out].drop(oldest)
        self._positions_in_window -= oldest.positions
        self._draws_in_window -= oldest.draw


def window_size(config: ReplayConfig, positions: int) -> int:
    """Return the size of the window, in positions, after this many were played.

    KataGo's power law: it grows by `window_expand_per_position` at first, then more slowly.
    """
    start, exponent = config.window, config.window_taper_exponent
    grown = ((max(positions, start) / start) ** exponent - 1) / exponent
    return min(int(start * (1 + config.window_expand_per_position * grown)), config.max_positions)


def is_held_out(game_id: int, share: float) -> bool:
    """Return whether a game is held out for validation: a deterministic hash of its id."""
    x = (game_id + 0x9E3779B97F4A7C15) % 2**64  # Steele et al. 2014, "SplitMix"
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return (x ^ x >> 31) < share * 2**64


def win_draw_loss(values: np.ndarray, draw_share: float) -> np.ndarray:
    """Return win, draw and loss [B, 3] with win - loss = values [B] and `draw_share` draws where a
    value is 0."""
    draws = (1 - np.abs(values)) * np.float32(draw_share)
    return np.stack([(1 - draws + values) / 2, draws, (1 - draws - values) / 2], axis=1)


def transform(arrays: np.ndarray, permutations: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Permute the last dimensions of arrays [B, ...], each by its symmetry chosen [B]."""
    flat = arrays.reshape(len(arrays), -1, permutations.shape[1])
    out = np.empty_like(flat)
    permute(flat, permutations, chosen, out)
    return out.reshape(arrays.shape)


# -- what the window holds -------------------------------------------------------------------------

ROW = np.dtype(
    [
        ("value", np.float32),  # result for the player to move
        ("root_value", np.float32),  # the search's, for the player to move; may be NaN
        ("weight", np.float32),  # weight in the losses
        ("policy_start", np.int64),  # number of the first policy entry
        ("policy_count", np.int32),
        ("key_count", np.int32),  # earlier positions
        ("key_end", np.int64),  # number after that of the last one's key
        ("game", np.int64),  # number of the game within the split
    ]
)


class PlayedGame(NamedTuple):
    """A record with its moves replayed: the arrays that enter the window."""

    held_out: bool
    draw: float  # 1 for a draw, 0 for a decided game
    sizes: tuple[int, int, int]  # positions, policy entries, keys
    states: Any  # positions that were searched [P]
    rows: Any  # ROW [P], numbers counted from this game's first
    policy: Any  # actions, weights
    keys: Any  # uint64, of all positions with a move
    final_state: Any  # [1]

    @property
    def positions(self) -> int:
        """Number of training positions."""
        return self.sizes[0]

    def without_arrays(self) -> "PlayedGame":
        """Return the sizes alone, which suffice to drop the game."""
        return self._replace(states=None, rows=None, policy=None, keys=None, final_state=None)


def replay_record(game: Game, record: GameRecord, held_out: bool = False) -> PlayedGame:
    """Replay a record's moves. Raises UserError when they are not legal in this game."""
    states, keys = play_moves(game, record)
    searched = record.searched
    plies = np.flatnonzero(searched)
    counts = np.diff(record.policy_offsets)
    rows = np.zeros(len(plies), ROW)
    rows["value"] = np.where(states["to_play"][:-1], -record.result, record.result)[searched]
    rows["root_value"] = np.clip(record.root_values[searched], -1, 1)
    rows["weight"] = record.sample_weights[searched]
    rows["policy_start"] = record.policy_offsets[:-1][searched]
    rows["policy_count"] = counts[searched]
    rows["key_count"] = rows["key_end"] = plies if game.uses_keys else 0
    kept_keys = keys[:-1] if game.uses_keys else keys[:0]
    return PlayedGame(
        held_out=held_out,
        draw=1 - abs(record.result),
        sizes=(len(plies), len(record.policy_actions), len(kept_keys)),
        states=states[:-1][searched],
        rows=rows,
        policy=(record.policy_actions, record.policy_weights),
        keys=kept_keys,
        final_state=states[-1:],
    )


def play_moves(game: Game, record: GameRecord) -> tuple[np.ndarray, np.ndarray]:
    """Return the states [N + 1] of a record and their keys uint64 [N + 1], checking every move and
    the result. Raises UserError when the record does not follow the game's rules."""
    problem = f"game {record.game_id} does not follow the rules of {game.spec}"
    if not same_game(record.game, game.spec):
        raise UserError(f"{problem}: the record is of {record.game}")
    actions = np.concatenate([record.moves, record.policy_actions])
    if np.any(actions >= game.num_actions):
        raise UserError(f"{problem}: action {actions.max()} is not below {game.num_actions}")
    n = len(record.moves)
    states, keys = game.empty_states(n + 1), np.zeros(n + 1, np.uint64)
    states[:1] = start_states(record.start, game)
    mask = np.zeros(game.num_actions, np.uint8)
    made, over, value = compile_referee(game)(record.moves.astype(np.int32), states, keys, mask)
    if made < n:
        raise UserError(f"{problem}: the move of ply {made + 1} is illegal")
    first_players = -value if states["to_play"][-1] else value
    if over and abs(first_players - record.result) > 1e-4:
        raise UserError(f"{problem}: the result is {first_players:g}, not {record.result:g}")
    return states, keys


class Positions:
    """The positions of one split (training or held out), with the data of their targets."""

    def __init__(self, game: Game) -> None:
        self.states = Column(game.state)
        self.rows = Column(ROW)
        self.policy_actions, self.policy_weights = Column(np.uint16), Column(np.float32)
        self.keys = Column(np.uint64)
        self.finals = Column(game.state)

    def __len__(self) -> int:
        return len(self.rows.live)

    def append(self, game: PlayedGame) -> None:
        """Add the next game."""
        rows = game.rows.copy()
        rows["policy_start"] += self.policy_actions.end
        rows["key_end"] += self.keys.end
        rows["game"] = self.finals.end
        self.states.append(game.states)
        self.rows.append(rows)
        self.policy_actions.append(game.policy[0])
        self.policy_weights.append(game.policy[1])
        self.keys.append(game.keys)
        self.finals.append(game.final_state)

    def drop(self, game: PlayedGame) -> None:
        """Drop the oldest game, which has these sizes."""
        positions, entries, keys = game.sizes
        self.states.drop(positions)
        self.rows.drop(positions)
        self.policy_actions.drop(entries)
        self.policy_weights.drop(entries)
        self.keys.drop(keys)
        self.finals.drop(1)

    def policies(self, rows: np.ndarray, inverse: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return dense policy targets [B, A] of rows [B] in the symmetries chosen [B]."""
        out = np.zeros((len(rows), inverse.shape[1]), np.float32)
        starts = rows["policy_start"] - self.policy_actions.begin
        actions, weights = self.policy_actions.live, self.policy_weights.live
        counts = rows["policy_count"].copy()
        scatter_policies(starts, counts, actions, weights, inverse, chosen, out)
        return out

    def earlier_keys(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the keys of all earlier positions of some rows [B, K], and their counts [B]."""
        counts = rows["key_count"].copy()
        out = np.zeros((len(rows), max(1, counts.max())), np.uint64)
        gather_keys(self.keys.live, rows["key_end"] - self.keys.begin, counts, out)
        return out, counts

    def final_states(self, rows: np.ndarray) -> np.ndarray:
        """Return the last states of the games that some rows belong to."""
        return self.finals.live[rows["game"] - self.finals.begin]


class Column:
    """An array that grows at the end and shrinks at the front; rows keep their numbers."""

    def __init__(self, dtype: Any) -> None:
        self._array = np.zeros(0, dtype)
        self._offset = 0  # number of the array's first row
        self.begin = 0  # number of the first row that is kept
        self.end = 0  # number after the last one

    @property
    def live(self) -> np.ndarray:
        """View of the rows that are kept."""
        return self._array[self.begin - self._offset : self.end - self._offset]

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end."""
        if self.end - self._offset + len(rows) > len(self._array):
            self._make_room(len(rows))
        at = self.end - self._offset
        self._array[at : at + len(rows)] = rows
        self.end += len(rows)

    def drop(self, count: int) -> None:
        """Remove rows from the front."""
        self.begin += count
        assert self.begin <= self.end, "more rows dropped than exist"

    def _make_room(self, count: int) -> None:
        """Move the live rows to the front of an array half as large again, so that a row is copied
        a constant number of times, amortised."""
        kept = self.live
        array = np.zeros((len(kept) + count) * 3 // 2 + 1, self._array.dtype)
        array[: len(kept)] = kept
        self._array, self._offset = array, self.begin
