"""A small seeded run in a process of its own that can kill itself at a chosen moment.

python killed_run.py DIRECTORY [MOMENT COUNT]

A moment is a place in the program where a crash is nasty; the process dies there the COUNT-th time
it comes by, as from kill -9.
"""

import importlib
import io
import os
import signal
import sys
from pathlib import Path

from alphazero.config import Config, load_config

SETTINGS = """
game = "tic-tac-toe"
network.size = "b1c8"
search.simulations = 8
search.nn_cache_size = 64
self_play = {parallel_games = 5, games_per_work_item = 8, opening_plies = 2}
replay = {min_positions = 100, window = 300, holdout = 0.1}
learner = {batch_size = 32, replay_ratio = 3, schedule = "cosine", schedule_steps = 100}
run = {games = 120, publish_every_steps = 7, checkpoint_steps = 9, checkpoint_seconds = 1000}
evaluation = {every_games = 50, games = 2, opponents = ["random"], simulations = 4}
"""

# Moment -> (where a function is, its name, whether to die before or after it has done its work).
MOMENTS = {
    "game file not yet renamed": ("os", "replace", "before"),
    "games stored, not in the index": ("alphazero.data.store", "write_shard", "after"),
    "games stored, not counted": ("alphazero.run.state:TrainingState", "add", "before"),
    "games counted, nothing learned": ("alphazero.run.state:TrainingState", "add", "after"),
    "between two steps": ("alphazero.learning.learner:Learner", "step", "after"),
    "checkpoint half written": ("alphazero.learning.checkpoint", "write_durably", "after"),
    "checkpoint renamed, old ones there": ("alphazero.learning.checkpoint", "prune", "before"),
    "during an evaluation": ("alphazero.run.evaluation:Evaluation", "evaluate", "after"),
}


def settings(directory: Path) -> Config:
    path = directory.with_suffix(".toml")
    if not path.exists():
        path.write_text(SETTINGS)
    return load_config(path)


def die_at(moment: str, count: int) -> None:
    """Have this process kill itself when it comes to a moment for the count-th time."""
    where, name, when = MOMENTS[moment]
    module, _, owner = where.partition(":")
    place = importlib.import_module(module)
    place = getattr(place, owner) if owner else place
    original = getattr(place, name)
    calls = 0

    def deadly(*args, **settings):
        nonlocal calls
        calls += 1
        result = None if calls == count and when == "before" else original(*args, **settings)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, deadly)


def main() -> None:
    directory = Path(sys.argv[1])
    if len(sys.argv) > 3:
        die_at(sys.argv[2], int(sys.argv[3]))
    from alphazero.run.loop import train

    summary = train(settings(directory), directory=directory, stream=io.StringIO())
    assert summary.finished or "stopped" in sys.argv


if __name__ == "__main__":
    main()
