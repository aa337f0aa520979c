"""Kills a small seeded run again and again while it writes checkpoints, and counts what was lost.

python killer.py DIRECTORY KILLS SEED    (as many kills as count are within a checkpoint)

A start costs seconds of imports, so this process imports and compiles once, and every start is a
fork of it. A child says through a pipe, which outlives it, which games are on the disk and when it
begins and ends to write a checkpoint; it is killed at a random moment in between. After every death
all that is on the disk is read. Prints the counts as JSON.
"""

import io
import json
import os
import random
import select
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from alphazero.data.store import Store
from alphazero.errors import UserError
from alphazero.learning import checkpoint
from alphazero.run import state
from alphazero.run.loop import train
from alphazero.selfplay.workers.factory import warm_up
from tests.helpers import killed_run

GAMES = 120


def child(directory: Path, pipe: int) -> None:
    """Train, and tell what has been promised."""
    save, append = checkpoint.save, Store.append

    def told_save(*arguments, **named):
        os.write(pipe, b"saving\n")
        path = save(*arguments, **named)
        os.write(pipe, f"saved {path.name}\n".encode())
        return path

    def told_append(store, records):
        new = append(store, records)
        os.write(pipe, f"stored {' '.join(str(record.game_id) for record in new)}\n".encode())
        return new

    state.checkpoint.save, Store.append = told_save, told_append
    summary = train(killed_run.settings(directory), directory=directory, stream=io.StringIO())
    os.write(pipe, b"finished\n" if summary.finished else b"stopped\n")


def start(directory: Path) -> tuple[int, int]:
    """(process, what it tells) of a new child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        child(directory, writing)
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(1)
    os._exit(0)


def run_and_kill(directory: Path, chance: random.Random | None) -> tuple[list[str], bool]:
    """What a child told before it was killed within its n-th checkpoint (without chance: before it
    ended), and whether it died by that."""
    pid, pipe = start(directory)
    told, rest, saves = [], b"", 0
    wanted = chance.randint(1, 3) if chance else 0
    while True:
        ready = select.select([pipe], [], [], 60)[0]
        assert ready, "a child hangs"
        part = os.read(pipe, 65536)
        if not part:
            break
        *lines, rest = (rest + part).split(b"\n")
        told += [line.decode() for line in lines]
        saves = told.count("saving")
        if wanted and saves >= wanted and told[-1] == "saving":
            assert chance is not None
            time.sleep(chance.uniform(0.0, 0.012))  # a checkpoint takes about that long here
            os.kill(pid, signal.SIGKILL)
            wanted = 0
    os.close(pipe)
    _, status = os.waitpid(pid, 0)
    killed = os.WIFSIGNALED(status)
    assert killed or os.waitstatus_to_exitcode(status) == 0, "a child failed"
    return told, killed


def main() -> None:
    directory, kills, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    directory.mkdir(parents=True)
    warm_up(killed_run.settings(directory / "undisturbed"))
    run_and_kill(directory / "undisturbed", None)
    expected = newest_weights(directory / "undisturbed")
    counts = Counter(kills=0, within_a_checkpoint=0, runs=0)
    counts.update({name: 0 for name in ("lost", "twice", "corrupt", "promises_broken")})
    counts["other_weights"] = 0
    while counts["within_a_checkpoint"] < kills:
        folder = directory / f"run-{counts['runs']:03d}"
        acknowledged: set[int] = set()
        promised = 0
        while True:
            told, killed = run_and_kill(
                folder, chance if counts["within_a_checkpoint"] < kills else None
            )
            counts["kills"] += killed
            counts["within_a_checkpoint"] += killed and told[-1] == "saving"
            for line in told:
                word, *numbers = line.split()
                if word == "stored":
                    acknowledged.update(map(int, numbers))
                if word == "saved":
                    promised = int(numbers[0].removeprefix("step-"))
            examine(folder, acknowledged, promised, counts)
            if not killed:
                break
        counts["runs"] += 1
        counts["other_weights"] += newest_weights(folder) != expected
        counts["lost"] += acknowledged != set(range(GAMES))
    print(json.dumps(counts))


def newest_weights(folder: Path) -> bytes:
    newest = checkpoint.latest(folder / "checkpoints")
    assert newest is not None
    return (newest / "weights.safetensors").read_bytes()


def examine(folder: Path, acknowledged: set[int], promised: int, counts: Counter) -> None:
    """Read all that a dead process has left."""
    ids = [record.game_id for record in Store(folder / "records")]
    counts["lost"] += len(acknowledged - set(ids))
    counts["twice"] += len(ids) - len(set(ids))
    quarantine = folder / "records" / "quarantine"
    counts["corrupt"] += len(list(quarantine.iterdir())) if quarantine.exists() else 0
    steps = []
    for path in checkpoint.checkpoints(folder / "checkpoints"):
        try:
            steps.append(checkpoint.load(path).step)
        except UserError:
            counts["corrupt"] += 1
    counts["promises_broken"] += max(steps, default=0) < promised
    counts["files_read"] += len(steps) + len(list((folder / "records").glob("*.npz")))


if __name__ == "__main__":
    main()
