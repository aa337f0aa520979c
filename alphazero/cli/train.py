"""The commands about runs: `train`, `pretrain`, `join` and `status`, and settings on a command
line."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from alphazero.command_line import count, natural, report
from alphazero.errors import UserError

if TYPE_CHECKING:
    from alphazero.config import Config

SETTINGS_HELP = "a file of configs/ and changes to it, as in search.simulations=32"


def add_train(one: argparse.ArgumentParser) -> None:
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
    add_settings(one)
    files = one.add_mutually_exclusive_group(required=True)
    files.add_argument("--pgn", nargs="+", metavar="FILE", help="games of chess; files or folders")
    files.add_argument("--sgf", nargs="+", metavar="FILE", help="games of Go; files or folders")
    one.add_argument("--run-dir", metavar="DIR", help="the folder of the run")
    one.add_argument("--fresh", action="store_true", help="do not go on with an unfinished run")


def add_join(one: argparse.ArgumentParser) -> None:
    one.add_argument("share", metavar="FOLDER", help="the run's run.shared_folder: path or URL")
    one.add_argument("--game", default="", help="where the run's game is here, if it is a file")
    one.add_argument("--device", default="auto", help="where the network runs (auto)")
    one.add_argument(
        "--workers", type=natural, default=0, metavar="N", help="Ray actors that play (0: none)"
    )
    one.add_argument(
        "--games", type=natural, default=0, metavar="N", help="stop after so many (0: never)"
    )


def add_status(one: argparse.ArgumentParser) -> None:
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
    one.add_argument("settings", nargs="*", metavar="CONFIG.toml | name=value", help=SETTINGS_HELP)


def read_config(settings: list[str], more: list[str]) -> "Config":
    """The settings of the file and of the command line, the later ones winning."""
    from alphazero.config import load_config

    changes = [setting for setting in settings if "=" in setting and not Path(setting).exists()]
    files = [setting for setting in settings if setting not in changes]
    if len(files) > 1:
        raise UserError(f"one file of settings at a time, not {', '.join(files)}")
    return load_config(files[0] if files else None, [*changes, *more])


def train(options: argparse.Namespace) -> int:
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
    config = read_config(settings, [f"run.workers={workers}"] if workers else [])
    if options.dry_run:
        from alphazero.config import to_toml
        from alphazero.game import load
        from alphazero.run.loop import check_fits

        check_fits(config, load(config.game))
        print(to_toml(config), end="")
        return 0
    from alphazero.run.loop import train as train_until_done

    summary = train_until_done(
        config, directory=directory, fresh=options.fresh, address=options.address
    )
    directory = nearby(summary.directory)
    if not summary.finished:
        print(f"stopped; the same command, or train --resume {directory}, goes on")
        return 0  # as a scheduler that asked for it wants to see
    if summary.proof is not None:
        proof = summary.proof
        print(proof)
        print(f"Every line an opponent can play: {proof.lines} lines, {proof.losses} lost.")
    python = nearby(Path(sys.executable)) if sys.executable else "python"
    print(f"Play against it: {python} play.py --game {config.game} --network {directory}")
    return int(summary.proof is not None and not summary.proof.unbeaten)


def pretrain(options: argparse.Namespace) -> int:
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
        print(f"stopped; the same command with --run-dir {directory} goes on")
        return 0
    for name, value in summary.validation.items():
        print(f"{name.removeprefix('validation/').replace('_', ' ')}: {value:.4f} (held-out games)")
    python = nearby(Path(sys.executable)) if sys.executable else "python"
    print(f"Play against it: {python} play.py --game {config.game} --network {directory}")
    print(f"Go on by self-play: {python} -m alphazero train … run.start_from={directory}")
    return 0


def join(options: argparse.Namespace) -> int:
    from alphazero.run.contribute import Volunteer

    volunteer = Volunteer(
        options.share,
        game=options.game,
        device=options.device,
        workers=options.workers,
        say=report,
    )
    joined = volunteer.play(options.games)
    print(
        f"{joined.ended}: {joined.games:,} games, {joined.handed_in:,} handed in,"
        f" {joined.accepted:,} accepted so far"
    )
    return 0  # as a scheduler that asked it to stop wants to see


def status(options: argparse.Namespace) -> int:
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
    """A path as one types it here: relative where it lies below the working directory."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
