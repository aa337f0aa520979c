"""What each of a cluster's workers gets: a share of a GPU, and cores for its threads."""

import math
from typing import NamedTuple


class Allotment(NamedTuple):
    """For how many workers, and what each gets. Fractions are Ray's bookkeeping only: it limits
    neither memory nor time."""

    workers: int
    gpus: float  # of each
    cores: int  # of each, for as many threads


def allot(
    workers: int,
    cpus: float,
    gpus: float,
    asked: float = 0.0,
    *,
    threads: int = 1,
    cpus_per_gpu: float = 0.0,
) -> Allotment:
    """As many workers as there are GPUs, each with a whole one, where neither number is given (0);
    where there is no GPU, as many as there are cores for.

    `asked` is the share of a GPU that a worker is to have, `threads` how many. 0 threads are one,
    since workers fill the cores, or with a GPU its share of the cores beside it: `cpus_per_gpu`,
    of the machine that has the fewest, so that every machine has room.
    """
    if gpus <= 0:
        return Allotment(workers or max(1, int(cpus // (threads or 1))), 0.0, threads or 1)
    if asked:
        workers, share = workers or max(1, int(gpus / asked)), asked
    else:
        workers = workers or max(1, int(gpus))
        share = min(1.0, max(0.01, math.floor(100 * gpus / workers) / 100))
    return Allotment(workers, share, threads or max(1, int(share * cpus_per_gpu)))
