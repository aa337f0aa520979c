"""The division of a search: pipelines that take turns at the evaluator, sections for threads.

    trees        | section 0 | section 1 | section 2 |    of one pipeline
    their rows   | 0 1 2 3   | 4 5       | 6 7 8     |    each section fills its own part of a batch
    the batch    | 0 1 2 3 8   4 5 7 6 |                  the last rows have moved into the gaps

Kernels run without the GIL. A section's thread writes its own trees, leaves and rows only, so that
no two threads ever write to one place, and none reads what another may be writing.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np

from alphazero.game import Game
from alphazero.game.jit import borrowing
from alphazero.network.encoder import Encoder
from alphazero.network.evaluator import Evaluation, Leaves
from alphazero.search.layout import NOTHING, Trees
from alphazero.search.simulate import Batch, allocate_batch

T = TypeVar("T")


class Pool:
    """Threads, the calling one among them; the others end when the pool is dropped."""

    def __init__(self, threads: int) -> None:
        assert threads >= 1
        self._others = ThreadPoolExecutor(threads - 1, "search") if threads > 1 else None

    def each(self, work: Callable[[T], None], parts: Sequence[T]) -> None:
        """Work on all parts, at least one, of which the first is the calling thread's.

        Returns once none is under way any more; raises the exception of the first part that failed.
        """
        if self._others is None or len(parts) == 1:
            for part in parts:
                work(part)
            return
        futures = [self._others.submit(work, part) for part in parts[1:]]
        try:
            work(parts[0])
        finally:
            errors = [future.exception() for future in futures]  # waits for each
        for error in filter(None, errors):
            raise error


class Section:
    """Consecutive trees of a pipeline, searched by one thread, and their part of its batch."""

    def __init__(self, trees: range, first_row: int, batch: Batch, scratch: np.ndarray | None):
        self.first, self.end = trees.start, trees.stop
        self.batch = batch
        self.leaves = 0
        self.first_row = self.end_row = first_row
        self.finished = np.zeros(len(trees) + 1, np.int32)  # their number, then trees
        self._scratch = scratch
        self._trees: Trees | None = None

    def with_scratch(self, trees: Trees) -> Trees:
        """The same trees with the scratch of this section's own."""
        if self._scratch is None:
            return trees
        if self._trees is not trees:  # else they have not grown since the last step
            self._trees, self._own = trees, trees._replace(scratch=self._scratch)
        return self._own


class Pipeline:
    """A range of trees with its own batch of leaves, at most one of them at the evaluator."""

    def __init__(
        self, game: Game, encoder: Encoder, trees: range, leaves_per_tree: int, threads: int
    ) -> None:
        self.first, self.end = trees.start, trees.stop
        room = len(trees) * leaves_per_tree
        batch = allocate_batch(room, game.num_actions, encoder)
        self.planes, self.globals, self.seeds = batch.planes, batch.globals, batch.seeds
        self.states = game.empty_states(room)
        self.rows = 0  # of them that the evaluator is asked about
        self.wait: Callable[[], Evaluation] | None = None
        self.sections: list[Section] = []
        for part in divide(trees, threads):
            first, end = ((t - self.first) * leaves_per_tree for t in (part.start, part.stop))
            own = batch._replace(
                leaves=batch.leaves[first:end],
                legal=batch.legal[first:end],
                upright=np.zeros_like(batch.upright),
            )
            scratch = np.zeros(game.num_actions) if threads > 1 else None
            self.sections.append(Section(part, first, own, scratch))
        self._leaves = batch.leaves
        # As bytes, for a kernel that knows no game.
        self._planes = batch.planes.reshape(room, -1).view(np.uint8)
        self._globals = batch.globals.view(np.uint8)
        self._states = self.states.view(np.uint8).reshape(room, -1)

    def close_gaps(self) -> int:
        """Make one block of the rows that the sections have filled; returns their number."""
        if len(self.sections) == 1:
            self.rows = self.sections[0].end_row
        else:
            parts = [(part.first_row, part.leaves, part.end_row) for part in self.sections]
            table = np.array(parts, np.int32)
            self.rows = close_gaps(
                self._leaves, table, self._planes, self._globals, self._states, self.seeds
            )
        return self.rows

    def leaves(self) -> Iterator[np.ndarray]:
        """The leaves of the last step, LEAF [L] of one section after the other."""
        return (section.batch.leaves[: section.leaves] for section in self.sections)

    def asked(self, extra: tuple[str, ...] = ()) -> Leaves:
        """The rows of the batch, as the evaluator takes them; `extra` is to be predicted too."""
        values = self.globals[: self.rows] if self.globals.shape[1] else None
        rows = slice(self.rows)
        return Leaves(self.planes[rows], self.states[rows], self.seeds[rows], values, extra)

    def finished(self) -> list[int]:
        """The trees that have finished in the last step, in ascending order."""
        trees = []
        for section in self.sections:
            trees += section.finished[1 : 1 + section.finished[0]].tolist()
        return trees


def divide(trees: range, parts: int) -> Iterator[range]:
    """Split a range into `parts` of nearly the same length; fewer if there are not enough trees."""
    edges = np.linspace(trees.start, trees.stop, parts + 1).astype(int).tolist()
    return (range(first, end) for first, end in pairwise(edges) if end > first)


@borrowing
def close_gaps(leaves, parts, planes, values, states, seeds):
    """Make the rows of a batch that several threads have filled one block: the last rows move to
    where there are none.

    parts int32 [P, 3] says of each thread's part of the batch which leaf and row it begins with,
    how many leaves it has and after which row it ends. leaves LEAF [L] are those of all parts;
    planes [R, bytes], values [R, bytes], states [R, bytes], seeds [R] are by row. Returns the
    number of rows.
    """
    rows = 0
    for p in range(parts.shape[0]):
        rows += parts[p, 2] - parts[p, 0]
    hole, place = 0, parts[0, 2]
    for p in range(parts.shape[0] - 1, -1, -1):
        for leaf in range(parts[p, 0] + parts[p, 1] - 1, parts[p, 0] - 1, -1):
            row = np.int64(leaves[leaf].row)
            if row == NOTHING:
                continue
            if row < rows:  # as are all before it
                return rows
            while place == parts[hole + 1, 0]:
                hole += 1
                place = parts[hole, 2]
            for i in range(planes.shape[1]):
                planes[place, i] = planes[row, i]
            for i in range(values.shape[1]):
                values[place, i] = values[row, i]
            for i in range(states.shape[1]):
                states[place, i] = states[row, i]
            seeds[place] = seeds[row]
            leaves[leaf].row = place
            place += 1
    return rows
