"""What lies where in memory: search trees as flat arrays, many in one allocation.

    nodes[t]   0 1 2 3 ...      in order of creation: a parent comes before its children
    edges[t]   |0 0 0 0|1 1 1|2 2 2 2 2| ...     one block per expanded node, legal moves only
                ^visited^ ^rest                  the first `num_children` edges of a block have
                                                 children; the next one has the highest prior left
    links[t]   the children behind the visited edges of a node, one block per node with children;
               a block that is full moves to a place twice as large

An unvisited edge matters only through its prior, so selection looks at the visited edges and at the
one best unvisited edge. Visits and values are kept once, in the child node. A node is 56 bytes
besides its state, an edge 4, and the links to a node 16 at most.
Letters in shapes: T trees, N nodes and E edges allocated per tree, A actions.
"""

from typing import NamedTuple

import numpy as np

ROOT = 0
NOTHING = -1  # no parent, no child

# Status of a node: NEW ones wait for their evaluation, the evaluator knows KNOWN ones' result.
NEW, EXPANDED, TERMINAL, KNOWN = 0, 1, 2, 3
LOSS, DRAW, WIN, UNKNOWN = -1, 0, 1, 2  # proven result for the player to move

NODE = np.dtype(
    [
        ("value_sum", np.float64),  # of all visits
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
        ("noise", np.bool_),  # whether the root explores
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
RULES = np.dtype(
    [
        ("gumbel", np.bool_),
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
    heads: np.ndarray  # HEAD [T], how large a tree is and how far its search has got
    root_actions: np.ndarray  # ROOT_ACTION [T, A]
    schedule: np.ndarray  # int32 [T, budget], sequential halving: visits of the actions considered
    scratch: np.ndarray  # float64 [A]
    # float32 [T, N, 2, A]: simulations in which the player to move at a node made an action there
    # or later, and the sum of their values; [T, 0, 2, A] without RAVE.
    amaf: np.ndarray
    rules: np.ndarray  # RULES [1], the settings as kernels see them; `SearchConfig` explains each


def room_for_edges(nodes: int, num_actions: int, max_legal: int) -> int:
    """Edges that so many nodes can need, and a row of actions more, of which `expand` is sure."""
    return nodes * max_legal + num_actions


def room_for_links(nodes: int) -> int:
    """Links that so many nodes can need: n children take blocks of 1, 2, 4 ... in all below 4n."""
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
        rules=records((1,), RULES),
    )


def records(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros whose fields are attributes in plain Python too, when kernels are not compiled."""
    return np.zeros(shape, np.dtype((np.record, dtype)))


def grown(array: np.ndarray, columns: int) -> np.ndarray:
    """A copy of a [T, n] array with more, zeroed, columns."""
    larger = np.zeros((array.shape[0], columns, *array.shape[2:]), array.dtype)
    larger[:, : array.shape[1]] = array
    return larger
