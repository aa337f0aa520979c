"""The commands about games on disk and networks in files: `selfplay`, `show` and `export`."""

import argparse
from pathlib import Path

from alphazero.cli.games import GAME_HELP
from alphazero.cli.train import add_settings, read_config
from alphazero.command_line import count, natural, report, seed
from alphazero.errors import UserError


def add_selfplay(one: argparse.ArgumentParser) -> None:
    """Add the options of `selfplay`."""
    add_settings(one)
    one.add_argument("--game", help=GAME_HELP)
    one.add_argument(
        "--network",
        metavar="PATH",
        help="weights, checkpoint or run (the network that comes with the game)",
    )
    one.add_argument("--games", type=count, default=64, metavar="N", help="how many (64)")
    one.add_argument("--out", required=True, metavar="DIR", help="the folder of the records")
    one.add_argument("--seed", type=seed, default=0, metavar="N", help="of the games (0)")


def add_show(one: argparse.ArgumentParser) -> None:
    """Add the options of `show`."""
    one.add_argument(
        "path",
        metavar="PATH",
        help="a shard, a folder of them such as a run, or a saved game (.pgn, .fen, .sgf, .txt)",
    )
    one.add_argument("--game", help="the game's file, where PATH names the game by a file")
    one.add_argument("--game-id", type=natural, metavar="N", help="only this game")
    one.add_argument("--top", type=count, metavar="N", help="only so many moves of a policy")


def add_export(one: argparse.ArgumentParser) -> None:
    """Add the options of `export`."""
    one.add_argument("source", metavar="PATH", help="weights, checkpoint or run")
    one.add_argument("target", metavar="FILE", help="the safetensors file to write")
    one.add_argument("--game", help=f"if it is not the network's own: {GAME_HELP}")
    one.add_argument("--half", action="store_true", help="16 bits a number: half the space")


def selfplay(options: argparse.Namespace) -> int:
    """Store games that a network plays against itself; returns the exit code. Raises UserError."""
    from alphazero.data.store import Store
    from alphazero.engine.engine import find_evaluator
    from alphazero.game import load
    from alphazero.selfplay.play import SelfPlay

    config = read_config(options.settings, [f"game={options.game}"] if options.game else [])
    game = load(config.game)
    evaluator, source = find_evaluator(game, options.network)
    store = Store(Path(options.out).expanduser())
    game.compile(report)
    worker = SelfPlay(game, evaluator, config.search, config.self_play)
    first, done = len(store), 0
    while done < options.games:
        wanted = min(config.self_play.games_per_work_item, options.games - done)
        store.append(worker.play(wanted, first_id=first + done, seed=options.seed))
        done += wanted
        report(f"{done} of {options.games} games of {game.title} with {source}")
    stats = worker.stats
    print(
        f"{stats.games} games, {stats.plies} plies, "
        f"{stats.simulations / max(stats.seconds, 1e-9):.0f} simulations/s: {store.directory}"
    )
    return 0


def show(options: argparse.Namespace) -> int:
    """Print records or a saved game as text; returns the exit code. Raises UserError."""
    from alphazero.data.record import read_shard
    from alphazero.data.record_text import write_text
    from alphazero.formats.game_file import saved_text
    from alphazero.game import load_recorded

    path = Path(options.path).expanduser()
    if path.suffix in (".txt", ".sgf", ".pgn", ".fen"):
        print(saved_text(path, options.game))
        return 0
    shards = sorted(path.rglob("shard-*.npz")) if path.is_dir() else [path]
    shown = 0
    for shard in shards:
        for record in read_shard(shard):
            if options.game_id in (None, record.game_id):
                game = load_recorded(record.game, options.game)
                print(write_text(record, game, top=options.top))
                shown += 1
    if not shown:
        which = "games" if options.game_id is None else f"game {options.game_id}"
        raise UserError(f"no {which} in {path}")
    return 0


def export(options: argparse.Namespace) -> int:
    """Write a network as a weights file; returns the exit code. Raises UserError.

    The rules of the network's game are not executed unless `--game` names them.
    """
    from alphazero.files import atomic_write
    from alphazero.game import load
    from alphazero.network.find import weights_path
    from alphazero.network.weights import load_weights, pack_weights, repack_weights

    source, target = weights_path(options.source), Path(options.target).expanduser()
    if options.game is None:
        content, header = repack_weights(source, half=options.half)
        parameters = ",".join(f"{name}={value}" for name, value in header["parameters"].items())
        spec = ":".join(filter(None, (header["game"], parameters)))
    else:
        game = load(options.game)
        network, header = load_weights(source, game)
        content = pack_weights(network, game, header["extra"], half=options.half)
        spec = game.spec
    atomic_write(target, content)
    print(f"{source} -> {options.target}: {header['network']['size']} for {spec}")
    return 0
