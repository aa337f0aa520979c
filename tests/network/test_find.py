"""Evaluators and network files by text."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from alphazero.config import NetworkConfig, SearchConfig
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.learning import checkpoint
from alphazero.network import find
from alphazero.network.evaluator import RolloutEvaluator, UniformEvaluator
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.registry import build
from alphazero.network.weights import save_weights
from alphazero.search.search import search_many
from tests.helpers.network_games import made_up_game

TINY = NetworkConfig(size="b1c8")
TICTACTOE = load("tic-tac-toe")
GAME = made_up_game((2, 3, 3), 9, parameters={"size": 3, "komi": 0.5})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three checkpoints."""
    for step in (1, 2, 3):
        checkpoint.save(
            tmp_path / "checkpoints",
            step,
            state={},
            network=build(TICTACTOE, TINY, seed=step),
            game=TICTACTOE,
            config="",
        )
    return tmp_path


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("uniform", UniformEvaluator),
        ("rollout", RolloutEvaluator),
        ("pretrained", NetworkEvaluator),
    ],
)
def test_an_evaluator_by_its_name(source: str, kind: type) -> None:
    evaluator = find.evaluator(TICTACTOE, source, device="cpu")
    assert isinstance(evaluator, kind)
    config = SearchConfig(policy="puct", simulations=8)
    (result,) = search_many(TICTACTOE, evaluator, config, [TICTACTOE.position()], [1])
    assert result.visits.sum() >= 8


def test_a_path_is_a_file_a_checkpoint_or_a_run(run: Path) -> None:
    newest = run / "checkpoints" / "step-00000003"
    assert find.weights_path(run) == find.weights_path(newest) == newest
    assert find.network_path(TICTACTOE, str(run)) == newest
    file = newest / "weights.safetensors"
    assert find.weights_path(file) == file
    for source in (run, newest, file, str(file)):
        assert isinstance(find.evaluator(TICTACTOE, source, device="cpu"), NetworkEvaluator)


def test_a_checkpoint_with_damaged_weights_is_passed_over(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = run / "checkpoints"
    content = bytearray((checkpoints / "step-00000003" / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (checkpoints / "step-00000003" / "weights.safetensors").write_bytes(content)
    (checkpoints / "step-00000002").rename(checkpoints / "step-00000002.old")
    assert find.weights_path(run).name == "step-00000002.old"
    assert "step-00000003" in caplog.text and "checksum" in caplog.text
    (checkpoints / "step-00000002.old" / "weights.safetensors").unlink()
    (checkpoints / "step-00000001" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="no checkpoint"):
        find.evaluator(TICTACTOE, run)


def test_what_is_not_there_or_does_not_fit_is_an_error_that_says_so(run: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*nothing\.safetensors"):
        find.evaluator(TICTACTOE, run / "nothing.safetensors")
    with pytest.raises(UserError, match=r"connect4:rows=4,cols=4: .*uniform or rollout"):
        find.evaluator(load("connect4:rows=4,cols=4"))
    with pytest.raises(UserError, match="not for"):
        find.evaluator(load("connect4"), run)


def test_finding_loads_no_torch_where_there_is_no_network(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from alphazero.network import find\n"
        "assert find.has_pretrained('go') and not find.has_pretrained('no-such-game')\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_pretrained_networks_are_found_where_they_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)
    assert find.pretrained(GAME) is None
    save_weights(tmp_path / "made-up.safetensors", build(GAME, TINY), GAME)
    assert find.pretrained(GAME) == tmp_path / "made-up.safetensors"
    assert find.pretrained(replace(GAME, parameters={"size": 5, "komi": 0.5})) is None
    assert find.pretrained(replace(GAME, name="other")) is None


def test_of_several_networks_the_one_for_the_nearest_board_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)
    for file, size in (("go", 5), ("go-9", 9)):
        game = load(f"go:size={size}")
        save_weights(tmp_path / f"{file}.safetensors", build(game, TINY), game)
    for size, file in ((5, "go"), (6, "go"), (8, "go-9"), (13, "go-9")):
        assert find.pretrained(load(f"go:size={size}")) == tmp_path / f"{file}.safetensors"


def test_a_name_that_begins_alike_is_another_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "PRETRAINED", tmp_path)
    (tmp_path / "gomoku.safetensors").touch()
    assert not find.has_pretrained("go") and find.has_pretrained("gomoku")
