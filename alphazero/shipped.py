"""Files that come with the package: the rules of games, configurations, trained networks."""

from pathlib import Path

from alphazero.errors import UserError, closest

PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """The folder of the shipped `games` or `configs`.

    The wheel installs them as `alphazero_games` and `alphazero_configs` beside the package, names
    that no project of a user has; a checkout has them at its top level.
    """
    installed = PACKAGE.parent / f"alphazero_{name}"
    return installed if installed.is_dir() else PACKAGE.parent / name


def configurations() -> dict[str, Path]:
    """Map the name of every shipped configuration, such as `connect4`, to its file."""
    return {path.stem: path for path in sorted(shipped_folder("configs").glob("*.toml"))}


def find_configuration(text: str) -> Path:
    """The configuration file that a text means: a path, or the name of a shipped configuration.

    `configs/connect4.toml`, where there is no such file, means the shipped one. Raises UserError
    if there is neither.
    """
    path = Path(text).expanduser()
    if path.exists() and not path.is_dir():
        return path
    shipped = configurations()
    is_name = path.parts in ((path.stem,), ("configs", f"{path.stem}.toml"))
    if is_name and path.stem in shipped:
        return shipped[path.stem]
    if path.suffix == ".toml" or len(path.parts) != 1:
        raise UserError(f"cannot read the settings {text}: there is no such file")
    raise UserError(
        f"unknown configuration {text!r}{closest(text, shipped)}: give the path of a TOML file, or "
        f"one of {', '.join(shipped)}"
    )
