"""What each of a cluster's workers gets: a share of a GPU, and cores for its threads."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alphazero.cores import cores

Resources = Mapping[str, float]  # of one machine, as Ray counts them: "CPU", "GPU"


class Allotment(NamedTuple):
    """For how many workers, and what each gets. Fractions are Ray's bookkeeping only: it limits
    neither memory nor time."""

    workers: int
    gpus: float  # of each
    cores: int  # of each, for as many threads


def allot(
    machines: Sequence[Resources],
    workers: int,
    asked: float = 0.0,
    *,
    threads: int = 1,
    taken: float = 0.0,
) -> Allotment:
    """As many workers as there are GPUs, each with a whole one, where neither number is given (0);
    where there is no GPU, as many as there are cores for.

    `asked` is the share of a GPU that a worker is to have, `taken` the number of GPUs that are not
    for workers. Each has so many `threads`. 0 threads are one, since workers fill the cores, or
    with a GPU its share of the cores beside it: of the machine that has the fewest of them, so
    that there is room on every one.
    """
    cpus = sum(machine.get("CPU", 0) for machine in machines)
    gpus = sum(machine.get("GPU", 0) for machine in machines) - taken
    if gpus <= 0:
        return Allotment(workers or max(1, int(cpus // (threads or 1))), 0.0, threads or 1)
    if asked:
        workers, share = workers or max(1, int(gpus / asked)), asked
    else:
        workers = workers or max(1, int(gpus))
        share = min(1.0, max(0.01, math.floor(100 * gpus / workers) / 100))
    beside = min(
        machine.get("CPU", 0) / machine["GPU"] for machine in machines if machine.get("GPU")
    )
    return Allotment(workers, share, threads or max(1, int(share * beside)))


def cores_wanted(workers: int, threads: int) -> int:
    """What a Ray of this machine alone is to have for workers (0: as many as there are cores for)
    with threads (0: as many as `allot` says). A person may ask for more than there are."""
    if threads == 1:
        return workers or cores()
    return max(workers * max(threads, 1), cores())
