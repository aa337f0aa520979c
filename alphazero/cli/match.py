"""`python -m alphazero match`: players against each other, and what the results say of them."""

import argparse
import functools
import sys
from pathlib import Path

from alphazero.arena.match import play_match, round_robin
from alphazero.arena.players import make_player
from alphazero.arena.rating import Sprt
from alphazero.arena.timed import timed
from alphazero.command_line import report
from alphazero.errors import UserError
from alphazero.files import writable
from alphazero.game import Position, load


def run_match(options: argparse.Namespace, player_help: str) -> int:
    """Play what the command line asks for; returns the exit code. Raises UserError."""
    game = load(options.game)
    names = options.players + options.player
    many = options.round_robin or len(names) > 2
    if len(names) < 2:
        raise UserError(f"a match needs two players, not {len(names)}: {player_help}")
    if many and options.sprt:
        raise UserError("--sprt compares two players, so it does not go with a round robin")
    sprt = read_sprt(options.sprt) if options.sprt else None
    players = [make_player(name, game, ask_person) for name in names]
    if options.out:
        writable(Path(options.out) / "games")
    game.compile(report)
    shared = {"seed": options.seed, "opening_plies": options.openings}
    if options.clock:
        if many:
            raise UserError("--clock is for two players, so it does not go with a round robin")
        players = timed(players, options.clock)
        shared["parallel"] = 1
    if many:
        table = round_robin(game, players, options.games, **shared, progress=report_match)
        matches = table.matches
        print(table)
    else:
        one, other = players
        progress = functools.partial(report_match, f"{one.name} against {other.name}")
        result = play_match(game, one, other, options.games, **shared, sprt=sprt, progress=progress)
        matches = [result]
        print(result)
        for player in players if options.clock else []:
            print(player)
    if options.out:
        for played in matches:
            played.save(Path(options.out).expanduser())
        print(f"saved in {options.out}")
    return 0


def read_sprt(text: str) -> Sprt:
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise UserError(f"--sprt takes two numbers as in 0,20, not {text!r}") from error
    return Sprt(low, high)


def report_match(name: str, finished: int, games: int) -> None:
    """One line that is written again and again, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{name}: {finished} of {games} games ", end="", file=sys.stderr, flush=True)
        if finished == games:
            print(file=sys.stderr)


def ask_person(position: Position) -> int:
    """The move of a person who plays in a match. Raises UserError when the input ends."""
    print(f"\n{position.render()}")
    while True:
        try:
            text = input(f"{position.game.players[position.to_play]}: ")
            return position.copy().play(text)
        except EOFError as error:
            raise UserError("the input has ended before the game") from error
        except ValueError as error:
            print(error)
