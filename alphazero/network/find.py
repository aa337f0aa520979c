"""Evaluators and network files by text: `pretrained`, a path, a run folder, `uniform`, `rollout`.

Torch, which takes seconds to import, is loaded only when a network is.
"""

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

from alphazero.errors import UserError

if TYPE_CHECKING:
    from alphazero.game import Game
    from alphazero.network.evaluator import Evaluator

logger = logging.getLogger(__name__)

PRETRAINED = Path(__file__).resolve().parent.parent / "pretrained"  # networks of the package
WITHOUT_NETWORK = ("uniform", "rollout")  # evaluators that need none
CHECKPOINTS = "checkpoints"  # the folder in a run that holds them
CHECKPOINT = re.compile(r"step-(\d{8,})(\.old)?")  # .old: about to be replaced by its namesake


def evaluator(
    game: "Game",
    source: "str | Path" = "pretrained",
    *,
    device: str = "auto",
    threads: int = 1,
    precision: str = "auto",
) -> "Evaluator":
    """Make the evaluator that a text names.

    `source` is "pretrained" for the network that comes with the package, the path of a weights
    file, a checkpoint or a run (its newest checkpoint), "uniform" for equal priors and a draw, or
    "rollout" for random playouts. A network runs on `device` (auto, cpu, cuda, cuda:N, mps), in
    `threads` side by side if that is the CPU, in `precision` (auto, float32, bfloat16).

    Raises UserError, which names the choices, if there is no such network or it does not fit.
    """
    if source in WITHOUT_NETWORK:
        from alphazero.network.evaluator import RolloutEvaluator, UniformEvaluator

        return UniformEvaluator(game) if source == "uniform" else RolloutEvaluator(game)
    path = network_path(game, source)
    from alphazero.network.network_evaluator import NetworkEvaluator
    from alphazero.network.weights import load_weights

    network, _ = load_weights(path, game)
    return NetworkEvaluator(network, device, threads=threads, precision=precision)


def network_path(game: "Game", source: "str | Path" = "pretrained") -> Path:
    """Find the weights file or checkpoint that a text names; see `evaluator`. Raises UserError."""
    if source != "pretrained":
        return weights_path(source)
    path = pretrained(game)
    if path is None:
        raise UserError(
            f"the package has no pretrained network for {game.spec}: give the path of a weights"
            " file, a checkpoint or a run, or use uniform or rollout"
        )
    return path


def weights_path(source: "str | Path") -> Path:
    """Find the weights file or checkpoint at a path; of a run, its newest checkpoint.

    Raises UserError for a run without a checkpoint whose weights are whole.
    """
    path = Path(source).expanduser()
    if not (path / CHECKPOINTS).is_dir():
        return path
    found = newest_checkpoint(path / CHECKPOINTS)
    if found is None:
        raise UserError(f"the run {path} has no checkpoint yet")
    return found


def newest_checkpoint(directory: Path) -> Path | None:
    """Find the newest checkpoint whose weights are whole, or None.

    Damaged ones are passed over with a warning. Raises UserError for one of a newer program.
    """
    from alphazero.network.weights import Damaged, check_weights

    named = [(CHECKPOINT.fullmatch(path.name), path) for path in directory.iterdir()]
    found = [(int(match[1]), match[2] is None, path) for match, path in named if match]
    for _, _, path in sorted(found, reverse=True):
        try:
            check_weights(path)
        except Damaged as error:
            logger.warning("passing over a checkpoint: %s", error)
        else:
            return path
    return None


def has_pretrained(name: str) -> bool:
    """Return True if the package has a network for some variant of the game of this name."""
    return bool(candidates(name))


def candidates(name: str) -> list[Path]:
    """List the package's networks for a game: NAME.safetensors, NAME-19.safetensors and so on."""
    paths = sorted(PRETRAINED.glob(f"{name}*.safetensors"))
    return [path for path in paths if re.fullmatch(rf"{re.escape(name)}(-\d+)?", path.stem)]


def pretrained(game: "Game") -> Path | None:
    """Find the package's network for a game, or None; of several that fit, the one for the board
    nearest in size."""
    if not has_pretrained(game.name):
        return None
    from alphazero.network.weights import misfit, read_header

    fitting: list[tuple[int, Path]] = []
    for path in candidates(game.name):
        header = read_header(path)
        if not misfit(header, game):
            fitting.append((abs(sum(header["planes"][1:]) - sum(game.planes[1:])), path))
    return min(fitting)[1] if fitting else None
