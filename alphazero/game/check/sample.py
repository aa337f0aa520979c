"""The sample that checks look at: random games, and positions picked from all of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alphazero.game import Game, Position, State
from alphazero.game.trial import Violation, random_game

SAMPLES = 200  # positions for the checks that look at one position at a time
PROLONGED_GAMES = 3
SYMMETRY_STEPS = 10_000  # moves made in transformed games


@dataclass
class Sample:
    """Whole random games, and positions picked from all of them."""

    game: Game
    rng: np.random.Generator
    games: int
    finished: list[Position]
    positions: list[Position]
    current: Position | None = None  # what is being looked at, should the game's code raise

    def __iter__(self) -> Iterator[Position]:
        """The picked positions, one after the other."""
        for position in self.positions:
            self.current = position
            yield position

    def symmetric_games(self) -> Iterator[tuple[Position, list[Position]]]:
        """Every position of some games, with its images under all symmetries."""
        symmetries = self.game.symmetries
        assert symmetries is not None
        steps = 0
        for finished in self.finished:
            steps += len(symmetries.points) * len(finished.moves)
            if steps > SYMMETRY_STEPS and finished is not self.finished[0]:
                return
            position = self.game.position()
            self.current = position
            images = [self.game.position() for _ in symmetries.points]
            yield position, images
            for action in finished.moves:
                position.play(action)
                for s, image in enumerate(images):
                    moved = int(symmetries.inverse_actions[s, action])
                    if not image.is_legal(moved):
                        problem = (
                            f"symmetry {s} makes {written(image, moved)} of the last move, illegal"
                        )
                        raise Violation(f"{problem} in the transformed game", position)
                    image.play(moved)
                yield position, images


Check = Callable[[Sample], None]


def random_games(sample: Sample) -> None:
    """random games end within max_plies; until then there are legal actions and no value"""
    rng, seen = sample.rng, 0
    for _ in range(sample.games):
        for position in random_game(sample.game, rng):
            sample.current = position
            seen += 1  # reservoir sampling: every position is equally likely to be kept
            if len(sample.positions) < SAMPLES:
                sample.positions.append(position.copy())
            elif (slot := int(rng.integers(seen))) < SAMPLES:
                sample.positions[slot] = position.copy()
        assert sample.current is not None
        sample.finished.append(sample.current)
    sample.positions.extend(sample.finished[: SAMPLES // 4])


def prolonged_games(sample: Sample) -> None:
    """games end within max_plies even if both players avoid the end"""
    rng = np.random.default_rng(0)
    for _ in range(min(PROLONGED_GAMES, sample.games)):
        for position in random_game(sample.game, rng, prolong=True):
            sample.current = position


# -- helpers ---------------------------------------------------------------------------------------


def same_state(game: Game, a: State, b: State) -> bool:
    """Compare two states field by field (the padding between fields may differ)."""
    return all(np.array_equal(a[field], b[field]) for field in game.state.names or ())


class Answers(NamedTuple):
    """The answers of a game's batch kernels about B positions."""

    over: np.ndarray  # uint8 [B]
    values: np.ndarray  # float32 [B]
    legal: np.ndarray  # uint8 [B, A]
    planes: np.ndarray  # uint8 [B, C, H, W]
    globals: np.ndarray  # float32 [B, G]
    keys: np.ndarray  # uint64 [B]


def ask(positions: Sequence[Position]) -> Answers:
    """Ask the rules themselves, in one batch; a `Position` would remember earlier answers."""
    game, count = positions[0].game, len(positions)
    states = np.concatenate([position.state_array for position in positions])
    lengths = np.array([len(position.moves) for position in positions], np.int32)
    earlier = np.zeros((count, max(1, lengths.max())), np.uint64)
    for b, position in enumerate(positions):
        earlier[b, : lengths[b]] = position.keys
    garbage = 255  # the answers must not depend on what the arrays held before
    answers = Answers(
        over=np.full(count, garbage, np.uint8),
        values=np.full(count, garbage, np.float32),
        legal=np.full((count, game.num_actions), garbage, np.uint8),
        planes=np.full((count, *game.planes), garbage, np.uint8),
        globals=np.full((count, game.globals), garbage, np.float32),
        keys=np.full(count, garbage, np.uint64),
    )
    game.outcome_batch(states, earlier, lengths, answers.over, answers.values)
    game.legal_batch(states, earlier, lengths, answers.legal)
    game.observe_batch(states, earlier, lengths, answers.planes, answers.globals)
    game.key_batch(states, answers.keys)
    return answers


def written(position: Position, action: int) -> str:
    return position.game.action_to_str(position.state, action)


def moves_text(position: Position, plies: int | None = None) -> str:
    """The moves that led to a position, as people write them, or as numbers where that fails."""
    replayed, texts = Position(position.game, position.start_state), []
    for action in position.moves[:plies]:
        try:
            texts.append(written(replayed, action))
            replayed.play(action)
        except Exception:  # the report of a failure must not fail itself
            return " ".join(map(str, position.moves[:plies]))
    return " ".join(texts) or "the start"


def board_text(position: Position) -> str:
    try:
        return position.render()
    except Exception as error:
        return f"(render raised {type(error).__name__}: {error})"
