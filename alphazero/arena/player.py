"""Players: whatever chooses a move in a position, for many games at once."""

from collections.abc import Callable, Sequence

import numpy as np

from alphazero.arena.alphabeta import AlphaBeta
from alphazero.arena.reference import Reference
from alphazero.arena.subprocess_engine import EnginePool
from alphazero.config import SearchConfig
from alphazero.game import Game, Position
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import CachedEvaluator, Evaluator, Leaves
from alphazero.search.search import Search, SearchResult

MOST_TREES = 256  # searched at once: enough to fill a batch

RESIGN = -(2**31)  # instead of an action: the player gives the game up; no mistake looks so

Ask = Callable[[Position], int]  # asks a person for a legal action


class Player:
    """Chooses moves. With equal positions and an equal generator it makes the same choice."""

    name = "player"

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        """An action or RESIGN for every position; none is over, and they are left unchanged."""
        raise NotImplementedError


class RandomPlayer(Player):
    """Plays any legal move."""

    name = "random"

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        return [int(rng.choice(position.legal_actions())) for position in positions]


class HumanPlayer(Player):
    """Asks a person, one position at a time."""

    name = "human"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        return [self._ask(position) for position in positions]


class SearchPlayer(Player):
    """Monte Carlo tree search with any evaluator; all positions are searched in one batch."""

    def __init__(
        self,
        game: Game,
        evaluator: Evaluator,
        config: SearchConfig,
        name: str,
        temperature: float = 0.0,
    ) -> None:
        """At a temperature above 0 a move is drawn from policy ** (1 / temperature)."""
        self.game = game
        self.name = name
        self._evaluator = evaluator
        self._config = config
        self._temperature = temperature
        self._search: Search | None = None

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        seeds = rng.integers(2**63, size=len(positions)).tolist()
        results = self._run(positions, seeds, None)
        return [result.sample(self._temperature, rng) for result in results]

    def look_up(self, reference: Reference) -> None:
        """Search with the reference's tables of endings from now on."""
        self._evaluator, self._search = reference.evaluator(self._evaluator, self.game), None

    def analyse(
        self, position: Position, simulations: int | None = None, seed: int = 0
    ) -> SearchResult:
        """Findings of the search about one position."""
        return self._run([position], [seed], simulations)[0]

    def _run(
        self, positions: Sequence[Position], seeds: Sequence[int], simulations: int | None
    ) -> list[SearchResult]:
        """Search all positions; a tree that is done takes the next one, to keep batches full."""
        wanted = min(len(positions), MOST_TREES)
        if self._search is None or self._search.num_trees < wanted:
            self._search = Search(self.game, self._evaluator, self._config, wanted)
        search = self._search
        if isinstance(search.evaluator, CachedEvaluator):
            search.evaluator.clear()  # the network may have new weights since
        results: dict[int, SearchResult] = {}
        searching: dict[int, int] = {}  # tree -> row of its position
        waiting = iter(range(len(positions)))
        finished = list(range(wanted))  # trees free for a position
        while finished or searching:
            for tree in finished:
                if tree in searching:
                    results[searching.pop(tree)] = search.result(tree)
                row = next(waiting, None)
                if row is not None:
                    searching[tree] = row
                    search.begin(tree, positions[row], seed=seeds[row], simulations=simulations)
            finished = search.step() if searching else []
        return [results[row] for row in range(len(positions))]


class PolicyPlayer(Player):
    """Plays what the network likes at first sight, without search."""

    def __init__(
        self, game: Game, evaluator: Evaluator, name: str, temperature: float = 0.0
    ) -> None:
        """At a temperature above 0 a move is drawn from softmax(logits / temperature)."""
        self.game = game
        self.name = name
        self._evaluator = evaluator
        self._temperature = temperature

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        if not positions:
            return []
        states = np.concatenate([position.state_array for position in positions])
        encoder = self._evaluator.encoder or Encoder.of(self.game)
        planes, values = encoder.inputs_of(positions)
        seeds = rng.integers(2**63, size=len(positions)).astype(np.uint64)
        logits = self._evaluator.evaluate(Leaves(planes, states, seeds, values)).logits.copy()
        legal = np.stack([position.legal_mask() for position in positions])
        logits[legal == 0] = -np.inf
        if self._temperature > 0:  # the largest of Gumbel-perturbed logits is a draw by softmax
            logits = logits / self._temperature + rng.gumbel(size=logits.shape)
        return [int(action) for action in logits.argmax(axis=1)]


class InformedPlayer(Player):
    """Asks another player where neither a book nor tables know the move."""

    def __init__(self, inner: Player, reference: Reference) -> None:
        self.inner, self.name, self._reference = inner, inner.name, reference

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        known: dict[int, int] = {}
        allowed: dict[int, list[int]] = {}  # which moves keep the result, by row
        for row, position in enumerate(positions):
            move = self._reference.move(position, rng)
            if move is not None:
                known[row] = move
                continue
            allowed[row] = self._reference.only(position) or []
            if len(allowed[row]) == 1:
                known[row] = allowed[row][0]
        asked = [row for row in range(len(positions)) if row not in known]
        answers = self.inner.choose([positions[row] for row in asked], rng) if asked else []
        for row, answer in zip(asked, answers, strict=True):
            fits = not allowed[row] or answer in allowed[row]
            known[row] = answer if fits else int(rng.choice(allowed[row]))
        return [known[row] for row in range(len(positions))]


class AlphaBetaPlayer(Player):
    """Brute force to a depth; ties are settled at random."""

    def __init__(
        self, game: Game, depth: int, name: str | None = None, seconds: float | None = None
    ) -> None:
        self.name = name or f"alphabeta:{depth}"
        self._search = AlphaBeta(game)
        self._depth = depth
        self._seconds = seconds

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        seeds = rng.integers(2**63, size=len(positions)).tolist()
        return [
            self._search.search(position, self._depth, seconds=self._seconds, seed=seed).action
            for position, seed in zip(positions, seeds, strict=True)
        ]


class ProgramPlayer(Player):
    """A program that speaks GTP or UCI; it need not repeat its moves."""

    def __init__(self, pool: EnginePool, name: str) -> None:
        self.name = name
        self.pool = pool

    def choose(self, positions: Sequence[Position], rng: np.random.Generator) -> list[int]:
        return [RESIGN if move is None else move for move in self.pool.choose(positions)]
