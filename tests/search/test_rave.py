"""RAVE: moves that playouts made later count at once, as the textbook says."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alphazero.config import PuctConfig, SearchConfig
from alphazero.errors import UserError
from alphazero.game import Game, Position
from alphazero.game import load as load_anew
from alphazero.network.evaluator import Evaluation, Leaves, UniformEvaluator
from alphazero.search.search import Search
from tests.helpers import toy_games
from tests.helpers.tree_reading import check_tree, read_tree, run_to_the_end
from tests.judges.textbook_mcts import (
    HashEvaluator,
    Node,
    TextbookSearch,
    assert_same_tree,
    highest,
)

load = functools.cache(load_anew)
GAMES = {
    "tic-tac-toe": lambda: load("tic-tac-toe").position(),
    "connect4 4x4": lambda: load("connect4:rows=4,cols=4").position(),
    "double moves": lambda: toy_games.position_of(toy_games.RANDOM, seed=3),
}
games = pytest.mark.parametrize("name", GAMES)


class HashPlayouts(HashEvaluator):
    """Arbitrary logits and values, and an arbitrary playout after every position."""

    traces = True

    def firsts(self, leaves: Leaves) -> np.ndarray:
        """int8 [B, A]"""
        values = super().evaluate(leaves).logits / self.spread
        return np.sign(np.round(1.2 * values)).astype(np.int8)

    def evaluate(self, leaves: Leaves) -> Evaluation:
        return super().evaluate(leaves)._replace(firsts=self.firsts(leaves))


class TextbookRave(TextbookSearch):
    """Keeps the simulations that went through every node, and counts them anew when it chooses."""

    evaluator: HashPlayouts

    def evaluate(self, node: Node) -> None:
        super().evaluate(node)
        self.later: dict[int, int] = {}  # action -> who made it first from here on
        if node.priors:
            planes = np.zeros((1, *self.game.planes), np.uint8)
            leaves = Leaves(planes, node.position.state_array.copy(), np.zeros(1, np.uint64))
            self.later = {
                action: node.player if who == 1 else 1 - node.player
                for action, who in enumerate(self.evaluator.firsts(leaves)[0].tolist())
                if who
            }
        if node is self.root:
            self.log = {}
            self.note(node)

    def simulate(self) -> None:
        self.later = {}
        super().simulate()

    def backup(self, leaf: Node) -> None:
        self.note(leaf)
        super().backup(leaf)

    def note(self, leaf: Node) -> None:
        """Add a simulation to every node of its path, with the value that the leaf was worth."""
        value = leaf.value if leaf.priors == {} or leaf.proven is None else float(leaf.proven)
        later, node = dict(self.later), leaf
        while node is not None:
            worth = value if node.player == leaf.player else -value
            mine = {action for action, who in later.items() if who == node.player}
            self.log.setdefault(id(node), []).append((mine, worth))
            if node.parent is not None:
                (action,) = (a for a, c in node.parent.children.items() if c is node)
                later[action] = node.parent.player
            node = node.parent

    def amaf(self, node: Node, action: int) -> tuple[int, float]:
        """Simulations through a node in which its player made an action later, and their sum."""
        worths = [worth for mine, worth in self.log.get(id(node), []) if action in mine]
        total = np.float32(0)  # as the engine adds them up
        for worth in worths:
            total += np.float32(worth)
        return len(worths), float(total)

    def choose_puct(self, node: Node) -> int:
        puct, scores = self.config.puct, {}
        c = puct.c_init + np.log((1 + node.visits + puct.c_base) / puct.c_base)
        for action, prior in node.priors.items():
            if self.is_losing(node, action):
                continue
            child = node.children.get(action)
            visits = child.visits if child else 0
            q = self.action_value(node, action) if child else node.q
            seen, total = self.amaf(node, action)
            if seen and not (child and child.proven is not None):
                beta = seen / (visits + seen + visits * seen / puct.rave_equivalence)
                q = (1 - beta) * q + beta * total / seen
            scores[action] = q + c * np.sqrt(node.visits) * prior / (1 + visits)
        return highest(scores)


def rave(simulations: int, equivalence: float = 20.0, **settings) -> SearchConfig:
    puct = PuctConfig(c_init=0.7, rave_equivalence=equivalence)
    return SearchConfig(policy="puct", simulations=simulations, puct=puct, **settings)


def searched(position: Position, config: SearchConfig, salt: int = 0) -> Search:
    search = Search(position.game, HashPlayouts(position.game, salt=salt), config)
    search.begin(0, position, seed=1)
    run_to_the_end(search)
    return search


@games
@given(
    simulations=st.sampled_from([1, 3, 20, 90]),
    equivalence=st.sampled_from([1.0, 30.0, 1e6]),
    solver=st.booleans(),
    salt=st.integers(0, 10**6),
)
@settings(max_examples=20)
def test_visit_for_visit_as_the_textbook(
    name: str, simulations: int, equivalence: float, solver: bool, salt: int
) -> None:
    position, config = GAMES[name](), rave(simulations, equivalence, solver=solver)
    search = searched(position, config, salt)
    textbook = TextbookRave(HashPlayouts(position.game, salt=salt), config, position)
    textbook.run(simulations)
    assert_same_tree(read_tree(search), textbook.root)


@games
def test_a_move_of_the_tree_counts_wherever_it_is_made(name: str) -> None:
    """A child's visits are among those of its action's AMAF, and these among the node's."""
    position = GAMES[name]()
    search = searched(position, rave(150, solver=False))
    check_tree(search, position)
    trees = search._trees
    for node in read_tree(search).nodes():
        if not node.priors:
            continue
        seen, sums = trees.amaf[0, node.index]
        assert (np.abs(sums) <= seen + 1e-4).all() and (seen <= node.visits).all()
        for action, child in node.children.items():
            assert seen[action] >= child.visits


def test_a_kept_tree_keeps_its_statistics() -> None:
    position = load("connect4:rows=4,cols=4").position()
    search = searched(position, rave(80))
    before = {node.path: node.index for node in read_tree(search).nodes()}
    amaf = search._trees.amaf[0].copy()
    action = search.result(0).best
    position.play(action)
    search.reroot(0, position, simulations=0)
    run_to_the_end(search)
    for node in read_tree(search).nodes():
        if node.priors:
            old = before[(action, *node.path)]
            assert (search._trees.amaf[0, node.index] == amaf[old]).all()
    search.extend(0, 500)  # more than there is room for: the arrays grow
    run_to_the_end(search)
    check_tree(search, position, fresh=False)


def test_the_same_seed_gives_the_same_tree_and_none_is_left_of_the_last() -> None:
    position = load("connect4:rows=4,cols=4").position()
    search = searched(position, rave(60))
    first = read_tree(search).whole()
    search.begin(0, position, seed=1)
    run_to_the_end(search)
    assert read_tree(search).whole() == first


def test_without_rave_nothing_is_allocated_and_traces_change_nothing() -> None:
    position = load("tic-tac-toe").position()
    config = SearchConfig(policy="puct", simulations=50)
    plain = Search(position.game, HashEvaluator(position.game), config)
    traced = Search(position.game, HashPlayouts(position.game), config)
    for search in (plain, traced):
        search.begin(0, position, seed=1)
        run_to_the_end(search)
        assert search._trees.amaf.size == 0
    assert read_tree(plain).whole() == read_tree(traced).whole()
    search = searched(position, rave(50))
    with_amaf, amaf = search.memory_per_node(), search._trees.amaf
    search._trees = search._trees._replace(amaf=amaf[:, :0])
    assert with_amaf == search.memory_per_node() + 2 * 9 * 4


def test_rave_needs_playouts_and_puct() -> None:
    game: Game = load("tic-tac-toe")
    with pytest.raises(UserError, match=r"rave_equivalence = 20\.0: the uniform evaluator"):
        Search(game, UniformEvaluator(game), rave(10))
    with pytest.raises(UserError, match=r"search\.puct\.rave_equivalence"):
        replace(rave(10), policy="gumbel")
