"""Architectures by name, and weights files that name theirs or are older than the names."""

import json
from collections.abc import Collection
from pathlib import Path

import pytest
import safetensors.numpy
import torch
from torch import Tensor, nn

from alphazero.config import NetworkConfig
from alphazero.errors import UserError
from alphazero.network import registry
from alphazero.network.architectures.resnet import ResNet
from alphazero.network.evaluator import Leaves
from alphazero.network.network import Network, NetworkOutput
from alphazero.network.network_evaluator import NetworkEvaluator
from alphazero.network.weights import load_weights, read_header, save_weights
from tests.helpers.network_games import column_game, random_planes, trained

GAME, TINY = column_game(), NetworkConfig(size="b1c8")


class Perceptron(Network):
    """One hidden layer over the whole board: an architecture of a test."""

    architecture = "perceptron"

    def __init__(self, game, config, encoder=None) -> None:
        super().__init__(game, config, encoder)
        if not config.size.startswith("b1c"):
            raise UserError("a perceptron has one layer")
        self.channels = int(config.size[3:])
        self.hidden = nn.Linear(self.planes[0] * self.planes[1] * self.planes[2], self.channels)
        self.outputs = nn.Linear(self.channels, self.policy_size + 3)

    def trunk(self, planes: Tensor, mask: Tensor | None, values: Tensor | None = None) -> Tensor:
        return torch.relu(self.hidden(planes.flatten(1).float()))[:, :, None, None]

    def heads(
        self, x: Tensor, mask: Tensor | None, auxiliary: Collection[str] | None = None
    ) -> NetworkOutput:
        found = self.outputs(x[:, :, 0, 0])
        return NetworkOutput(found[:, :-3], found[:, -3:], {})

    def decide(
        self, planes: Tensor, mask: Tensor | None = None, values: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        output = self.heads(self.trunk(planes, mask), mask)
        return output.policy, output.wdl


def test_the_default_is_a_resnet() -> None:
    network = registry.build(GAME, TINY)
    assert isinstance(network, ResNet) and network.architecture == registry.DEFAULT == "resnet"


def test_an_unknown_architecture_is_an_error_that_names_the_others() -> None:
    with pytest.raises(UserError, match=r'"resnt".*"?resnet'):
        registry.build(GAME, TINY, architecture="resnt")


def test_another_architecture_is_built_evaluated_and_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.ARCHITECTURES, "perceptron", Perceptron)
    network = registry.build(GAME, TINY, architecture="perceptron").eval()
    planes = random_planes(GAME, 5)
    leaves = Leaves(planes, planes, planes)
    answer = NetworkEvaluator(network, "cpu", precision="float32").evaluate(leaves)
    with torch.no_grad():
        expected = network(torch.from_numpy(planes).float())
    torch.testing.assert_close(torch.from_numpy(answer.logits), expected.policy)
    torch.testing.assert_close(torch.from_numpy(answer.wdl), expected.wdl.softmax(1))
    save_weights(tmp_path / "net.safetensors", network, GAME)
    again, header = load_weights(tmp_path / "net.safetensors", GAME)
    assert isinstance(again, Perceptron) and header["architecture"] == "perceptron"
    with pytest.raises(UserError, match="one layer"):
        registry.build(GAME, NetworkConfig(size="b2c8"), architecture="perceptron")


def test_a_weights_file_without_an_architecture_is_a_resnets(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    network = trained(GAME, TINY)
    save_weights(path, network, GAME)
    header = read_header(path)
    del header["architecture"]
    weights = safetensors.numpy.load_file(path)
    path.write_bytes(safetensors.numpy.save(weights, {"alphazero": json.dumps(header)}))
    again, _ = load_weights(path, GAME)
    assert isinstance(again, ResNet)
    for one, other in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
