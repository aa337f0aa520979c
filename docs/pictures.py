"""Draw the pictures of the documentation from a run: curves of its metrics, boards of its games.

    python docs/pictures.py runs/example docs/images

writes GAME.png, where GAME is the game of the run.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from alphazero.config import load_config
from alphazero.data.store import Store
from alphazero.game import load
from alphazero.picture import board_picture

WIDTH, HEIGHT = 420, 280  # of a panel, in pixels
MARGIN = 48, 50, 20, 42  # left, top, right, bottom
FINE = 3  # drawn so many times larger and then reduced, which smooths the lines
COLOURS = [(44, 92, 170), (222, 112, 38), (70, 140, 70)]
INK, GRID = (60, 60, 68), (226, 226, 230)
PANELS = {
    "loss on held-out games, nats": {
        "policy": "validation/policy_loss",
        "win, draw, loss": "validation/value_loss",
    },
    "share, on held-out games and in matches": {
        "results foreseen": "validation/value_accuracy",
        "moves foreseen": "validation/policy_accuracy",
        "points v. random": "strength/score/random",
    },
}
BOARDS = 6


def main(run: Path, folder: Path) -> None:
    """Draw the run's panels, and below them the end of its last game, ply by ply."""
    config = load_config(run / "config.toml")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    panels = [panel(title, curves, rows) for title, curves in PANELS.items()]
    picture = stacked([beside(panels), beside(boards(config.game, run))])
    folder.mkdir(parents=True, exist_ok=True)
    name = config.game.partition(":")[0].replace("-", "")
    picture.quantize(64).save(folder / f"{name}.png", optimize=True)


def series(rows: Sequence[dict], name: str) -> tuple[np.ndarray, np.ndarray]:
    """A metric over the number of games: float [N] and [N]."""
    found = [(row["step"], row["values"][name]) for row in rows if name in row["values"]]
    games, values = np.array(found or np.zeros((0, 2)), float).T
    return games, values


def panel(title: str, curves: dict[str, str], rows: Sequence[dict]) -> Image.Image:
    """One diagram: curves over the number of games, their names in their colours."""
    drawn = {name: series(rows, metric) for name, metric in curves.items()}
    drawn = {name: found for name, found in drawn.items() if len(found[0])}
    right = 1000 * np.ceil(max(found[0].max() for found in drawn.values()) / 1000 - 0.1)
    top = max(1.0, max(found[1].max() for found in drawn.values()))
    image = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), "white")
    brush = ImageDraw.Draw(image)
    font = ImageFont.load_default(12 * FINE)
    left, head, end, foot = (FINE * side for side in MARGIN)
    width, height = image.width - left - end, image.height - head - foot

    def at(games: float, value: float) -> tuple[float, float]:
        return left + width * games / right, head + height * (1 - value / top)

    for part in range(5):
        value, games = top * part / 4, right * part / 4
        brush.line([at(0, value), at(right, value)], GRID, FINE)
        brush.text((left - 6 * FINE, at(0, value)[1]), f"{value:.2f}", INK, font, "rm")
        brush.text((at(games, 0)[0], head + height + 6 * FINE), f"{games:,.0f}", INK, font, "ma")
    brush.text((left + width / 2, image.height - 6 * FINE), "games", INK, font, "md")
    x = left
    for (name, (games, values)), colour in zip(drawn.items(), COLOURS, strict=False):
        brush.line([at(*point) for point in zip(games, values, strict=True)], colour, 2 * FINE)
        brush.text((x, 26 * FINE), name, colour, font, "la")
        x += brush.textlength(name, font) + 14 * FINE
    brush.text((left, 8 * FINE), title, INK, font, "la")
    return image.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


def boards(spec: str, run: Path) -> list[Image.Image]:
    """The last positions of the run's last game."""
    game, records = load(spec), Store(run / "records").records()
    *_, record = records
    position = game.position()
    views = [position.board_view()]
    for move in record.moves:
        position.play(move)
        views.append(position.board_view())
    return [Image.fromarray(board_picture(view)) for view in views[-BOARDS:]]


def beside(parts: Sequence[Image.Image]) -> Image.Image:
    """Pictures in one row."""
    row = Image.new("RGB", (sum(p.width for p in parts), max(p.height for p in parts)), "white")
    x = 0
    for part in parts:
        row.paste(part, (x, 0))
        x += part.width
    return row


def stacked(rows: Sequence[Image.Image]) -> Image.Image:
    """Pictures below each other, centred, as wide as the first."""
    width = rows[0].width
    rows = [row if row.width <= width else row.reduce(-(-row.width // width)) for row in rows]
    whole = Image.new("RGB", (width, sum(row.height for row in rows)), "white")
    y = 0
    for row in rows:
        whole.paste(row, ((width - row.width) // 2, y))
        y += row.height
    return whole


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
