"""Memory layout of search trees: flat arrays, many trees in one allocation, and what moves in them.

    nodes[t]   0 1 2 3 ...      in order of creation: a parent comes before its children
    edges[t]   |0 0 0 0|1 1 1|2 2 2 2 2| ...     one block per expanded node, legal moves only
                ^visited^ ^rest                  the first `num_children` edges of a block have
                                                 children; the next one has the highest prior left
    links[t]   the children behind the visited edges of a node, one block per node with children;
               a block that is full moves to a place twice as large

An unvisited edge matters only through its prior, so selection looks at the visited edges and at the
one best unvisited edge. Visits and values are kept once, in the child node. A node is 64 bytes
besides its state, an edge 4, and the links to a node 16 at most. A *slot* is the number of an edge
in its node's block.
Letters in shapes: T trees, N nodes and E edges allocated per tree, A actions.
"""

from typing import NamedTuple

import numpy as np

from alphazero.game.jit import borrowing

ROOT = 0
NOTHING = -1  # no parent, no child

# Status of a node: NEW ones wait for their evaluation, the evaluator knows KNOWN ones' result.
NEW, EXPANDED, TERMINAL, KNOWN = 0, 1, 2, 3
LOSS, DRAW, WIN, UNKNOWN = -1, 0, 1, 2  # proven result for the player to move

NODE = np.dtype(
    [
        ("value_sum", np.float64),  # of all visits, for the player to move
        ("draw_sum", np.float64),  # of all visits: probabilities of a draw
        ("visits", np.int32),
        ("virtual", np.int32),  # simulations under way through this node
        ("first_edge", np.int64),
        ("first_link", np.int32),
        ("num_edges", np.int16),
        ("num_children", np.int16),
        ("action", np.uint16),  # the parent's that leads here
        ("to_play", np.int8),
        ("status", np.int8),
        ("parent", np.int32),
        ("raw_value", np.float32),  # the evaluator's, or the result of a terminal or known node
        ("proven", np.int8),  # always UNKNOWN without the solver
        ("key", np.uint64),  # the game's key of the position, if the game uses keys
    ],
    align=True,
)
EDGE = np.dtype([("prior", np.uint16), ("action", np.uint16)], align=True)
HEAD = np.dtype(
    [
        ("rng", np.uint64),
        ("num_edges", np.int64),
        ("num_nodes", np.int32),
        ("num_links", np.int32),
        ("budget", np.int32),  # simulations wanted since the search began
        ("started", np.int32),
        ("done", np.int32),
        ("active", np.bool_),
        ("noise", np.bool_),  # the root explores, as in self-play
    ],
    align=True,
)
ROOT_ACTION = np.dtype(
    [
        ("logit", np.float32),  # log of the prior before noise
        ("gumbel", np.float32),  # Gumbel noise
        ("base_visits", np.int32),  # visits when the search began
    ],
    align=True,
)
SETTINGS = np.dtype(  # named as in `SearchConfig`, which explains each
    [
        ("solver", np.bool_),
        ("stop_early", np.bool_),
        ("leaves_per_tree", np.int32),
        ("max_num_considered_actions", np.int32),
        ("virtual_loss", np.float64),
        ("c_init", np.float64),
        ("c_base", np.float64),
        ("fpu_reduction", np.float64),
        ("root_fpu_reduction", np.float64),
        ("dirichlet_total_concentration", np.float64),
        ("dirichlet_noise_weight", np.float64),
        ("forced_playouts", np.float64),
        ("c_visit", np.float64),
        ("c_scale", np.float64),
        ("rave_equivalence", np.float64),
    ],
    align=True,
)


class Trees(NamedTuple):
    """All trees of a search, and its settings."""

    nodes: np.ndarray  # NODE [T, N]
    edges: np.ndarray  # EDGE [T, E]
    links: np.ndarray  # int32 [T, 4 N], nodes
    heads: np.ndarray  # HEAD [T], a tree's size and the progress of its search
    root_actions: np.ndarray  # ROOT_ACTION [T, A]
    schedule: np.ndarray  # int32 [T, budget], sequential halving: visits of the actions considered
    scratch: np.ndarray  # float64 [A]
    # float32 [T, N, 2, A]: simulations in which the player to move at a node made an action there
    # or later, and the sum of their values; [T, 0, 2, A] without RAVE.
    amaf: np.ndarray
    settings: np.ndarray  # SETTINGS [1]


# -- allocation ------------------------------------------------------------------------------------


def room_for_edges(nodes: int, num_actions: int, max_legal: int) -> int:
    """Edges that this many nodes can need, and one row of actions more: `expand` writes past the
    block of a node before it knows how many moves are legal."""
    return nodes * max_legal + num_actions


def room_for_links(nodes: int) -> int:
    """Links that this many nodes can need: n children take blocks of 1, 2, 4 ... in all below
    4n."""
    return 4 * nodes


def allocate(
    trees: int, nodes: int, num_actions: int, max_legal: int, *, amaf: bool = False
) -> Trees:
    """Empty trees. Edges are allocated for the worst case; untouched pages cost no memory."""
    edges = room_for_edges(nodes, num_actions, max_legal)
    return Trees(
        nodes=records((trees, nodes), NODE),
        edges=records((trees, edges), EDGE),
        links=np.zeros((trees, room_for_links(nodes)), np.int32),
        heads=records((trees,), HEAD),
        root_actions=records((trees, num_actions), ROOT_ACTION),
        schedule=np.zeros((trees, 0), np.int32),
        scratch=np.zeros(num_actions, np.float64),
        amaf=np.zeros((trees, nodes if amaf else 0, 2, num_actions), np.float32),
        settings=records((1,), SETTINGS),
    )


def records(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros whose fields are attributes in plain Python too, when kernels are not compiled."""
    return np.zeros(shape, np.dtype((np.record, dtype)))


def grown(array: np.ndarray, columns: int) -> np.ndarray:
    """Copy a [T, n, ...] array into one with more columns, zero where they are new."""
    larger = np.zeros((array.shape[0], columns, *array.shape[2:]), array.dtype)
    larger[:, : array.shape[1]] = array
    return larger


# -- nodes -----------------------------------------------------------------------------------------


@borrowing
def add_root(trees, t, to_play):
    """Empty tree `t` but for a new, unexpanded root."""
    root, head = trees.nodes[t, ROOT], trees.heads[t]
    clear_node(root, NOTHING, 0)
    root.to_play = to_play
    head.num_nodes = 1
    head.num_edges = 0
    head.num_links = 0


@borrowing
def clear_node(node, parent, action):
    """Make a node new: without visits, edges and children."""
    node.value_sum = 0.0
    node.draw_sum = 0.0
    node.visits = 0
    node.virtual = 0
    node.num_edges = 0
    node.num_children = 0
    node.action = action
    node.status = NEW
    node.parent = parent
    node.raw_value = 0.0
    node.proven = UNKNOWN


@borrowing
def add_child(trees, t, parent, slot):
    """Create the child behind an unvisited edge of `parent` and return its index.

    The edge moves to the end of the visited ones; the best of the rest moves up behind it.
    """
    nodes, edges, head = trees.nodes[t], trees.edges[t], trees.heads[t]
    node = nodes[parent]
    place = node.first_edge + node.num_children
    if node.first_edge + slot != place:
        swap_edges(edges, node.first_edge + slot, place)
    bring_best_forward(edges, place + 1, node.first_edge + node.num_edges)
    index = np.int64(head.num_nodes)
    head.num_nodes = index + 1
    clear_node(nodes[index], parent, edges[place].action)
    link_child(trees.links[t], head, node, index)
    return index


@borrowing
def link_child(links, head, node, child):
    """Append a node to another's children."""
    count = np.int64(node.num_children)
    if count & (count - 1) == 0:  # the block is full: its room was 0, 1, 2, 4 ...
        place = np.int64(head.num_links)
        head.num_links = place + max(1, 2 * count)
        for i in range(count):
            links[place + i] = links[node.first_link + i]
        node.first_link = place
    links[node.first_link + count] = child
    node.num_children = count + 1


# -- edges -----------------------------------------------------------------------------------------


@borrowing
def swap_edges(edges, i, j):
    """Exchange two of one tree's edges [E]."""
    one, other = edges[i], edges[j]
    prior, action = one.prior, one.action
    one.prior, one.action = other.prior, other.action
    other.prior, other.action = prior, action


@borrowing
def bring_best_forward(edges, first, end):
    """Move the edge with the highest prior (then the lowest action) of [first, end) to `first`."""
    rest = edges[first:end]
    highest = -1
    for i in range(rest.shape[0]):
        highest = max(highest, precedence(rest[i]))
    for i in range(rest.shape[0]):
        if precedence(rest[i]) == highest:
            swap_edges(rest, 0, i)
            break


@borrowing
def precedence(edge):
    """The rank of an edge among unvisited ones: the higher, the earlier; no two are equal."""
    return 65536 * np.int64(edge.prior) + 65535 - np.int64(edge.action)
