"""Slow tree searches with objects and dictionaries, written from the papers: an oracle for Search.

PUCT is AlphaZero's (Silver et al. 2018), Gumbel is Danihelka et al. 2022 with completed Q-values
and the mixed value of its appendix D, proven results are MCTS-solver (Winands et al. 2008) extended
to draws. What the papers leave open follows the engine: ties go to the lowest action, priors are
kept in 16 bits and root logits in float32, first-play urgency is the parent's value reduced by the
root of the visited prior, and the priors of unvisited actions sum to what the visited ones leave.
Forced playouts and policy target pruning are section 3.2 of Wu 2019.
"""

import math

import numpy as np

from alphazero.config import SearchConfig
from alphazero.game import Game, Position
from alphazero.network.evaluator import Evaluation, Evaluator, Leaves
from tests.helpers.tree_reading import Seen

WIN, DRAW, LOSS = 1, 0, -1


class HashEvaluator(Evaluator):
    """A table without the table: every position has its own arbitrary logits and value, read from a
    hash of its key."""

    name = "hash"
    uses_planes = False
    uses_states = True

    def __init__(self, game: Game, *, spread: float = 2.0, salt: int = 0) -> None:
        self.game, self.spread, self.salt = game, spread, salt

    def evaluate(self, leaves: Leaves) -> Evaluation:
        keys = np.empty(len(leaves.states), np.uint64)
        self.game.key_batch(leaves.states, keys)
        columns = np.arange(self.game.num_actions + 1, dtype=np.uint64) + np.uint64(self.salt)
        words = (keys[:, None] ^ (columns * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(
            0xD6E8FEB86659FD93
        )
        words = (words ^ (words >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        table = (words >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - 1  # [-1, 1)
        return Evaluation.of_value(
            np.float32(self.spread) * table[:, 1:], np.float32(0.9) * table[:, 0]
        )


class HashDraws(HashEvaluator):
    """The same with arbitrary probabilities of a draw."""

    def evaluate(self, leaves: Leaves) -> Evaluation:
        answer = super().evaluate(leaves)
        fewer = answer.wdl[:, 1] * (np.abs(answer.logits[:, 0]) % 1) / 2
        wdl = answer.wdl + np.stack([fewer, -2 * fewer, fewer], axis=1)
        return answer._replace(wdl=wdl)


class Node:
    """A position in the tree; everything is for its player to move."""

    def __init__(self, position: Position, parent: "Node | None") -> None:
        self.position = position
        self.parent = parent
        self.player = position.to_play
        self.priors: dict[int, float] = {}  # of all legal actions; none while unexpanded
        self.logits: dict[int, np.float32] = {}
        self.children: dict[int, Node] = {}  # in the order of their creation
        self.visits = 0
        self.total = 0.0
        self.draws = 0.0
        self.value = 0.0  # the evaluator's, or the game's
        self.draw = 0.0  # the probability of a draw, likewise
        self.proven: int | None = None

    @property
    def q(self) -> float:
        return self.total / self.visits

    def seen_by(self, player: int, value: float) -> float:
        return value if player == self.player else -value


class TextbookSearch:
    """One tree, one simulation at a time."""

    def __init__(
        self,
        evaluator: Evaluator,
        config: SearchConfig,
        position: Position,
        *,
        gumbel: dict[int, float] | None = None,
        noised: dict[int, float] | None = None,
    ) -> None:
        """`gumbel` is the noise of a Gumbel root; `noised` are the priors of a PUCT root under
        noise, of which some playouts are then forced."""
        self.evaluator, self.config, self.game = evaluator, config, position.game
        self.root = Node(position.copy(), None)
        self.gumbel = gumbel or {}
        self.inherited: dict[int, int] = {}
        self.simulations = 0
        self.evaluate(self.root)
        self.root.visits, self.root.total = 1, self.root.value
        self.root.draws = self.root.draw
        self.root.priors = noised or self.root.priors
        self.forcing = config.puct.forced_playouts if noised else 0.0

    def run(self, simulations: int) -> None:
        self.simulations = 0
        self.schedule = considered_visits(
            min(self.config.gumbel.max_num_considered_actions, len(self.root.priors)), simulations
        )
        while self.simulations < simulations and self.root.proven is None:
            self.simulate()
            self.simulations += 1

    def advance(self, action: int) -> None:
        """The subtree behind an action becomes the tree."""
        self.root = self.root.children[action]
        self.root.parent = None
        self.inherited = {a: child.visits for a, child in self.root.children.items()}
        self.root.logits = {a: np.float32(math.log(p)) for a, p in self.root.priors.items()}

    # -- one simulation ----------------------------------------------------------------------------

    def simulate(self) -> None:
        node = self.root
        while node.priors and (node.proven is None or node is self.root):
            action = self.choose(node)
            if action in node.children:
                node = node.children[action]
                continue
            position = node.position.copy()
            position.play(action)
            node.children[action] = Node(position, node)
            node = node.children[action]
            self.evaluate(node)
            break
        self.backup(node)

    def evaluate(self, node: Node) -> None:
        position, game = node.position, self.game
        if position.is_over:
            node.value = position.value_to_move()
            node.draw = 1 - abs(node.value)
            if self.config.solver and node.value in (WIN, DRAW, LOSS):
                node.proven = int(node.value)
            return
        planes = np.zeros((1, *game.planes), np.uint8)
        leaves = Leaves(planes, position.state_array.copy(), np.zeros(1, np.uint64))
        answer = self.evaluator.evaluate(leaves)
        logits = answer.logits
        node.value, node.draw = float(answer.value[0]), float(answer.wdl[0, 1])
        legal = position.legal_actions()
        highest = max(float(logits[0, a]) for a in legal)
        weights = {a: math.exp(float(logits[0, a]) - highest) for a in legal}
        total = sum(weights.values())
        node.priors = {a: in_sixteen_bits(weight / total) for a, weight in weights.items()}
        node.logits = {a: np.float32(math.log(weight / total)) for a, weight in weights.items()}

    def backup(self, leaf: Node) -> None:
        value, draw, player = leaf.value, leaf.draw, leaf.player
        node: Node | None = leaf
        while node is not None:
            if self.config.solver and node.proven is None and node.priors:
                node.proven = solve(node)
            if node.proven is not None:
                value, player = float(node.proven), node.player
                draw = 1 - abs(value)
            node.visits += 1
            node.total += node.seen_by(player, value)
            node.draws += draw
            node = node.parent

    def choose(self, node: Node) -> int:
        if self.config.policy == "puct":
            return self.choose_puct(node)
        if node is self.root:
            return self.choose_halving(node)
        return self.choose_improved(node)

    def action_value(self, node: Node, action: int) -> float:
        """Q of a visited action for the player to move at the node."""
        child = node.children[action]
        if child.proven is not None:
            return child.seen_by(node.player, child.proven)
        return child.seen_by(node.player, child.q)

    def is_losing(self, node: Node, action: int) -> bool:
        child = node.children.get(action)
        return child is not None and child.proven is not None and (
            child.seen_by(node.player, child.proven) == LOSS
        )  # fmt: skip

    def choose_puct(self, node: Node) -> int:
        puct = self.config.puct
        c = puct.c_init + math.log((1 + node.visits + puct.c_base) / puct.c_base)
        reduction = puct.root_fpu_reduction if node is self.root else puct.fpu_reduction
        urgency = node.q - reduction * math.sqrt(sum(node.priors[a] for a in node.children))
        scores = {}
        for action, prior in node.priors.items():
            if self.is_losing(node, action):
                continue
            visits, q = 0, urgency
            if action in node.children:
                visits, q = node.children[action].visits, self.action_value(node, action)
            scores[action] = q + c * math.sqrt(node.visits) * prior / (1 + visits)
            if node is self.root and 0 < visits < self.forced(action):
                scores[action] = math.inf
        return highest(scores)

    def forced(self, action: int) -> float:
        """Playouts that a root action must have, once it has any."""
        playouts = sum(child.visits for child in self.root.children.values())
        return math.sqrt(self.forcing * self.root.priors[action] * playouts)

    def pruned(self, action: int, best: int) -> int:
        """Visits of a root action without as many forced ones as can be taken from it before its
        score reaches that of the best; none where that leaves one."""
        root, puct = self.root, self.config.puct
        c = puct.c_init + math.log((1 + root.visits + puct.c_base) / puct.c_base)

        def score(action: int, visits: int) -> float:
            bonus = c * root.priors[action] * math.sqrt(root.visits) / (1 + visits)
            return self.action_value(root, action) + bonus

        bound = score(best, root.children[best].visits)
        visits = root.children[action].visits
        less = [
            visits - forced
            for forced in range(1, min(visits, int(self.forced(action))) + 1)
            if score(action, visits - forced) < bound
        ]
        if not less:
            return visits
        return min(less) if min(less) > 1 else 0

    # -- Gumbel ------------------------------------------------------------------------------------

    def completed(self, node: Node) -> tuple[dict[int, float], int]:
        """Q of every legal action, the mixed value where unvisited; and the most visits of one."""
        visits = sum(child.visits for child in node.children.values())
        mixed = node.value
        if visits:
            visited = sum(node.priors[a] for a in node.children)
            mean = sum(node.priors[a] * self.action_value(node, a) for a in node.children) / visited
            mixed = (node.value + visits * mean) / (1 + visits)
        most = max((child.visits for child in node.children.values()), default=0)
        values = {
            a: self.action_value(node, a) if a in node.children else mixed for a in node.priors
        }
        return values, most

    def sigma(self, q: float, most: int) -> float:
        gumbel = self.config.gumbel
        return (gumbel.c_visit + most) * gumbel.c_scale * (q + 1) / 2

    def choose_improved(self, node: Node) -> int:
        values, most = self.completed(node)
        top = max(self.sigma(q, most) for q in values.values())
        weights = {
            a: node.priors[a] * math.exp(self.sigma(q, most) - top) for a, q in values.items()
        }
        total = sum(weights[a] for a in node.children)
        unvisited = [a for a in node.priors if a not in node.children]
        if unvisited:
            rest = 1 - sum(node.priors[a] for a in node.children)
            total += max(rest, 0.0) * math.exp(self.sigma(values[unvisited[0]], most) - top)
        visits = sum(child.visits for child in node.children.values())
        scores = {}
        for action, weight in weights.items():
            if not self.is_losing(node, action):
                count = node.children[action].visits if action in node.children else 0
                scores[action] = weight / total - count / (1 + visits)
        return highest(scores)

    def root_scores(self) -> dict[int, float]:
        values, most = self.completed(self.root)
        return {
            a: float(np.float32(self.gumbel.get(a, 0.0)) + self.root.logits[a])
            + self.sigma(values[a], most)
            for a in self.root.priors
        }

    def searched(self, action: int) -> int:
        """Visits of a root action in this search alone."""
        child = self.root.children.get(action)
        return child.visits - self.inherited.get(action, 0) if child else 0

    def choose_halving(self, root: Node) -> int:
        wanted = self.schedule[self.simulations]
        scores = self.root_scores()
        return highest({a: scores[a] for a in root.priors if self.searched(a) == wanted})

    # -- the result --------------------------------------------------------------------------------

    def visits(self) -> list[int]:
        return [
            self.root.children[a].visits if a in self.root.children else 0 for a in self.root.priors
        ]

    def wdl(self) -> list[list[float]]:
        """Win, draw, loss for the player to move: of the root, then of its visited actions in
        ascending order."""
        root = self.root
        rows = []
        for node in [root, *(root.children[a] for a in sorted(root.children))]:
            value, draw = node.total / node.visits, node.draws / node.visits
            if node.proven is not None:
                value, draw = float(node.proven), float(node.proven == DRAW)
            value = node.seen_by(root.player, value)
            rows.append([(1 - draw + value) / 2, draw, (1 - draw - value) / 2])
        return rows

    def best(self) -> int:
        """The most visited action that is not proven lost (a proven win before all others), then
        the one with the highest Q, then the lowest."""
        root = self.root

        def rank(action: int) -> tuple:
            child = root.children[action]
            proven = None if child.proven is None else child.seen_by(root.player, child.proven)
            return {WIN: 1, LOSS: -1}.get(proven, 0), child.visits, self.action_value(root, action)

        return max(root.children, key=lambda action: (*rank(action), -action))

    def policy(self) -> np.ndarray:
        """The training target, of the legal actions in ascending order."""
        root = self.root
        values, most = self.completed(root)
        weights = {}
        top = max(float(root.logits[a]) + self.sigma(values[a], most) for a in root.priors)
        for action in root.priors:
            child = root.children.get(action)
            wins = child is not None and child.proven is not None and (
                child.seen_by(root.player, child.proven) == WIN
            )  # fmt: skip
            if root.proven == WIN and not wins:
                continue
            if root.proven != LOSS and self.is_losing(root, action):
                continue
            weights[action] = float(child.visits if child else 0)
            if self.config.policy == "gumbel":
                logit = float(root.logits[action]) + self.sigma(values[action], most)
                weights[action] = math.exp(logit - top)
            elif self.forcing and child and action != self.best():
                weights[action] = float(self.pruned(action, self.best()))
        if not any(weights.values()):  # all visits went to moves that lose
            weights = {action: math.exp(root.logits[action]) for action in weights}
        policy = np.array([weights.get(action, 0.0) for action in root.priors])
        return policy / policy.sum()


def highest(scores: dict[int, float]) -> int:
    """The action with the highest score; ties go to the lowest action."""
    return min(scores, key=lambda action: (-scores[action], action))


def in_sixteen_bits(probability: float) -> float:
    """As `encode_prior` and `decode_prior` keep it."""
    root = math.floor(math.sqrt(probability) * 65535 + 0.5) * (1 / 65535)
    return root * root


def solve(node: Node) -> int | None:
    """The node's result if its children decide it."""
    results = []
    for action in node.priors:
        child = node.children.get(action)
        proven = child.proven if child is not None else None
        results.append(
            None if child is None or proven is None else child.seen_by(node.player, proven)
        )
    if WIN in results:
        return WIN
    if None in results:
        return None
    return int(max(result for result in results if result is not None))


def considered_visits(considered: int, simulations: int) -> list[int]:
    """Sequential halving, as visits that the action chosen by each simulation must have had."""
    if considered <= 1:
        return list(range(simulations))
    phases = math.ceil(math.log2(considered))
    visits = [0] * considered
    sequence: list[int] = []
    while len(sequence) < simulations:
        for _ in range(max(1, simulations // (phases * considered))):
            sequence += visits[:considered]
            visits[:considered] = [count + 1 for count in visits[:considered]]
        considered = max(2, considered // 2)
    return sequence[:simulations]


def assert_same_tree(root: Seen, node: Node) -> None:
    """Both trees have the same nodes, with the same visits, values, priors and proven results."""
    assert root.visits == node.visits, root.path
    assert abs(root.value_sum - node.total) <= 1e-9 * node.visits, root.path
    assert abs(root.draw_sum - node.draws) <= 1e-9 * node.visits, root.path
    assert root.proven == node.proven, root.path
    assert sorted(root.priors) == sorted(node.priors), root.path
    for action, prior in root.priors.items():
        assert abs(prior - node.priors[action]) < 1e-9, root.path
    assert list(root.children) == list(node.children), root.path
    for action, child in root.children.items():
        assert_same_tree(child, node.children[action])
