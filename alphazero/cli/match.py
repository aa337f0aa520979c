"""The commands about strength: `match` and `prove`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alphazero.cli.games import GAME_HELP
from alphazero.command_line import ProgressLine, count, natural, report, seed
from alphazero.errors import UserError

if TYPE_CHECKING:
    from alphazero.arena.rating import Sprt
    from alphazero.game import Position

PLAYER_HELP = (
    "random, beginner, mcts:1000, rave:1000, tactics:1000, alphabeta:6, pretrained,"
    " checkpoint:PATH, policy:PATH, gtp:COMMAND, uci:COMMAND or human"
)
PLAYER_OPTIONS = """\
options of players follow a comma, as in pretrained:400,temperature=0.5 or uci:stockfish,nodes=1000:
  simulations=N      of checkpoint (200)
  level=N            of pretrained, checkpoint, rave and tactics, from 1 (a beginner) to 10
  temperature=T      of networks: moves are drawn by their shares ** (1/T) (0: the best)
  device=NAME        of networks: cpu, cuda, cuda:0, mps (auto)
  playouts=N         of mcts, from every new position (1)
  seconds=S          of alphabeta, gtp and uci, for a move
  nodes=N depth=N    of uci, for a move; other names are options of the program
  timeout=S processes=N   of gtp and uci: when to give it up, how many to run
  book=FILE syzygy=DIR    of players that search, in chess: openings and tables of endings
"""


def add_match(one: argparse.ArgumentParser) -> None:
    """Add the options of `match`."""
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
    one.add_argument("--anchor", metavar="PLAYER", help="of a round robin: the one rated 0 Elo")
    one.add_argument(
        "--clock", metavar="SECONDS+INCREMENT", help="real clocks, for two programs that speak UCI"
    )
    one.add_argument("--out", metavar="DIR", help="save games and results here")


def add_prove(one: argparse.ArgumentParser) -> None:
    """Add the options of `prove`."""
    one.add_argument("game", help=GAME_HELP)
    one.add_argument("player", help=PLAYER_HELP)
    one.add_argument("--seed", type=seed, default=0, metavar="N", help="of the player (0)")


def match(options: argparse.Namespace) -> int:
    """Play a match or a round robin and print the result; returns the exit code.

    Raises UserError.
    """
    from alphazero.arena.match import PlayerFailure, play_match, require_different, round_robin
    from alphazero.arena.players import make_player
    from alphazero.arena.timed import timed
    from alphazero.files import writable
    from alphazero.game import load

    game = load(options.game)
    names = options.players + options.player
    many = options.round_robin or len(names) > 2
    if len(names) < 2:
        raise UserError(f"a match needs two players, not {len(names)}: {PLAYER_HELP}")
    if options.games % 2:
        raise UserError(f"a match has an even number of games, at least 2, not {options.games}")
    if many and options.sprt:
        raise UserError("--sprt compares two players, so it does not go with a round robin")
    if options.anchor and options.anchor not in names * many:
        raise UserError("--anchor names one of the players of a round robin")
    sprt = read_sprt(options.sprt) if options.sprt else None
    players = [make_player(name, game, ask_person) for name in names]
    if many:
        require_different(players)
    if options.out:
        writable(Path(options.out) / "games")
    game.compile(report)
    shared: dict[str, Any] = {"seed": options.seed, "opening_plies": options.openings}
    if options.clock:
        if many:
            raise UserError("--clock is for two players, so it does not go with a round robin")
        players = timed(players, options.clock)
        shared["parallel"] = 1
    line = ProgressLine()

    def progress(title: str, finished: int, games: int) -> None:
        line(f"{title}: {finished} of {games} games")
        if finished == games:
            line.end()

    try:
        if many:
            table = round_robin(
                game, players, options.games, **shared, anchor=options.anchor, progress=progress
            )
            matches = table.matches
            print(table)
        else:
            one, other = players
            title = f"{one.name} against {other.name}"
            result = play_match(
                game, one, other, options.games, **shared, sprt=sprt,
                progress=lambda *counts: progress(title, *counts),
            )  # fmt: skip
            matches = [result]
            print(result)
            for player in players if options.clock else []:
                print(player)
    except PlayerFailure as error:
        raise UserError(str(error)) from error
    if options.out:
        for played in matches:
            print(f"saved as {played.save(Path(options.out).expanduser())}.json, .npz and .txt")
    return 0


def prove(options: argparse.Namespace) -> int:
    """Play every line against a player; the exit code is 1 if one beats it. Raises UserError."""
    from alphazero.arena.exhaustive import prove_unbeaten
    from alphazero.arena.players import SearchPlayer, make_player
    from alphazero.game import load

    game = load(options.game)
    player = make_player(options.player, game)
    game.compile(report)
    line = ProgressLine()
    proof = prove_unbeaten(player, game, seed=options.seed, progress=line)
    raw = player.without_search() if isinstance(player, SearchPlayer) else None
    raw_proof = prove_unbeaten(raw, game, seed=options.seed, progress=line) if raw else None
    line.end()
    print(proof)
    if raw and raw_proof:
        print(f"{raw.name}: {raw_proof.lines} lines, {raw_proof.losses} lost")
    print(f"{player.description}:\n{proof.lines} lines, {proof.losses} lost")
    return int(not proof.unbeaten)


def read_sprt(text: str) -> "Sprt":
    """Parse `ELO0,ELO1`. Raises UserError."""
    from alphazero.arena.rating import Sprt

    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise UserError(f"--sprt takes two numbers as in 0,20, not {text!r}") from error
    return Sprt(low, high)


def ask_person(position: "Position") -> int:
    """Ask the person who plays in a match for a move. Raises UserError when the input ends."""
    print(f"\n{position.render()}")
    while True:
        try:
            text = input(f"{position.game.players[position.to_play]}: ")
            return position.copy().play(text)
        except EOFError as error:
            raise UserError("the input has ended before the game") from error
        except ValueError as error:
            print(error)
