"""The commands about games: `games`, `check`, `perft` and `warm-up`."""

import argparse
import functools
import time

from alphazero.command_line import count, report, seed

VARIANTS = ("go:size=9", "go:size=13", "chess:chess960=true")  # that are compiled as well
GAME_HELP = "a game's name, with parameters as in connect4:rows=5,cols=5, or a file ./mygame.py"


def add_check(one: argparse.ArgumentParser) -> None:
    """Add the options of `check`."""
    one.add_argument("game", help=GAME_HELP)
    one.add_argument("--games", type=count, default=100, metavar="N", help="random games (100)")
    one.add_argument("--seed", type=seed, default=0, metavar="N", help="of these games (0)")


def add_perft(one: argparse.ArgumentParser) -> None:
    """Add the options of `perft`."""
    one.add_argument("--game", default="chess", help=f"{GAME_HELP} (chess)")
    one.add_argument("--fen", help="begin from this position and not from the start")
    one.add_argument("--depth", type=count, default=4, metavar="N", help="plies (4)")


def add_warm_up(one: argparse.ArgumentParser) -> None:
    """Add the options of `warm-up`."""
    one.add_argument(
        "games",
        nargs="*",
        metavar="GAME",
        help=f"{GAME_HELP}; without one all games, and {', '.join(VARIANTS)}",
    )


def games(options: argparse.Namespace) -> int:
    """Print the names of all games."""
    from alphazero.game import available

    for name, module in available().items():
        print(f"{name:16}{module}")
    print("or the path of a file such as ./mygame.py")
    return 0


def check(options: argparse.Namespace) -> int:
    """Print how a game keeps the contract; the exit code is 1 if it breaks it."""
    from alphazero.game import load
    from alphazero.game.check import check as check_game

    say = functools.partial(print, flush=True)  # each line when it is known, in a pipe too
    failures = check_game(load(options.game), options.games, options.seed, say)
    for failure in failures:
        print(f"\n{failure}")
    return int(any(not failure.warning for failure in failures))


def perft(options: argparse.Namespace) -> int:
    """Print the number of lines behind every legal move."""
    from alphazero.game import load
    from alphazero.game.perft import divide

    for line in divide(load(options.game), options.fen, options.depth):
        print(line, flush=True)
    return 0


def warm_up(options: argparse.Namespace) -> int:
    """Compile all that playing games takes, so that the first move of each comes at once."""
    from alphazero.engine.engine import make_engine
    from alphazero.engine.options import EngineOptions
    from alphazero.engine.warm_up import ready
    from alphazero.game import available, load

    def quiet(text: str) -> None: ...

    for spec in options.games or [*available(), *VARIANTS]:
        game, began = load(spec), time.perf_counter()
        wanted = EngineOptions(game.spec, simulations=1)
        ready(functools.partial(make_engine, game, wanted, quiet), game, wanted, report)
        print(f"{game.spec}: ready after {time.perf_counter() - began:.1f} s")
    return 0
