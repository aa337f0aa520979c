"""A search tree read out of its arrays, for tests that look inside: compare, check, print."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from alphazero.game import Position
from alphazero.search.layout import EXPANDED, NEW, ROOT, TERMINAL, UNKNOWN, Trees
from alphazero.search.search import Search


@dataclass
class Seen:
    """One node, with the names of `NODE`, and its edges by action in the order they lie in."""

    path: tuple[int, ...]
    index: int
    visits: int
    virtual: int
    value_sum: float
    draw_sum: float
    raw_value: float
    status: int
    proven: int | None
    to_play: int
    state: tuple
    priors: dict[int, float]
    children: dict[int, "Seen"] = field(default_factory=dict)

    @property
    def q(self) -> float:
        return self.value_sum / self.visits

    def nodes(self) -> Iterator["Seen"]:
        yield self
        for child in self.children.values():
            yield from child.nodes()

    def subtree(self, action: int) -> list[tuple]:
        """All that must survive a move: everything but indices."""
        return [
            (node.path[1:], *node.facts(), node.priors, list(node.children))
            for node in self.children[action].nodes()
        ]

    def whole(self) -> list[tuple]:
        return [
            (node.path, *node.facts(), node.priors, list(node.children)) for node in self.nodes()
        ]

    def facts(self) -> tuple:
        return (
            self.visits,
            self.value_sum,
            self.draw_sum,
            self.raw_value,
            self.status,
            self.proven,
            self.state,
        )


def run_to_the_end(search: Search) -> None:
    """`search.run()`, but a search that would never end is a failure and not a wait."""
    for _ in range(20_000):
        search.step()
        if not search._trees.heads["active"].any():
            return
    raise AssertionError("the search does not end")


def read_tree(search: Search, tree: int = 0) -> Seen:
    """The whole tree of a search."""
    trees = search._trees
    seen: dict[int, Seen] = {}
    for index in range(int(trees.heads[tree]["num_nodes"])):
        node = trees.nodes[tree, index]
        first, count = int(node.first_edge), int(node.num_edges)
        edges = trees.edges[tree, first : first + count] if node.status == EXPANDED else []
        path: tuple[int, ...] = ()
        if index != ROOT:
            assert 0 <= node.parent < index, "a parent comes before its children"
            path = (*seen[int(node.parent)].path, int(node.action))
        seen[index] = Seen(
            path=path,
            index=index,
            visits=int(node.visits),
            virtual=int(node.virtual),
            value_sum=float(node.value_sum),
            draw_sum=float(node.draw_sum),
            raw_value=float(node.raw_value),
            status=int(node.status),
            proven=None if node.proven == UNKNOWN else int(node.proven),
            to_play=int(node.to_play),
            state=plain(search._states[tree, index]),
            priors={int(edge.action): (int(edge.prior) / 65535) ** 2 for edge in edges},
        )
        if index != ROOT:
            seen[int(node.parent)].children[int(node.action)] = seen[index]
    for node in seen.values():
        children = [child.index for child in node.children.values()]
        assert children == linked(trees, tree, node.index), "in order of their creation"
        assert list(node.children) == list(node.priors)[: len(children)], "visited edges come first"
    return seen[ROOT]


def linked(trees: Trees, tree: int, parent: int) -> list[int]:
    """A node's children in the order of their links."""
    node = trees.nodes[tree, parent]
    links = trees.links[tree, node.first_link :][: node.num_children]
    return links.tolist()


def plain(state: np.record) -> tuple:
    """A state as a tuple of Python values, comparable without its padding."""
    return tuple(np.asarray(state[name]).tolist() for name in state.dtype.names)


def check_tree(search: Search, position: Position, tree: int = 0, *, fresh: bool = True) -> Seen:
    """All invariants of a tree at rest; `position` is the root's, `fresh` that no move was made in
    the tree since its first search."""
    root = read_tree(search, tree)
    assert root.state == plain(position.state)
    for node in root.nodes():
        here = position.copy()
        for action in node.path:
            here.play(action)
        assert node.state == plain(here.state)
        assert node.to_play == here.to_play
        assert node.virtual == 0, "no simulation is under way"
        assert node.visits >= 1 and node.draw_sum > -1e-3
        assert abs(node.value_sum) + node.draw_sum <= node.visits * (1 + 1e-5), "|Q| + draws <= 1"
        assert abs(node.raw_value) <= 1
        assert node.status != NEW
        if here.is_over:
            assert node.status == TERMINAL and not node.priors
            assert node.raw_value == here.value_to_move()
            continue
        assert node.status == EXPANDED
        check_edges(node, here)
        passed_on = sum(child.visits for child in node.children.values())
        if node.proven is None or (fresh and not node.path):
            # One visit is the node's own evaluation; each other went on to a child.
            assert node.visits == 1 + passed_on
        else:
            # Simulations end at a node whose result is proven.
            assert node.visits >= 1 + passed_on
    return root


def check_edges(node: Seen, here: Position) -> None:
    """A node's edges are its legal moves, once each, in the order that selection relies on."""
    assert sorted(node.priors) == here.legal_actions()
    # Rounding to 16 bits shifts a root of a prior by half a step at most, twice under noise.
    slack = 2 * sum(prior**0.5 for prior in node.priors.values()) / 65535 + 1e-6
    assert abs(sum(node.priors.values()) - 1) <= slack
    rest = list(node.priors)[len(node.children) :]
    if rest:
        assert rest[0] == min(rest, key=lambda action: (-node.priors[action], action))


def draw_tree(root: Seen, names: dict[int, str]) -> str:
    """A tree for people: one line per node, its unvisited moves and their priors behind the bar."""
    lines = []
    for node in root.nodes():
        name = names[node.path[-1]] if node.path else "root"
        result = {None: "", -1: "  lost", 0: "  drawn", 1: "  won"}[node.proven]
        rest = [f"{names[a]} {p:.3f}" for a, p in node.priors.items() if a not in node.children]
        lines.append(
            f"{'  ' * len(node.path)}{name:4} visits {node.visits:3}  q {node.q:+.4f}"
            f"  value {node.raw_value:+.4f}{result}" + (f"  | {' '.join(rest)}" if rest else "")
        )
    return "\n".join(lines) + "\n"
