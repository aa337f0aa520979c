"""The folder of a run: its name, its files, and the lock that admits one process at a time."""

import contextlib
import json
import logging
import os
import re
import secrets
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import filelock

from alphazero.config import Config, load_config, to_toml
from alphazero.errors import UserError
from alphazero.files import atomic_write, durable_path, sweep_temporaries
from alphazero.settings import settings

log = logging.getLogger(__name__)

README = """\
A training run of {game}, begun {date}. Run the commands below from this folder.

config.toml    all settings
records/       every finished game, in checksummed shards: all else can be derived from them
checkpoints/   the newest states of the learner, each with the network's weights (safetensors)
metrics.jsonl  metrics, one JSON object per line
tensorboard/   the same as curves: tensorboard --logdir tensorboard
log.txt        messages, with the time
workers.json   workers and their games, as of the last report
games/         sample games as text, by the id of the game
result.json    exists once the run has reached its limits
lock           the process that trains here; empty when none does
identity       with run.shared_folder: tells this run's contributors from those of others

Status                python -m alphazero status . --watch
Stop                  Ctrl-C or SIGTERM: saves a checkpoint and ends with exit code 0
Resume                python -m alphazero train --resume .
After a divergence    python -m alphazero train --resume . learner.learning_rate=1e-4
Play against it       python -m alphazero play --game {quoted} --network .
Show a game           python -m alphazero show records --game-id 0 --top 3
Move                  copy this folder while no process trains in it, and resume there, with any
                      number of workers and any device:
                      python -m alphazero train --resume . --workers 8 run.device=cuda
"""

# These may change from one start to the next without any effect on what is learned.
UNRESTRICTED = re.compile(
    r"evaluation\..*|run\.(directory|minutes|games|prove|shared_folder|max_version_lag|gpus_per_worker"
    r"|keep_checkpoints|checkpoint_steps|checkpoint_seconds|report_seconds)"
)
# These belong to the machine and may change too, but then other games are played than before.
MACHINE = re.compile(
    r"run\.(workers|device)|learner\.devices|search\.nn_cache_size"
    r"|self_play\.(threads|parallel_games|games_per_work_item)"
)
# These may change in a run that is named, as after one that has diverged.
RATE = re.compile(
    r"learner\.(learning_rate|schedule|schedule_steps|schedule_factor|warmup_steps|gradient_clip)"
)


class RunDirectory:
    """Paths in the folder of one run."""

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
        """True if the run has reached its limits."""
        return self.result.exists()

    def create(self, config: Config) -> None:
        """Write the settings; in a folder with a run, replace them and the result."""
        sweep_temporaries(self.path)
        if not self.config.exists():
            date, quoted = time.strftime("%Y-%m-%d %H:%M"), shlex.quote(config.game)
            text = README.format(game=config.game, quoted=quoted, date=date)
            atomic_write(self.path / "README.txt", text.encode())
        atomic_write(self.config, to_toml(config).encode())
        self.result.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the folder of a run that has not begun: no games, no checkpoint."""
        if not any(self.records.glob("shard-*")) and not any(self.checkpoints.glob("step-*")):
            shutil.rmtree(self.path, ignore_errors=True)

    def identify(self) -> str:
        """Return the run's unique id, which stays the same wherever the folder is copied."""
        if not self.identity.exists():
            atomic_write(self.identity, secrets.token_hex(8).encode())
        return self.identity.read_text().strip()

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result."""
        atomic_write(self.result, (json.dumps(result, indent=2) + "\n").encode())


def choose_directory(
    config: Config, base: Path, directory: Path | str | None = None, *, fresh: bool = False
) -> RunDirectory:
    """Choose the folder to train in: the named one, or <base>-<date>-<number>.

    Without a name, an unfinished run with the same settings is resumed, unless `fresh`; runs whose
    settings cannot be read are skipped with a warning. Raises UserError when the named folder holds
    a run with other settings, or any run if `fresh`.
    """
    base, named = durable_path(base), directory or config.run.directory
    if named:
        run = RunDirectory(durable_path(Path(named)))
        if fresh and run.config.exists():
            raise UserError(f"{run.path} holds a run already: name another folder for a fresh one")
        check_settings(run, config)
        return run
    numbered = re.compile(re.escape(base.name) + r"-\d{4}-\d\d-\d\d-(\d+)")
    runs = [path for path in base.parent.glob("*") if numbered.fullmatch(path.name)]
    if not fresh and (found := find_unfinished(runs, config)) is not None:
        return found
    today = f"{base.name}-{time.strftime('%Y-%m-%d')}-"
    taken = [int(path.name.removeprefix(today)) for path in runs if path.name.startswith(today)]
    return RunDirectory(base.with_name(f"{today}{max(taken, default=0) + 1:02d}"))


def find_unfinished(paths: list[Path], config: Config) -> RunDirectory | None:
    """Return the newest unfinished run with the same settings; None without one."""
    unreadable: list[tuple[Path, UserError]] = []
    found = None
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        run = RunDirectory(path)
        if not run.config.exists() or run.is_finished:
            continue
        try:
            if not any(change.is_frozen or change.is_rate for change in changes(run, config)):
                found = run
                break
        except UserError as error:
            unreadable.append((path, error))
    if unreadable:
        path, error = unreadable[0]
        others = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        log.warning("skipped the run %s%s, whose settings are unreadable: %s", path, others, error)
    return found


def check_settings(run: RunDirectory, config: Config) -> None:
    """Raise UserError when the folder holds a run with other settings."""
    if not run.config.exists():
        if (run.path / "records").exists():
            raise UserError(f"{run.path} holds games but no config.toml: name another folder")
        return
    if different := [change for change in changes(run, config) if change.is_frozen]:
        change = different[0]
        others = f" (and {len(different) - 1} more settings)" if len(different) > 1 else ""
        raise UserError(
            f"{run.path} holds a run with {change.path} = {change.before}, not"
            f" {change.now}{others}: resume it with its own settings, or name another folder"
        )


class Change(NamedTuple):
    """A setting that differs between a run's folder and now."""

    path: str
    before: Any
    now: Any

    @property
    def is_frozen(self) -> bool:
        """Return whether the setting may not change during a run."""
        return not (MACHINE.fullmatch(self.path) or self.is_rate)

    @property
    def is_rate(self) -> bool:
        """Return whether the setting is one of the learning rate's."""
        return RATE.fullmatch(self.path) is not None


def changes(run: RunDirectory, config: Config) -> list[Change]:
    """List the settings that differ and matter. Raises UserError for unreadable settings."""
    before = load_config(run.config)
    found = [
        Change(entry.path, value_at(before, entry.path), value_at(config, entry.path))
        for entry in settings(Config)
        if not UNRESTRICTED.fullmatch(entry.path)
    ]
    return [change for change in found if change.before != change.now]


def changed_settings(run: RunDirectory, config: Config) -> list[str]:
    """Warn, in at most one line, of changed settings in a run to be resumed."""
    if not run.config.exists():
        return []
    told = [f"{c.path} = {c.before} -> {c.now}" for c in changes(run, config) if not c.is_frozen]
    if not told:
        return []
    return [f"changed since the run began, so it will go on otherwise: {', '.join(told)}"]


def value_at(config: Config, path: str) -> Any:
    """Return the value of a setting by its full name."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


@contextlib.contextmanager
def locked(run: RunDirectory) -> Iterator[None]:
    """Lock the folder, so that no second process trains in it.

    The operating system releases the lock when this process ends, however it ends. The file `lock`
    names the holder; `.lock` beside it carries the lock itself. Raises UserError when another
    process holds it.
    """
    lock = filelock.FileLock(run.path / ".lock")
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
        run.lock.write_text(f"process {os.getpid()}\n")
    except filelock.Timeout as error:
        holder = run.lock.read_text().strip() if run.lock.exists() else ""
        raise UserError(f"{run.path} is in use by {holder or 'another process'}") from error
    except OSError as error:
        lock.release()
        raise UserError(f"cannot write in {run.path}: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the disk is full, or gone; the lock counts
            run.lock.write_text("")
        lock.release()
