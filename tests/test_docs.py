"""Documents execute: commands parse, examples run, configurations load, links and paths exist."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import alphazero
import alphazero_games
from alphazero import bench
from alphazero.__main__ import main, read_options
from alphazero.arena.match import play_match
from alphazero.cli import play
from alphazero.config import load_config

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "alphazero/README.md",
    ROOT / "alphazero/DECISIONS.md",
    ROOT / "games/README.md",
    ROOT / "docs/clients.md",
    ROOT / "docs/training.md",
]
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(document: Path, language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.M | re.S)


def commands() -> list[tuple[str, str]]:
    """Every line of every shell block, and every command in backticks."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text()
        lines = [line for block in blocks(document, "sh") for line in block.splitlines()]
        lines += re.findall(
            r"`((?:python -m alphazero|python play.py|alphazero|make) [^`|]+)`", text
        )
        lines = [line for line in lines if line.strip() and "COMMAND" not in line]
        found += [(name_of(document), line) for line in lines]
    assert found
    return found


# -- commands --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("document", "command"), commands())
def test_every_command_in_the_documents_is_one(document: str, command: str) -> None:
    words = shlex.split(command, comments=True)
    program = words[0].removeprefix(".venv/bin/")
    if program == "make":
        done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    elif program.startswith("alphazero-"):
        parse(read_options, [program.removeprefix("alphazero-"), *words[1:]])
    elif program == "python" and words[1] == "play.py":
        parse(play.parser().parse_args, words[2:])
    elif program == "python" and words[1] == "docs/pictures.py":
        assert (ROOT / words[1]).exists() and len(words) == 4
    elif program == "alphazero" or (program == "python" and words[1:3] == ["-m", "alphazero"]):
        words = words[1 if program == "alphazero" else 3 :]
        parse(read_options, words if len(words) > 1 else [words[0], "--help"])
        if words[0] == "bench":
            parse(bench.parser().parse_args, words[1:])
        if words[0] == "train" and len(words) > 1 and "mygame" not in command:
            parse(main, [*words, "--dry-run"])
    else:
        assert program in ("tensorboard",), f"{document}: not a command of this project: {command}"


def parse(read: Callable[[list[str]], object], arguments: list[str]) -> None:
    """Have a program's own parser read the arguments; it exits when it does not understand."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            answer = read(arguments)
            code = answer if isinstance(answer, int) else 0
        except SystemExit as exit:  # after --help, or an error
            code = exit.code
    assert code == 0, f"{shlex.join(arguments)}: {errors.getvalue()}"


def test_the_first_command_comes_by_line_15_of_the_readme() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert "make train" in lines[:15]


def test_every_target_of_the_makefile_is_explained_in_its_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony is not None
    assert set(re.findall(r"^([a-z]+):.*## \w", makefile, re.M)) == set(phony.group(1).split())
    assert {"train", "test", "check", "bench", "lint", "format"} <= set(phony.group(1).split())


# -- examples --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "docs/reference.md"], ids=name_of)
def test_python_examples_in_the_documents_run(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but what takes long: games of the match, and the run after its settings are read."""
    trained = []
    played = play_match
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("alphazero.run.loop.train", lambda config, **_: trained.append(config))
    monkeypatch.setattr(
        "alphazero.arena.match.play_match",
        lambda game, a, b, games, **more: played(game, a, b, games // 10, **more),
    )
    examples = list(blocks(document, "python"))
    assert examples
    for example in examples:
        exec(compile(example, name_of(document), "exec"), {})
    assert [config.search.simulations for config in trained] == [32] * (document.stem == "README")


def modules() -> list[str]:
    found = []
    for package in (alphazero, alphazero_games):
        found += [package.__name__]
        found += [m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [name for name in found if name != "alphazero.__main__"]


@pytest.mark.parametrize("module", modules())
def test_examples_in_docstrings_run(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_every_name_of_the_reference_is_there() -> None:
    names = re.findall(r"^::: ([\w.]+)$", (ROOT / "docs/reference.md").read_text(), re.M)
    assert names
    for name in names:
        module, _, attribute = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert getattr(importlib.import_module(module), attribute).__doc__, name


# -- configurations --------------------------------------------------------------------------------


def test_there_is_a_configuration_for_each_promise() -> None:
    names = {path.stem for path in CONFIGS}
    assert {"smoke", "tictactoe", "connect4", "go9", "go19", "chess", "chess-small"} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_every_configuration_loads_and_says_something(path: Path) -> None:
    config = load_config(path)
    assert config.game
    for table, settings in tomllib.loads(path.read_text()).items():
        if isinstance(settings, dict):
            assert settings, f"[{table}] is empty"


# -- what the documents point at -------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_and_paths_in_the_documents_exist(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S)
    missing = []
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http") and not (document.parent / target).exists():
            missing.append(target)
    for path in re.findall(r"`([\w/.-]+\.(?:py|toml|md)|[\w/-]+/)`", text):
        places = [document.parent / path, ROOT / path, ROOT / "alphazero" / path]
        places += [folder / path for folder in (ROOT / "alphazero").iterdir() if folder.is_dir()]
        written_by_user = path in ("mygame.py", "./mygame.py") or path.startswith("runs")
        if not written_by_user and not any(place.exists() for place in places):
            missing.append(path)
    assert not missing, f"{name_of(document)} names what is not there: {missing}"


def test_every_module_of_the_engine_is_on_the_map() -> None:
    text = (ROOT / "alphazero/README.md").read_text()
    top = [path for path in (ROOT / "alphazero").iterdir() if not path.name.startswith("__")]
    names = [f"`{path.name}`" for path in top if path.suffix == ".py"]
    names += [f"`{path.name}/`" for path in top if (path / "__init__.py").is_file()]
    missing = [name for name in names if name not in text]
    assert not missing, f"alphazero/README.md does not mention {missing}"
