"""The tree's arrays and what changes them, one function at a time; and whole trees as pictures."""

import functools
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.config import SearchConfig
from alphazero.game import load
from alphazero.game.game import MAX_ACTIONS, MAX_LEGAL
from alphazero.network.evaluator import UniformEvaluator
from alphazero.search.layout import (
    DRAW,
    EDGE,
    EXPANDED,
    LOSS,
    NODE,
    NOTHING,
    ROOT,
    UNKNOWN,
    WIN,
    Trees,
    add_child,
    add_root,
    allocate,
    bring_best_forward,
    grown,
    records,
)
from alphazero.search.root import keep_subtree
from alphazero.search.search import Search
from alphazero.search.simulate import backup, expand, exponential
from alphazero.search.solver import prove
from alphazero.search.stats import decode_prior, encode_prior, value_for
from tests.helpers import toy_games
from tests.helpers.tree_reading import draw_tree, linked, read_tree
from tests.judges.textbook_mcts import HashEvaluator

GOLDEN = Path(__file__).parents[1] / "golden"
ACTIONS = 4
IDENTITY = np.arange(ACTIONS, dtype=np.int32)


def forest(trees: int = 1, nodes: int = 30) -> Trees:
    """Room for small trees, filled with rubbish that building a tree must overwrite."""
    made = allocate(trees, nodes, ACTIONS, ACTIONS)
    for array in made[:-2]:
        array.view(np.uint8)[...] = 7
    return made


def grow(trees: Trees, index: int, priors: list[float], t: int = 0, value: float = 0.0) -> None:
    """Expand a node with these priors, 0 meaning illegal."""
    mask = np.array([prior > 0 for prior in priors], np.uint8)
    with np.errstate(divide="ignore"):
        logits = np.log(np.array(priors)).astype(np.float32)
    expand(trees, t, index, logits, mask, IDENTITY, value)


def edges(trees: Trees, index: int, t: int = 0) -> list[int]:
    """A node's actions in the order of their edges."""
    node = trees.nodes[t, index]
    first = int(node.first_edge)
    return trees.edges["action"][t, first : first + int(node.num_edges)].tolist()


def sizes(trees: Trees) -> tuple[int, int]:
    """Nodes and edges of the first tree."""
    return int(trees.heads[0].num_nodes), int(trees.heads[0].num_edges)


def child(trees: Trees, parent: int, action: int, *, to_play: int, t: int = 0) -> int:
    index = int(add_child(trees, t, parent, edges(trees, parent, t).index(action)))
    trees.nodes[t, index].to_play = to_play
    return index


# -- priors ----------------------------------------------------------------------------------------


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_prior_survives_sixteen_bits(prior: float, other: float) -> None:
    kept = float(decode_prior(encode_prior(prior)))
    assert abs(kept**0.5 - prior**0.5) <= 0.5 / 65535 + 1e-12
    if prior > 1e-6:
        assert abs(kept / prior - 1) < 0.02
    if prior > 0.01:
        assert abs(kept / prior - 1) < 2e-4
    assert (encode_prior(prior) <= encode_prior(other)) or prior >= other


def test_every_code_of_a_prior_is_its_own() -> None:
    codes = np.arange(65536, dtype=np.uint16)
    assert [int(encode_prior(decode_prior(code))) for code in codes[::97]] == codes[::97].tolist()
    assert (encode_prior(0.0), encode_prior(1.0), decode_prior(np.uint16(65535))) == (0, 65535, 1.0)


@given(st.floats(-60, 0))
def test_the_exponential_of_what_is_not_positive(x: float) -> None:
    assert abs(exponential(x) - math.exp(x)) <= max(1e-12 * math.exp(x), 2e-22)


def test_the_exponential_at_its_ends() -> None:
    assert exponential(0.0) == 1.0
    assert exponential(-3e38) < 1e-21 and exponential(-np.inf) < 1e-21
    assert math.isnan(exponential(math.nan)), "so that bad logits are noticed"


def test_sizes_in_memory() -> None:
    assert EDGE.itemsize == 4
    assert NODE.itemsize == 64


def test_the_picture_in_the_map_shows_the_arrays() -> None:
    """`alphazero/README.md`, how a search step works: names of arrays, and of fields in boxes."""
    text = (Path(__file__).parents[2] / "alphazero" / "README.md").read_text()
    drawing = text.partition("## How a search step works")[2].split("```")[1].splitlines()
    arrays = re.findall(r"(\w+) \[(.+?)\]", drawing[1])
    assert arrays == [("nodes", "T, N"), ("edges", "T, E"), ("links", "T, 4 N")]
    assert {name for name, _ in arrays} <= set(Trees._fields)
    boxes = re.split(r"│ {2,}│", drawing[3])
    nodes, edges, links = (re.findall(r"\w+", box) for box in boxes)
    assert edges == list(EDGE.names or ()) and links == ["child"]
    assert set(nodes) <= set(NODE.names or ())


def test_the_widest_games_fit_the_fields() -> None:
    """The limits that `Game` checks are within the integer types of the arrays."""
    assert NODE["action"].kind == EDGE["action"].kind == "u"
    assert np.iinfo(NODE["action"]).max >= MAX_ACTIONS - 1
    assert np.iinfo(EDGE["action"]).max >= MAX_ACTIONS - 1
    assert np.iinfo(NODE["num_edges"]).max >= MAX_LEGAL
    assert np.iinfo(NODE["num_children"]).max >= MAX_LEGAL


# -- building --------------------------------------------------------------------------------------


def test_a_root_begins_with_nothing() -> None:
    trees = forest()
    add_root(trees, 0, 1)
    root = trees.nodes[0, ROOT]
    assert (root.visits, root.virtual, root.value_sum, root.parent) == (0, 0, 0.0, NOTHING)
    assert (root.num_edges, root.num_children, root.to_play, root.proven) == (0, 0, 1, UNKNOWN)
    assert sizes(trees) == (1, 0)


def test_expanding_lists_legal_moves_with_the_softmax_of_their_logits() -> None:
    trees = forest()
    add_root(trees, 0, 0)
    logits = np.array([1.0, 50.0, 3.0, 2.0], np.float32)
    mask = np.array([1, 0, 1, 1], np.uint8)
    expand(trees, 0, ROOT, logits, mask, IDENTITY, 0.25)
    root = trees.nodes[0, ROOT]
    assert (root.status, root.num_edges, root.num_children) == (EXPANDED, 3, 0)
    assert root.raw_value == 0.25 and root.visits == 0
    assert edges(trees, ROOT)[0] == 2, "the best comes first"
    assert sorted(edges(trees, ROOT)) == [0, 2, 3]
    weights = np.exp([1.0, 3.0, 2.0])
    expected = dict(zip([0, 2, 3], weights / weights.sum(), strict=True))
    for edge in trees.edges[0, :3]:
        assert abs(decode_prior(edge.prior) - expected[int(edge.action)]) < 2e-5
        logit = trees.root_actions[0, edge.action].logit
        assert abs(np.exp(logit) - expected[int(edge.action)]) < 1e-6
    assert sizes(trees) == (1, 3)


def test_logits_under_a_symmetry_are_read_through_its_inverse() -> None:
    """policy'[a] = policy[actions[a]], so action a lies where the inverse says."""
    actions = np.array([2, 0, 3, 1], np.int32)
    policy = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    trees = forest()
    add_root(trees, 0, 0)
    inverse = np.argsort(actions).astype(np.int32)
    expand(trees, 0, ROOT, policy[actions], np.ones(4, np.uint8), inverse, 0.0)
    for edge in trees.edges[0, :4]:
        assert abs(decode_prior(edge.prior) - [0.1, 0.2, 0.3, 0.4][edge.action]) < 2e-5


def test_huge_logits_do_not_overflow() -> None:
    trees = forest()
    add_root(trees, 0, 0)
    logits = np.array([3e38, -3e38, 3e38, 0], np.float32)
    expand(trees, 0, ROOT, logits, np.ones(4, np.uint8), IDENTITY, 0.0)
    priors = {int(edge.action): decode_prior(edge.prior) for edge in trees.edges[0, :4]}
    assert abs(priors[0] - 0.5) < 1e-4 and abs(priors[2] - 0.5) < 1e-4
    assert priors[1] == priors[3] == 0


def test_children_come_first_and_the_best_of_the_rest_behind_them() -> None:
    trees = forest()
    add_root(trees, 0, 0)
    grow(trees, ROOT, [0.1, 0.4, 0.2, 0.3])
    assert edges(trees, ROOT)[0] == 1
    assert child(trees, ROOT, 0, to_play=1) == 1  # not the best: the halving may pick any
    assert edges(trees, ROOT)[:2] == [0, 1]
    assert child(trees, ROOT, 1, to_play=1) == 2
    assert edges(trees, ROOT)[:3] == [0, 1, 3]
    assert child(trees, ROOT, 3, to_play=1) == 3
    assert child(trees, ROOT, 2, to_play=1) == 4
    root = trees.nodes[0, ROOT]
    assert root.num_children == 4
    assert linked(trees, 0, ROOT) == [1, 2, 3, 4]
    for index, action in enumerate([0, 1, 3, 2], 1):
        node = trees.nodes[0, index]
        assert (node.parent, node.action, node.visits, node.virtual) == (ROOT, action, 0, 0)
        assert (node.value_sum, node.num_edges, node.proven) == (0.0, 0, UNKNOWN)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, unique_by=lambda e: e[1])
)
def test_the_highest_prior_then_the_lowest_action_comes_forward(pairs: list) -> None:
    block = records((len(pairs) + 2,), EDGE)
    for i, (prior, action) in enumerate(pairs):
        block[i + 1] = (prior, action)
    before = block.copy()
    bring_best_forward(block, 1, len(pairs) + 1)
    best = max(pairs, key=lambda pair: (pair[0], -pair[1]))
    assert tuple(block[1]) == best
    assert sorted(block.tolist()) == sorted(before.tolist())
    assert block[0] == before[0] and block[-1] == before[-1]


def test_more_columns_keep_what_there_was() -> None:
    array = np.arange(6).reshape(2, 3)
    larger = grown(array, 5)
    assert larger.tolist() == [[0, 1, 2, 0, 0], [3, 4, 5, 0, 0]]


# -- backing up ------------------------------------------------------------------------------------


def line(*players: int) -> Trees:
    """A line of single moves through these players' turns, each visited once with value 0."""
    trees = forest()
    add_root(trees, 0, players[0])
    grow(trees, ROOT, [0.5, 0.5, 0, 0])
    for depth, player in enumerate(players[1:]):
        index = child(trees, depth, edges(trees, depth)[0], to_play=player)
        grow(trees, index, [0.5, 0.5, 0, 0])
    trees.nodes["virtual"][0, : len(players)] = 1
    return trees


def test_a_value_changes_sign_with_the_player_to_move() -> None:
    trees = line(0, 1, 1, 0)
    backup(trees, 0, 3, 0.25, 0.75)
    assert trees.nodes["value_sum"][0, :4].tolist() == [0.25, -0.25, -0.25, 0.25]
    assert trees.nodes["draw_sum"][0, :4].tolist() == [0.75] * 4, "a draw is one for both"
    assert trees.nodes["visits"][0, :4].tolist() == [1, 1, 1, 1]
    assert trees.nodes["virtual"][0, :4].tolist() == [0, 0, 0, 0]
    trees.nodes["virtual"][0, :2] = 1
    backup(trees, 0, 1, 1.0, 0.0)
    assert trees.nodes["value_sum"][0, :4].tolist() == [-0.75, 0.75, -0.25, 0.25]
    assert trees.nodes["visits"][0, :4].tolist() == [2, 2, 1, 1]
    assert trees.nodes["proven"][0, :4].tolist() == [UNKNOWN] * 4


@pytest.mark.parametrize("player", [0, 1])
@pytest.mark.parametrize("to_play", [0, 1])
def test_value_for(player: int, to_play: int) -> None:
    trees = forest()
    add_root(trees, 0, to_play)
    assert value_for(player, trees.nodes[0, ROOT], 0.5) == (0.5 if player == to_play else -0.5)


def test_a_proven_win_is_passed_up_as_far_as_it_decides() -> None:
    """The player to move at node 3 has lost, so node 2 is won by who may move there; node 1 is lost
    only once its other move is proven too."""
    trees = line(0, 1, 0, 1)
    trees.nodes[0, 3].proven = LOSS
    backup(trees, 0, 3, -1.0, 0.0)
    assert trees.nodes["proven"][0, :4].tolist() == [UNKNOWN, UNKNOWN, WIN, LOSS]
    other = child(trees, 1, edges(trees, 1)[1], to_play=0)
    trees.nodes[0, other].proven = WIN
    trees.nodes["virtual"][0, [0, 1, other]] = 1
    backup(trees, 0, other, 1.0, 0.0)
    assert trees.nodes["proven"][0, :3].tolist() == [WIN, LOSS, WIN]


def test_from_a_proven_node_on_its_result_is_backed_up_and_not_the_leafs_value() -> None:
    """The leaf is a draw, but with it every move of its parent is proven, and one of them wins."""
    trees = line(0, 1, 0)
    _, second = edges(trees, 1)
    won = trees.nodes[0, 2]
    won.proven = LOSS  # for player 0, to move there: player 1 wins by it
    drawn = child(trees, 1, second, to_play=0)
    trees.nodes[0, drawn].proven = DRAW
    trees.nodes["virtual"][0, [0, 1, drawn]] = 1
    before = trees.nodes["value_sum"][0].copy()
    backup(trees, 0, drawn, 0.0, 1.0)
    assert trees.nodes[0, 1].proven == WIN
    added = trees.nodes["value_sum"][0] - before
    assert added[[0, 1, drawn]].tolist() == [-1.0, 1.0, 0.0]
    assert trees.nodes["draw_sum"][0, [0, 1, drawn]].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("results", "players", "expected"),
    [
        ([WIN, None], [0, 1], WIN),  # the same player moves again and wins: one is enough
        ([LOSS, None], [1, 1], WIN),
        ([WIN, WIN], [1, 1], LOSS),
        ([WIN, LOSS], [1, 0], LOSS),  # both lose, one by the opponent's win, one by an own loss
        ([WIN, None], [1, 1], UNKNOWN),
        ([DRAW, WIN], [1, 1], DRAW),
        ([DRAW, None], [1, 1], UNKNOWN),
        ([DRAW, DRAW], [1, 0], DRAW),
        ([DRAW, LOSS], [0, 1], WIN),
    ],
)
def test_what_children_prove(results: list, players: list[int], expected: int) -> None:
    trees = forest()
    add_root(trees, 0, 0)
    grow(trees, ROOT, [0.5, 0.5, 0, 0])
    for action, (result, player) in enumerate(zip(results, players, strict=True)):
        index = child(trees, ROOT, action, to_play=player)
        trees.nodes[0, index].proven = UNKNOWN if result is None else result
    prove(trees.nodes[0], trees.links[0], ROOT)
    assert trees.nodes[0, ROOT].proven == expected


def test_a_move_without_a_child_proves_nothing() -> None:
    trees = forest()
    add_root(trees, 0, 0)
    grow(trees, ROOT, [0.5, 0.5, 0, 0])
    trees.nodes[0, child(trees, ROOT, 0, to_play=1)].proven = WIN
    prove(trees.nodes[0], trees.links[0], ROOT)
    assert trees.nodes[0, ROOT].proven == UNKNOWN


# -- making the move in the tree -------------------------------------------------------------------


def test_only_the_subtree_stays_and_moves_to_the_front() -> None:
    """
    0 -- 1 -- 3 -- 5        0 -- 1 -- 3
      \\    \\                  \\
       2    4 -- 7      =>      2 -- 4       after the move to 1; 2 and 6 are gone
        \\
         6
    """
    trees = forest(trees=2)
    for t in (0, 1):  # the neighbour must stay as it is
        add_root(trees, t, 0)
        grow(trees, 0, [0.4, 0.3, 0.2, 0.1], t)
        family = [(0, 0), (0, 1), (1, 3), (1, 2), (3, 0), (2, 1), (4, 1)]
        for index, (parent, action) in enumerate(family, 1):
            assert child(trees, parent, action, to_play=index % 2, t=t) == index
            grow(trees, index, [0.1, 0.2, 0.3, 0.4], t, value=index / 10)
            trees.nodes[t, index].visits = index
    neighbour = trees.nodes[1].copy(), trees.edges[1].copy()
    kept, scratch = np.zeros((2, 30), np.int32)
    assert keep_subtree(trees, 0, 1, kept, scratch) == 5
    assert kept[:5].tolist() == [1, 3, 4, 5, 7]
    assert sizes(trees) == (5, 20)
    nodes = trees.nodes[0, :5]
    assert nodes["visits"].tolist() == [1, 3, 4, 5, 7]
    assert nodes["parent"].tolist() == [NOTHING, 0, 0, 1, 2]
    assert nodes["raw_value"].tolist() == [np.float32(x / 10) for x in (1, 3, 4, 5, 7)]
    assert nodes["first_edge"].tolist() == [0, 4, 8, 12, 16]
    assert [linked(trees, 0, index) for index in range(5)] == [[1, 2], [3], [4], [], []]
    assert edges(trees, 0)[:2] == [3, 2]
    assert edges(trees, 1)[0] == 0
    assert edges(trees, 2)[0] == 1
    assert (trees.nodes[1] == neighbour[0]).all() and (trees.edges[1] == neighbour[1]).all()


def test_the_last_node_can_become_the_root() -> None:
    trees = line(0, 1, 0)
    kept, scratch = np.zeros((2, 30), np.int32)
    assert keep_subtree(trees, 0, 2, kept, scratch) == 1
    assert kept[0] == 2
    root = trees.nodes[0, ROOT]
    assert (root.parent, root.first_edge, root.num_edges) == (NOTHING, 0, 2)


# -- golden trees ----------------------------------------------------------------------------------


def tic_tac_toe(moves: str = "") -> tuple:
    position = load("tic-tac-toe").position()
    for move in moves.split():
        position.play(move)
    return position, {a: position.text(a) for a in range(9)}


def connect_four() -> tuple:
    position = load("connect4:rows=4,cols=5").position()
    for move in ("c", "c"):
        position.play(move)
    return position, {a: position.text(a) for a in range(5)}


def repetition() -> tuple:
    return toy_games.position_of(toy_games.RING, length=6), {a: f"+{a + 1}" for a in range(3)}


PICTURES = {
    "puct": (tic_tac_toe, 30, SearchConfig(policy="puct")),
    "gumbel": (tic_tac_toe, 30, SearchConfig(policy="gumbel")),
    "solved": (functools.partial(tic_tac_toe, "a3 b2 c1 b3 b1"), 60, SearchConfig(policy="puct")),
    "batch": (connect_four, 30, SearchConfig(policy="puct", leaves_per_tree=4)),
    "repetition": (repetition, 30, SearchConfig(policy="gumbel")),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_tree_is_as_it_was(name: str, regen_golden: bool) -> None:
    make, simulations, config = PICTURES[name]
    position, names = make()
    search = Search(position.game, HashEvaluator(position.game), config)
    search.begin(0, position, seed=1, simulations=simulations)
    search.run()
    result = search.result(0)
    title = f"{position.game.title}, {config.policy}, {simulations} simulations"
    best = " ".join(names[a] for a in result.pv)
    text = f"{title}\n\n{draw_tree(read_tree(search), names)}\nexpects {best}\n"
    file = GOLDEN / f"tree_{name}.txt"
    if regen_golden:
        file.write_text(text)
    assert file.read_text() == text, f"{file.name} differs; if meant: pytest --regen-golden"


def test_a_tree_that_is_begun_again_remembers_nothing() -> None:
    """Arrays are not cleared between games."""
    game = load("tic-tac-toe")
    search = Search(game, UniformEvaluator(game), SearchConfig(policy="puct", simulations=100))
    position, _ = tic_tac_toe("a3 b3")
    search.begin(0, position, seed=1)
    search.run()
    for _ in range(2):
        search.begin(0, game.position(), seed=1)
        search.run()
    fresh = Search(game, UniformEvaluator(game), SearchConfig(policy="puct", simulations=100))
    fresh.begin(0, game.position(), seed=1)
    fresh.run()
    assert read_tree(search).whole() == read_tree(fresh).whole()
