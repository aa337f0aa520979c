"""The folder of a run: its name, what lies in it, and that only one process trains in it."""

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alphazero.config import Config, load_config, to_toml
from alphazero.cores import lasting
from alphazero.errors import UserError
from alphazero.files import atomic_write, sweep_temporaries
from alphazero.settings import settings

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

README = """\
A training run of {game}, begun {date}. Commands are given from this folder.

config.toml    every setting
records/       every finished game, in checksummed shards: the truth, from which all else follows
checkpoints/   the newest states of the learner, each with the network's weights (safetensors)
metrics.jsonl  what was measured, a JSON object per line
tensorboard/   the same as curves: tensorboard --logdir tensorboard
log.txt        what was said in words, with the time
workers.json   who plays, and how much, as of the last report
games/         sample games as text, by the number of the game
result.json    there when the run has reached its limits
lock           holds the number of the process that trains here, and is empty when none does
identity       there with run.shared_folder, to tell this run's volunteers from those of others

How is it doing?      python -m alphazero status . --watch
Stop it               Ctrl-C or SIGTERM: it saves a checkpoint and ends with exit code 0
Go on with it         python -m alphazero train --resume .
Play against it       python -m alphazero play --game {game} --network .
Read a game           python -m alphazero show records --game-id 0 --top 3
Move it elsewhere     copy this whole folder while nobody trains in it, and go on with it there,
                      with as many workers and on whatever device that machine has:
                      python -m alphazero train --resume . --workers 8 run.device=cuda
"""

# These may change from one start to the next: they do not change what is learned from a game.
FREE_SETTINGS = re.compile(
    r"evaluation\..*|learner\.devices|run\.(directory|workers|gpus_per_worker|minutes|games"
    r"|shared_folder|max_version_lag|device|keep_checkpoints|checkpoint_steps|checkpoint_seconds|report_seconds)"
)


class RunDirectory:
    """Paths below the folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.config = self.path / "config.toml"
        self.records = self.path / "records"
        self.checkpoints = self.path / "checkpoints"
        self.games = self.path / "games"
        self.result = self.path / "result.json"
        self.lock = self.path / "lock"
        self.identity = self.path / "identity"
        self.log = self.path / "log.txt"
        self.metrics = self.path / "metrics.jsonl"
        self.workers = self.path / "workers.json"

    @property
    def is_finished(self) -> bool:
        return self.result.exists()

    def create(self, config: Config) -> None:
        """Write down what this run is; in a folder that has a run already, the new limits."""
        sweep_temporaries(self.path)
        if not self.config.exists():
            text = README.format(game=config.game, date=time.strftime("%Y-%m-%d %H:%M"))
            atomic_write(self.path / "README.txt", text.encode())
        atomic_write(self.config, to_toml(config).encode())
        self.result.unlink(missing_ok=True)

    def identify(self) -> str:
        """What tells this run from all others, wherever it is copied to."""
        if not self.identity.exists():
            atomic_write(self.identity, secrets.token_hex(8).encode())
        return self.identity.read_text().strip()

    def finish(self, result: dict[str, Any]) -> None:
        atomic_write(self.result, (json.dumps(result, indent=2) + "\n").encode())


def choose_directory(
    config: Config, base: Path, directory: Path | str | None = None, *, fresh: bool = False
) -> RunDirectory:
    """The folder to train in: the one that was named, or <base>-<date>-<number>.

    Without a name an unfinished run with the same settings is gone on with, unless `fresh`.
    Raises UserError when the named folder holds a run with other settings, or any with `fresh`.
    """
    base, named = lasting(base), directory or config.run.directory
    if named:
        run = RunDirectory(lasting(Path(named)))
        if fresh and run.config.exists():
            raise UserError(f"{run.path} holds a run already: name another folder for a fresh one")
        check_settings(run, config)
        return run
    numbered = re.compile(re.escape(base.name) + r"-\d{4}-\d\d-\d\d-(\d+)")
    runs = [path for path in base.parent.glob("*") if numbered.fullmatch(path.name)]
    if not fresh:
        for path in sorted(runs, key=lambda path: path.stat().st_mtime, reverse=True):
            run = RunDirectory(path)
            if run.config.exists() and not run.is_finished and not differences(run, config):
                return run
    today = f"{base.name}-{time.strftime('%Y-%m-%d')}-"
    taken = [int(path.name.removeprefix(today)) for path in runs if path.name.startswith(today)]
    return RunDirectory(base.with_name(f"{today}{max(taken, default=0) + 1:02d}"))


def check_settings(run: RunDirectory, config: Config) -> None:
    """Raise UserError when the folder holds a run that was begun with other settings."""
    if not run.config.exists():
        if (run.path / "records").exists():
            raise UserError(f"{run.path} holds games but no config.toml: name another folder")
        return
    if different := differences(run, config):
        path, before, now = different[0]
        others = f" (and {len(different) - 1} more settings)" if len(different) > 1 else ""
        raise UserError(
            f"{run.path} holds a run with {path} = {before}, not {now}{others}:"
            " go on with its own settings, or name another folder"
        )


def differences(run: RunDirectory, config: Config) -> list[tuple[str, Any, Any]]:
    """(setting, its value in the folder, its value now) of all that must be equal and are not."""
    before = load_config(run.config)
    return [
        (entry.path, value_at(before, entry.path), value_at(config, entry.path))
        for entry in settings(Config)
        if not FREE_SETTINGS.fullmatch(entry.path)
        and value_at(before, entry.path) != value_at(config, entry.path)
    ]


def value_at(config: Config, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


@contextlib.contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Hold the folder, so that no second process trains in it.

    The operating system lets go of it when this process ends, in whatever way: a killed run leaves
    a file that locks nothing. Raises UserError when another process holds it.
    """
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        file = run.lock.open("a+")
    except OSError as error:
        raise UserError(f"cannot write in {run.path}: {error.strerror}") from error
    with file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise UserError(f"{run.path} is in use by {holder}") from error
        file.truncate(0)
        file.write(f"process {os.getpid()}\n")
        file.flush()
        yield
        file.truncate(0)
