"""How often a network's raw policy finds a mate in one: a measure of what it has learned of chess.

    python tests/judges/mates_in_one.py runs/chess-small      a line for every checkpoint of a run

The 500 positions come from random games, so they are no network's training games; in each of them
some moves mate and most do not.
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from alphazero.arena.players import Player, make_player
from alphazero.game import Game, Position, load
from alphazero.learning.checkpoint import checkpoints

POSITIONS = 500


class Mate(NamedTuple):
    """A position, and the moves that mate in it."""

    position: Position
    mates: frozenset[int]


def find_mates(game: Game, count: int, seed: int = 0) -> list[Mate]:
    """Positions of random games in which the player to move can mate, one of each game."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < count:
        position = game.position()
        while not position.is_over:
            mates = mating_moves(position)
            if mates:
                found.append(Mate(position, mates))
                break
            position.play(int(rng.choice(position.legal_actions())))
    return found


def mating_moves(position: Position) -> frozenset[int]:
    """The legal moves that win at once."""
    state, actions = position.state_array, np.array(position.legal_actions(), np.int32)
    states = np.repeat(state, len(actions))
    position.game.play_batch(states, actions)
    keys = np.repeat(np.append(position.keys, np.uint64(position.key))[None], len(actions), axis=0)
    lengths = np.full(len(actions), keys.shape[1], np.int32)
    over, values = np.zeros(len(actions), np.uint8), np.zeros(len(actions), np.float32)
    position.game.outcome_batch(states, keys, lengths, over, values)
    return frozenset(actions[(over != 0) & (values == -1)].tolist())


def share_found(player: Player, mates: list[Mate]) -> float:
    """In how many of the positions a player chooses a move that mates."""
    chosen = player.choose([mate.position for mate in mates], np.random.default_rng(0))
    return float(np.mean([move in mate.mates for move, mate in zip(chosen, mates, strict=True)]))


def main(run: Path) -> None:
    import tomllib

    game = load(tomllib.loads((run / "config.toml").read_text())["game"])
    mates = find_mates(game, POSITIONS)
    chance = np.mean([len(mate.mates) / len(mate.position.legal_actions()) for mate in mates])
    print(f"by chance {chance:.1%}")
    for path in checkpoints(run / "checkpoints"):
        player = make_player(f"policy:{path}", game)
        print(f"{path.name} {share_found(player, mates):.1%}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
