"""A learner that plays nothing and two contributors on one folder, killed again and again.

python share_killer.py DIRECTORY KILLS SEED

A start costs seconds of imports, so this process imports and compiles once, and every start is a
fork of it. Meanwhile it looks at the folder as anybody may: which games were in files, and which of
these files have gone, which acknowledges their games. Some learners die by themselves right after
games have gone to the disk, before they are acknowledged. Now and then a file that holds no games
is put among the others, or one that has been there before. Prints counts as JSON.
"""

import contextlib
import importlib
import io
import json
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from alphazero.config import Config, load_config
from alphazero.data.record import unpack_shard
from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.run import contribute, loop
from alphazero.run.interrupt import Interrupt
from alphazero.selfplay.workers import shared_folder
from alphazero.selfplay.workers.factory import warm_up
from alphazero.selfplay.workers.shared_folder import SharedFolder

SETTINGS = """
game = "tic-tac-toe"
network.size = "b1c8"
search.simulations = 4
self_play = {parallel_games = 4, games_per_work_item = 8}
replay = {min_positions = 100, window = 1000}
learner = {batch_size = 32, replay_ratio = 1}
evaluation = {every_games = 0}
run = {workers = "none", publish_every_steps = 3, checkpoint_seconds = 2, report_seconds = 1}
"""
PATIENCE = 900.0  # seconds, on a machine however busy


class Crowd:
    """The processes, and what was seen of the folder."""

    def __init__(self, folder: Path, seed: int) -> None:
        path = folder / "settings.toml"
        path.write_text(SETTINGS)
        self.run = folder / "run"
        self.share = SharedFolder(str(folder / "share"))
        self.config = load_config(path, [f"run.shared_folder={folder / 'share'}", "run.device=cpu"])
        self.chance = random.Random(seed)
        self.children: dict[str, int] = {}
        self.listening: dict[str, int] = {}  # pipes, by which each says so
        self.gone = 0  # files that were there
        self.held: dict[str, set[int]] = {}  # numbers of the games, by file
        self.contents: list[bytes] = []
        self.counts: Counter[str] = Counter()

    def start(self, name: str) -> None:
        deadly = (
            self.chance.randint(1, 4) if name == "learner" and self.chance.random() < 0.4 else 0
        )
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            if name in self.listening:
                os.close(self.listening[name])
            self.children[name], self.listening[name] = pid, reading
            return
        try:
            tell_when_listening(writing)
            if name == "learner":
                learn(self.config, self.run, deadly)
            else:
                contribute.Contributor(
                    self.share.location, device="cpu", say=lambda text: None
                ).play()
        except BaseException:
            os.write(2, traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)

    def kill(self, name: str) -> None:
        """Kill one, that may have died by itself just now."""
        os.kill(self.children[name], signal.SIGKILL)
        _, status = os.waitpid(self.children[name], 0)
        assert os.WIFSIGNALED(status), f"{name} ended with {os.waitstatus_to_exitcode(status)}"
        self.counts[f"kills of {name.partition(' ')[0]}s"] += 1

    def stop(self, name: str) -> None:
        """Ask one to stop once it listens, and see it end well."""
        while True:
            os.read(self.listening[name], 1)  # nothing, of one that has died by itself
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.children[name], signal.SIGTERM)
            _, status = os.waitpid(self.children[name], 0)
            if not os.WIFSIGNALED(status):
                assert os.waitstatus_to_exitcode(status) == 0, f"{name} did not stop well"
                return
            self.start(name)

    def look(self) -> None:
        there = self.share.games()
        self.gone = len(self.held.keys() - set(there))
        for name in there:
            if name not in self.held:
                with contextlib.suppress(UserError):  # gone meanwhile, or no games
                    content = self.share.read_games(name)
                    records, _ = unpack_shard(content, name)
                    self.held[name] = {record.game_id for record in records}
                    self.contents.append(content)

    def is_dead(self, name: str) -> bool:
        """Whether one that has died is still to be waited for, which it stays."""
        found = os.waitid(os.P_PID, self.children[name], os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def watch_for(self, files: int, acknowledged: int) -> None:
        """Until so many more files have been seen, and have gone."""
        more, gone = len(self.held) + files, self.gone + acknowledged
        self.watch(lambda: len(self.held) >= more and self.gone >= gone)

    def watch(self, until: Callable[[], bool]) -> None:
        """A learner that dies by itself meanwhile is followed by another one."""
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < deadline, f"it never happened; so far {dict(self.counts)}"
            self.look()
            if self.is_dead("learner"):
                os.waitpid(self.children["learner"], 0)
                self.counts["learners that died storing"] += 1
                self.start("learner")
            time.sleep(0.005)

    def spoil(self) -> None:
        """Put a file there that holds no games, and a copy of one that has been there before."""
        self.share.files.write(f"games/bad-{self.counts['bad files']:06d}.npz", b"no games")
        self.counts["bad files"] += 1
        if self.contents:
            copy = self.chance.choice(self.contents[-20:])
            self.share.files.write(f"games/c0de-{self.counts['copies']:06d}.npz", copy)
            self.counts["copies"] += 1


def tell_when_listening(pipe: int) -> None:
    """Say so when signals ask to stop, and no longer end the process."""
    enter = Interrupt.__enter__

    def told(interrupt):
        entered = enter(interrupt)
        os.write(pipe, b"!")
        return entered

    Interrupt.__enter__ = told


def learn(config: Config, directory: Path, deadly: int) -> None:
    """Train, and die by oneself after so many files have been written, if not 0."""
    append, written = Store.append, 0

    def deadly_append(store, records):
        nonlocal written
        new = append(store, records)
        written += 1
        if written == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return new

    Store.append = deadly_append
    loop.train(config, directory=directory, stream=io.StringIO())


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    contribute.CONTACT_SECONDS, contribute.UPLOAD_SECONDS, contribute.GAMES_PER_FILE = 0.1, 0.2, 8
    contribute.MOST_WAITING = 4  # or they play so much that the learner never gets to start
    shared_folder.LOOK_SECONDS, shared_folder.WAIT_SECONDS = 0.05, 0.02
    shared_folder.PUBLISH_SECONDS = 0.2
    crowd = Crowd(folder, seed)
    warm_up(crowd.config)
    with contextlib.suppress(ImportError):
        importlib.import_module("torch.utils.tensorboard")
    names = ["learner", "contributor 1", "contributor 2"]
    for name in names:
        crowd.start(name)
    for number in range(kills):
        crowd.watch_for(files=2, acknowledged=1)
        if number % 3 == 1:
            crowd.spoil()
        name = crowd.chance.choice(names)
        crowd.kill(name)
        crowd.start(name)
    for name in reversed(names):
        crowd.stop(name)
    # What is left is counted by the next start.
    crowd.look()
    everything = set().union(*crowd.held.values())
    crowd.counts["files left at the end"] = len(crowd.share.games())
    crowd.start("learner")
    crowd.watch(lambda: not crowd.share.games())
    crowd.stop("learner")
    stored = [record.game_id for record in Store(crowd.run / "records")]
    crowd.counts.update(
        {
            "games": len(stored),
            "lost": len(everything - set(stored)),
            "twice": len(stored) - len(set(stored)),
            "corrupt": (crowd.run / "records" / "quarantine").exists(),
            "refused": len(crowd.share.files.names("refused")) // 2,
            "versions": len({record.version for record in Store(crowd.run / "records")}),
        }
    )
    print(json.dumps(crowd.counts))


if __name__ == "__main__":
    main()
