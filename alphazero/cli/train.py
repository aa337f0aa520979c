"""The commands about runs: `train`, `pretrain`, `join`, `status` and `settings`."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alphazero.command_line import count, natural, report
from alphazero.errors import UserError
from alphazero.shipped import PACKAGE, find_configuration

if TYPE_CHECKING:
    from alphazero.config import Config
    from alphazero.run.loop import Summary

MINUTES = 10  # of `train` without a file of settings, unless it says otherwise

SETTINGS_HELP = (
    "a TOML file, or the name of one that comes with the engine such as connect4, and changes to it"
    " as in search.simulations=32"
)


def add_train(one: argparse.ArgumentParser) -> None:
    """Add the options of `train`."""
    add_settings(one)
    one.add_argument("--workers", metavar="N", help="Ray actors that play: a number, or auto")
    one.add_argument(
        "--local", action="store_true", help="do everything in this process, without Ray"
    )
    one.add_argument(
        "--address", help="a Ray cluster to join: ADDRESS:PORT, or auto for this machine's"
    )
    one.add_argument("--run-dir", metavar="DIR", help="the folder of the run")
    one.add_argument("--resume", metavar="DIR", help="go on with the run in DIR, as it was set up")
    one.add_argument("--fresh", action="store_true", help="do not go on with an unfinished run")
    one.add_argument("--dry-run", action="store_true", help="show the settings, train nothing")


def add_pretrain(one: argparse.ArgumentParser) -> None:
    """Add the options of `pretrain`."""
    add_settings(one)
    files = one.add_mutually_exclusive_group(required=True)
    files.add_argument("--pgn", nargs="+", metavar="FILE", help="games of chess; files or folders")
    files.add_argument("--sgf", nargs="+", metavar="FILE", help="games of Go; files or folders")
    one.add_argument("--run-dir", metavar="DIR", help="the folder of the run")
    one.add_argument("--fresh", action="store_true", help="do not go on with an unfinished run")


def add_join(one: argparse.ArgumentParser) -> None:
    """Add the options of `join`."""
    one.add_argument("share", metavar="FOLDER", help="the run's run.shared_folder: path or URL")
    one.add_argument(
        "--game", default="", help="the run's game, if that is a file: where it is here"
    )
    one.add_argument("--device", default="auto", help="where the network runs (auto)")
    one.add_argument(
        "--workers", type=natural, default=0, metavar="N", help="Ray actors that play (0: none)"
    )
    one.add_argument(
        "--games", type=natural, default=0, metavar="N", help="stop after so many (0: never)"
    )


def add_status(one: argparse.ArgumentParser) -> None:
    """Add the options of `status`."""
    one.add_argument("run", metavar="RUN", help="the folder of the run")
    one.add_argument("--json", action="store_true", help="as one JSON object")
    one.add_argument(
        "--watch",
        nargs="?",
        type=count,
        const=2,
        metavar="SECONDS",
        help="again every so often, until Ctrl-C (2)",
    )


def add_settings(one: argparse.ArgumentParser) -> None:
    """Add settings as positional arguments."""
    one.add_argument("settings", nargs="*", metavar="CONFIG.toml | name=value", help=SETTINGS_HELP)


def add_list(one: argparse.ArgumentParser) -> None:
    """Add the options of `settings`."""
    one.add_argument(
        "--json-schema", action="store_true", help="as a JSON schema, for editors of TOML files"
    )


def read_config(settings: list[str], more: list[str]) -> "Config":
    """The settings of a file with the changes of the command line and then `more`.

    Raises UserError.
    """
    from alphazero.config import load_config

    changes = [setting for setting in settings if "=" in setting and not Path(setting).exists()]
    files = [setting for setting in settings if setting not in changes]
    if len(files) > 1:
        raise UserError(f"one file of settings at a time, not {', '.join(files)}")
    return load_config(find_configuration(files[0]) if files else None, [*changes, *more])


def cluster_arguments(arguments: list[str], home: Path) -> list[str]:
    """The arguments of `train`, started as `train.py` with the home directory `home`.

    A file of settings that is not here is that of the installed project. On the head of a cluster,
    where `ray up` leaves its configuration, all machines of the cluster play.
    """
    project = PACKAGE.parent
    found = [
        str(project / word)
        if word.endswith(".toml") and not Path(word).exists() and (project / word).exists()
        else word
        for word in arguments
    ]
    names = {word.partition("=")[0] for word in arguments}
    if (home / "ray_bootstrap_config.yaml").exists() and not names & {"--local", "--dry-run"}:
        if "--address" not in names and "RAY_ADDRESS" not in os.environ:
            found += ["--address", "auto"]
        if not names & {"--workers", "run.workers"}:
            found += ["--workers", "auto"]
    return found


def train(options: argparse.Namespace) -> int:
    """Train a run to its end, or print its settings; returns the exit code. Raises UserError."""
    directory, settings = options.run_dir, options.settings
    if options.resume is not None:
        if directory or options.fresh:
            raise UserError("--resume names the run, so it does not go with --run-dir or --fresh")
        directory = options.resume
        saved = Path(directory).expanduser() / "config.toml"
        if not saved.exists():
            raise UserError(f"there is no run to resume in {directory}: it has no config.toml")
        settings = [str(saved), *settings]
    if options.local and (options.workers or options.address):
        raise UserError("--local does without Ray, so it does not go with --workers or --address")
    workers = "0" if options.local else options.workers
    changes = [f"run.workers={workers}"] if workers else []
    limits = ("run.minutes", "run.games")
    is_bare = all("=" in word and word.partition("=")[0] not in limits for word in settings)
    config = read_config(settings, [*changes, *[f"run.minutes={MINUTES}"] * is_bare])
    if options.dry_run:
        from alphazero.config import to_toml
        from alphazero.game import load
        from alphazero.run.loop import check_run

        _, warnings = check_run(config, load(config.game), directory, fresh=options.fresh)
        for warning in warnings:
            report(f"warning: {warning}")
        print(to_toml(config), end="")
        return 0
    from alphazero.arena.players import SIMULATIONS
    from alphazero.run.loop import train as train_until_done

    summary = train_until_done(
        config, directory=directory, fresh=options.fresh, address=options.address
    )
    resume = command("train", "--resume", nearby(summary.directory))
    if not summary.finished:
        print(f"stopped; resume with the same command, or by: {resume}")
        return 0  # as a scheduler that asked for it wants to see
    proof, raw = summary.proof, summary.policy_proof
    if proof is not None:
        print(proof)
        print(
            f"Every line an opponent can play against {SIMULATIONS} simulations a move:"
            f" {proof.lines} lines, {proof.losses} lost."
        )
    if raw is not None:
        print(f"The same without search: {raw.lines} lines, {raw.losses} lost.")
    if is_bare:
        print(f"It stopped after run.minutes={MINUTES}, the limit without a file of settings.")
    if summary.progress.steps:
        print(f"Play against it: {play_command(config, summary.directory)}")
    else:
        print(nothing_learned(summary, config))
        print(f"Go on until Ctrl-C: {resume} run.games=0 run.minutes=0")
    return int(proof is not None and not proof.unbeaten)


def nothing_learned(summary: "Summary", config: "Config") -> str:
    """Say why a run that is over has not taken a step, and that its network knows nothing."""
    played, wanted = summary.progress.positions, config.replay.min_positions
    why = (
        f"learning begins after replay.min_positions = {wanted:,}"
        if played < wanted
        else f"a batch (learner.batch_size = {config.learner.batch_size:,}) needs more"
    )
    return (
        f"Nothing was learned from {summary.progress.games:,} games with {played:,} positions:"
        f" {why}. The network is as it began."
    )


def pretrain(options: argparse.Namespace) -> int:
    """Learn from recorded games; returns the exit code. Raises UserError."""
    kind = "pgn" if options.pgn else "sgf"
    says_game = any(one.startswith("game=") or "=" not in one for one in options.settings)
    usual = [] if says_game else ["game=chess" if kind == "pgn" else "game=go"]
    config = read_config(options.settings, usual)
    from alphazero.run.pretrain import pretrain as learn_from_files

    summary = learn_from_files(
        config, options.pgn or options.sgf, kind, directory=options.run_dir, fresh=options.fresh
    )
    directory = nearby(summary.directory)
    if not summary.finished:
        print(f"stopped; resume with the same command and --run-dir {quoted([directory])}")
        return 0
    if summary.progress.steps == 0:
        print(nothing_learned(summary, config))
        return 0
    for name, value in summary.validation.items():
        print(f"{name.removeprefix('validation/').replace('_', ' ')}: {value:.4f} (held-out games)")
    print(f"Play against it: {play_command(config, summary.directory)}")
    elsewhere = ["run.directory="] if config.run.directory else []
    start = f"run.start_from={directory}"
    print(f"Go on by self-play: {command('train', directory / 'config.toml', start, *elsewhere)}")
    return 0


def join(options: argparse.Namespace) -> int:
    """Play for a run by way of its shared folder; returns the exit code. Raises UserError."""
    from alphazero.run.contribute import Contributor

    contributor = Contributor(
        options.share,
        game=options.game,
        device=options.device,
        workers=options.workers,
        say=report,
    )
    result = contributor.play(options.games)
    print(
        f"{result.ended}: {result.games:,} games, {result.uploaded:,} uploaded,"
        f" {result.accepted:,} accepted so far"
    )
    return 0  # as a scheduler that asked it to stop wants to see


def status(options: argparse.Namespace) -> int:
    """Print how a run is doing, once or again and again; returns the exit code."""
    import json
    import time

    from alphazero.run.status import Watcher, to_text

    watcher = Watcher(Path(options.run))
    clear = "\x1b[H\x1b[J" if options.watch and sys.stdout.isatty() else ""
    try:
        while True:
            found = watcher.look()
            text = json.dumps(found.to_json()) + "\n" if options.json else to_text(found)
            print(clear + text, end="" if clear or not options.watch else "\n", flush=True)
            if not options.watch:
                return 0
            time.sleep(options.watch)
    except KeyboardInterrupt:
        return 0


def nearby(path: Path) -> Path:
    """A path relative to the working directory where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def play_command(config: "Config", run: Path) -> str:
    """The command line that plays against the network of a run."""
    return command("play", "--game", config.game, "--network", nearby(run))


def command(name: str, *arguments: str | Path) -> str:
    """A command line for the shell that works in the working directory, whether the package is
    installed, or is a checkout whose `train.py` was started from another folder."""
    python = nearby(Path(sys.executable)) if sys.executable else Path("python")
    start: list[str | Path] = ["-m", "alphazero", name]
    script = Path(sys.argv[0]).absolute()
    if script.parent == PACKAGE.parent != Path.cwd() and script.suffix == ".py":
        start = [nearby(script.with_name(f"{name}.py"))]
    return quoted([python, *start, *arguments])


def quoted(words: Sequence[str | Path]) -> str:
    """Words as the shell reads them."""
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return join([str(word) for word in words])


def settings(options: argparse.Namespace) -> int:
    """Print every setting, as a table or as a JSON schema."""
    import json

    from alphazero.config import Config
    from alphazero.settings import describe, json_schema

    print(json.dumps(json_schema(Config), indent=2) if options.json_schema else describe(Config))
    return 0
