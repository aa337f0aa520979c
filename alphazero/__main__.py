"""The command line of the engine.

Every command imports what it needs when it runs, so that help and mistyped options answer at once.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import alphazero
from alphazero.cli.engine_options import add_engine_options, engine_options
from alphazero.cli.gtp_options import add_gtp_options, gtp_options
from alphazero.cli.train import (
    add_join,
    add_pretrain,
    add_settings,
    add_status,
    add_train,
    join,
    pretrain,
    read_config,
    status,
    train,
)
from alphazero.command_line import Parser, count, natural, run, seed
from alphazero.errors import UserError

Command = Callable[[argparse.Namespace], int]
GAME_HELP = "a game's name, with parameters as in connect4:rows=5,cols=5, or a file ./mygame.py"
PLAYER_HELP = (
    "random, mcts:1000, rave:1000, tactics:1000, alphabeta:6, pretrained, checkpoint:PATH,"
    " policy:PATH, gtp:COMMAND, uci:COMMAND or human"
)
PLAYER_OPTIONS = """\
options of players follow a comma, as in pretrained:400,temperature=0.5 or uci:stockfish,nodes=1000:
  simulations=N      of checkpoint (200)
  temperature=T      of networks: moves are drawn by their shares ** (1/T) (0: the best)
  device=NAME        of networks: cpu, cuda, cuda:0, mps (auto)
  playouts=N         of mcts, from every new position (1)
  seconds=S          of alphabeta, gtp and uci, for a move
  nodes=N depth=N    of uci, for a move; other names are options of the program
  timeout=S processes=N   of gtp and uci: when to give it up, how many to run
  book=FILE syzygy=DIR    of players that search, in chess: openings and tables of endings
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = read_options(sys.argv[1:] if arguments is None else arguments)
    return run("alphazero", lambda: options.command(options))


def read_options(arguments: list[str]) -> argparse.Namespace:
    """The options of a command. Settings and players may stand before and after its options."""
    if arguments[:1] == ["bench"]:  # which reads its options itself, once it is imported
        return argparse.Namespace(command=bench, arguments=arguments[1:])
    everything = parser()
    options, rest = everything.parse_known_args(arguments)
    many = next((name for name in ("settings", "players") if hasattr(options, name)), None)
    if rest and (many is None or any(argument.startswith("-") for argument in rest)):
        everything.error(f"unrecognized arguments: {' '.join(rest)}")
    if many is not None:
        setattr(options, many, [*getattr(options, many), *rest])
    return options


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = Parser(prog="alphazero", description="Train, measure and use players of board games.")
    version = f"%(prog)s {alphazero.__version__}"
    top.add_argument("--version", action="version", version=version)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, command: Command, summary: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=summary, description=summary)
        one.set_defaults(command=command)
        return one

    add_train(add("train", train, "learn a game by self-play"))
    one = add("settings", settings, "list every setting: its default, its values and its meaning")
    one.add_argument(
        "--json-schema", action="store_true", help="as a JSON schema, for editors of TOML files"
    )
    add_pretrain(add("pretrain", pretrain, "learn from recorded games, in PGN or SGF files"))
    add_join(add("join", join, "play for a run by way of a shared folder or object store alone"))
    add_status(add("status", status, "tell how a run is doing, from its files"))
    add_selfplay(add("selfplay", selfplay, "have a network play itself, and store the games"))
    add_match(add("match", match, "play players against each other and estimate their strength"))
    one = add("check", check, "check that the rules of a game keep to what the engine expects")
    one.add_argument("game", help=GAME_HELP)
    one.add_argument("--games", type=count, default=100, metavar="N", help="random games (100)")
    one.add_argument("--seed", type=seed, default=0, metavar="N", help="of these games (0)")
    one = add("prove", prove, "try every line that an opponent can play against a player")
    one.add_argument("game", help=GAME_HELP)
    one.add_argument("player", help=PLAYER_HELP)
    one.add_argument("--seed", type=seed, default=0, metavar="N", help="of the player (0)")
    one = add("perft", perft, "count the lines of legal moves, as a test of the rules")
    one.add_argument("--game", default="chess", help=f"{GAME_HELP} (chess)")
    one.add_argument("--fen", help="begin from this position and not from the start")
    one.add_argument("--depth", type=count, default=4, metavar="N", help="plies (4)")
    one = add("export", export, "write the network of a checkpoint or run as one weights file")
    one.add_argument("source", metavar="PATH", help="weights, checkpoint or run")
    one.add_argument("target", metavar="FILE", help="the safetensors file to write")
    one.add_argument("--game", help=f"if it is not the network's own: {GAME_HELP}")
    one.add_argument("--half", action="store_true", help="16 bits a number: half the space")
    one = add("show", show, "print records of games as text")
    one.add_argument(
        "path",
        metavar="PATH",
        help="a shard, a folder of them such as a run, or a saved game (.pgn, .fen, .sgf, .txt)",
    )
    one.add_argument("--game-id", type=natural, metavar="N", help="only this game")
    one.add_argument("--top", type=count, metavar="N", help="only so many moves of a policy")
    one = add("gtp", gtp, "speak GTP, for Go boards such as Sabaki, GoGui and Lizzie")
    add_engine_options(one)
    add_gtp_options(one)
    add_engine_options(add("uci", uci, "speak UCI, for chess boards and servers"), "chess")
    summary = "analyse games of Go in KataGo's protocol of JSON lines, as for KaTrain"
    add_engine_options(add("analysis", analysis, summary))
    add("games", games, "list the games")
    add("bench", bench, "measure how fast the engine is")
    return top


def add_selfplay(one: argparse.ArgumentParser) -> None:
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


def add_match(one: argparse.ArgumentParser) -> None:
    one.formatter_class = argparse.RawDescriptionHelpFormatter
    one.epilog = PLAYER_OPTIONS
    one.add_argument("players", nargs="*", metavar="PLAYER", help=PLAYER_HELP)
    one.add_argument("--player", action="append", default=[], metavar="PLAYER", help="one more")
    one.add_argument("--game", default="tic-tac-toe", help=f"{GAME_HELP} (tic-tac-toe)")
    one.add_argument("--games", type=count, default=100, metavar="N", help="of each pair (100)")
    one.add_argument(
        "--openings", type=natural, default=2, metavar="PLIES", help="random plies (2)"
    )
    one.add_argument("--seed", type=seed, default=0, metavar="N", help="of the match (0)")
    one.add_argument(
        "--sprt", metavar="ELO0,ELO1", help="stop early, once a sequential test says which"
    )
    one.add_argument("--round-robin", action="store_true", help="each against each, with ratings")
    one.add_argument(
        "--clock", metavar="SECONDS+INCREMENT", help="real clocks, for two programs that speak UCI"
    )
    one.add_argument("--out", metavar="DIR", help="save games and results here")


# -- commands --------------------------------------------------------------------------------------


def settings(options: argparse.Namespace) -> int:
    import json

    from alphazero.config import Config
    from alphazero.settings import describe, json_schema

    print(json.dumps(json_schema(Config), indent=2) if options.json_schema else describe(Config))
    return 0


def selfplay(options: argparse.Namespace) -> int:
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


def match(options: argparse.Namespace) -> int:
    from alphazero.cli.match import run_match

    return run_match(options, PLAYER_HELP)


def check(options: argparse.Namespace) -> int:
    from alphazero.game import load
    from alphazero.game.check import check as check_game

    failures = check_game(load(options.game), options.games, options.seed, print)
    for failure in failures:
        print(f"\n{failure}")
    return int(any(not failure.warning for failure in failures))


def prove(options: argparse.Namespace) -> int:
    from alphazero.arena.exhaustive import prove_unbeaten
    from alphazero.arena.players import make_player
    from alphazero.game import load

    game = load(options.game)
    player = make_player(options.player, game)
    game.compile(report)
    proof = prove_unbeaten(player, game, seed=options.seed)
    print(proof)
    print(f"{proof.lines} lines, {proof.losses} lost")
    return int(not proof.unbeaten)


def perft(options: argparse.Namespace) -> int:
    from alphazero.game import load
    from alphazero.game.perft import divide

    for line in divide(load(options.game), options.fen, options.depth):
        print(line)
    return 0


def export(options: argparse.Namespace) -> int:
    from alphazero.game import load
    from alphazero.network.find import weights_path
    from alphazero.network.weights import load_weights, read_header, save_weights

    source = weights_path(options.source)
    header = read_header(source)
    parameters = ",".join(f"{name}={value}" for name, value in header["parameters"].items())
    game = load(options.game or ":".join(filter(None, (header["game"], parameters))))
    network, header = load_weights(source, game)
    save_weights(
        Path(options.target).expanduser(), network, game, header["extra"], half=options.half
    )
    print(f"{source} -> {options.target}: {header['network']['size']} for {game.spec}")
    return 0


def show(options: argparse.Namespace) -> int:
    from alphazero.data.record import read_shard
    from alphazero.formats.game_file import saved_text

    path = Path(options.path).expanduser()
    if path.suffix in (".txt", ".sgf", ".pgn", ".fen"):
        print(saved_text(path))
        return 0
    shards = sorted(path.rglob("shard-*.npz")) if path.is_dir() else [path]
    shown = 0
    for shard in shards:
        for record in read_shard(shard):
            if options.game_id in (None, record.game_id):
                print(record.to_text(top=options.top))
                shown += 1
    if not shown:
        which = "games" if options.game_id is None else f"game {options.game_id}"
        raise UserError(f"no {which} in {path}")
    return 0


def gtp(options: argparse.Namespace) -> int:
    from alphazero.protocols.gtp.server import serve

    serve(gtp_options(options, engine_options(options)))


def uci(options: argparse.Namespace) -> int:
    from alphazero.protocols.uci.server import serve

    serve(engine_options(options))


def analysis(options: argparse.Namespace) -> int:
    from alphazero.protocols.kata_analysis.server import serve

    return serve(engine_options(options))


def games(options: argparse.Namespace) -> int:
    from alphazero.game import available

    for name, module in available().items():
        print(f"{name:16}{module}")
    print("or the path of a file such as ./mygame.py")
    return 0


def bench(options: argparse.Namespace) -> int:
    from alphazero.bench import main as run_benchmarks

    return run_benchmarks(options.arguments)


# -- talking to people -----------------------------------------------------------------------------


def report(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
