"""Score sheets: the readable text form of a game record, which parses back to the same record.

game tic-tac-toe
id 7
seed 12345
version 3
result 1.0

# ply, move, value for the player to move, policy
1 b2 0.25 b2:0.75 a1:0.25
2 a2 - ...

A value is followed by the ply's weight in training, as in 0.25*3.5, unless that is 1.
The game is always the caller's: the spec in a record may be a path, which is never executed.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from alphazero.data.record import GameRecord, same_game, sparse_policies, start_states
from alphazero.errors import UserError
from alphazero.game import Game, Position

HEADER = {  # name -> field of a record, and its parser
    "game": ("game", str),
    "id": ("game_id", int),
    "seed": ("seed", int),
    "version": ("version", int),
    "result": ("result", float),
    "start": ("start", bytes.fromhex),
    "info": ("info", json.loads),
}
CUT = "..."


def write_text(record: GameRecord, game: Game, top: int | None = None) -> str:
    """Write a record as a score sheet with the final board; `top` keeps only so many of the largest
    policy entries per ply, and such a sheet cannot be parsed back.

    Raises UserError when a move is illegal by the game's rules.
    """
    lines = [f"game {record.game}", f"id {record.game_id}", f"seed {record.seed}"]
    lines += [f"version {record.version}", f"result {record.result}"]
    if record.start is not None:
        lines.append(f"start {record.start.hex()}")
    if record.info:
        lines.append(f"info {json.dumps(record.info)}")
    lines += ["", "# ply, move, value for the player to move, policy"]

    position = Position(game, start_states(record.start, game)[0])
    for ply, action in enumerate(record.moves.tolist()):
        actions, weights = record.policy(ply)
        order = (
            np.arange(len(actions)) if top is None else np.argsort(-weights, kind="stable")[:top]
        )
        row = [f"{position.text(int(actions[i]))}:{weights[i]}" for i in order]
        value, weight = record.root_values[ply], record.sample_weights[ply]
        shown = "-" if np.isnan(value) else str(value)
        shown += "" if weight == 1 else f"*{weight}"
        words = [str(ply + 1), position.text(action), shown, *row]
        lines.append(" ".join(words + [CUT] * (len(row) < len(actions))))
        try:
            position.play(action)
        except ValueError as error:
            raise UserError(f"game {record.game_id}, ply {ply + 1}: {error}") from error
    lines += ["", *(f"# {line}".rstrip() for line in position.render().splitlines())]
    return "\n".join(lines) + "\n"


def read_text(text: str, game: Game) -> GameRecord:
    """Parse a score sheet of `write_text`. Raises UserError naming the first bad line."""
    values: dict[str, Any] = {"start": None, "info": {}}
    moves = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isdigit():
            moves.append((number, line.split()))
            continue
        name, _, value = line.partition(" ")
        with naming_line(number):
            if name not in HEADER:
                raise ValueError(f"unknown field {name!r}, expected one of {', '.join(HEADER)}")
            field, read = HEADER[name]
            values[field] = read(value)
    missing = [name for name, (field, _) in HEADER.items() if field not in values]
    if missing:
        raise UserError(f"the record lacks {', '.join(missing)}")
    if not same_game(values["game"], game.spec):
        raise UserError(f"the record is a game of {values['game']}, not of {game.spec}")
    try:
        position = Position(game, start_states(values["start"], game)[0])
        return GameRecord(**values, **read_moves(moves, position))
    except ValueError as error:
        raise UserError(str(error)) from error


def read_moves(lines: list[tuple[int, list[str]]], position: Position) -> dict[str, Any]:
    """Parse the numbered lines of a score sheet into a record's arrays, playing from `position`."""
    root_values, sample_weights = [], []
    rows = []
    for ply, (number, words) in enumerate(lines, 1):
        with naming_line(number):
            if len(words) < 3 or int(words[0]) != ply:
                raise ValueError(f"expected ply {ply} with its move and value")
            if words[-1] == CUT:
                raise ValueError("the policy is abridged; write the record without `top`")
            entries = [word.rsplit(":", 1) for word in words[3:]]
            actions = [position.action(entry[0]) for entry in entries]
            rows.append((actions, [float(entry[-1]) for entry in entries]))
            value, _, weight = words[2].partition("*")
            root_values.append(float("nan") if value == "-" else float(value))
            sample_weights.append(float(weight or 1))
            position.play(words[1])
    offsets, actions, weights = sparse_policies(rows)
    return {
        "moves": position.moves,
        "root_values": root_values,
        "policy_offsets": offsets,
        "policy_actions": actions,
        "policy_weights": weights,
        "sample_weights": sample_weights,
    }


@contextlib.contextmanager
def naming_line(number: int) -> Iterator[None]:
    """Turn a ValueError about a line's text into a UserError that names the line."""
    try:
        yield
    except ValueError as error:
        raise UserError(f"line {number} of the record: {error}") from error
