"""Players: what they are called, what they choose, one position or many."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from alphazero.arena import players
from alphazero.arena.players import (
    AlphaBetaPlayer,
    PolicyPlayer,
    RandomPlayer,
    SearchPlayer,
    make_player,
    parse_spec,
)
from alphazero.config import NetworkConfig, SearchConfig
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.network.evaluator import Evaluation, Evaluator

TICTACTOE = load("tic-tac-toe")
CONNECT4 = load("connect4")


def after(game, text):
    position = game.position()
    for move in text.split():
        position.play(move)
    return position


def some_positions(game, count, seed=0):
    """Positions after random legal moves."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        position = game.position()
        for _ in range(int(rng.integers(0, 6))):
            if not position.is_over:
                position.play(int(rng.choice(position.legal_actions())))
        if not position.is_over:
            found.append(position)
    return found


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "argument", "options"),
    [
        ("random", "random", "", {}),
        ("mcts:1000", "mcts", "1000", {}),
        ("rave:500", "rave", "500", {}),
        ("tactics:9", "tactics", "9", {}),
        (" MCTS:20,playouts=4", "mcts", "20", {"playouts": "4"}),
        ("pretrained", "pretrained", "", {}),
        ("pretrained:50,temperature=0.5", "pretrained", "50", {"temperature": "0.5"}),
        ("pretrained:temperature=1", "pretrained", "", {"temperature": "1"}),
        ("checkpoint:runs/a", "checkpoint", "runs/a", {}),
        (
            "checkpoint:C:\\runs\\a,simulations=80,temperature=1",
            "checkpoint",
            "C:\\runs\\a",
            {"simulations": "80", "temperature": "1"},
        ),
        ("policy:runs/go-size=9,x", "policy", "runs/go-size=9,x", {}),
    ],
)
def test_specs_are_taken_apart(text, kind, argument, options):
    spec = parse_spec(text)
    assert (spec.kind, spec.argument, spec.options) == (kind, argument, options)


def test_a_path_may_look_like_options(tmp_path):
    run = tmp_path / "connect4-rows=6,cols=7"
    run.mkdir()
    spec = parse_spec(f"checkpoint:{run},simulations=5")
    assert (spec.argument, spec.options) == (str(run), {"simulations": "5"})
    assert parse_spec(f"checkpoint:{run}").argument == str(run)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mtcs:100", r"unknown player 'mtcs:100' \(did you mean \"mcts\"\?\); choices: random, .*"),
        ("", r"unknown player ''.*checkpoint:PATH"),
        ("mcts", "lacks its simulations: write mcts:1000"),
        ("mcts:many", "simulations must be a whole number above 0, not 'many'"),
        ("mcts:0", "not '0'"),
        ("mcts:-5", "not '-5'"),
        ("mcts:9,playout=2", r"no option 'playout' \(did you mean \"playouts\"\?\)"),
        ("mcts:9,playouts=", "playouts must be a whole number above 0, not ''"),
        ("alphabeta:", "lacks its depth: write alphabeta:6"),
        ("alphabeta:3,seconds=-1", "seconds must be a number of at least 0, not '-1'"),
        ("alphabeta:3,seconds=nan", "not 'nan'"),
        ("tactics:9", "player 'tactics:9': that is for chess; write mcts:9 for Tic-tac-toe"),
        ("random:7", "random takes no argument"),
        ("random:x=7", "has no option 'x'"),
        ("human", "nobody to ask here"),
        ("checkpoint", "lacks a path"),
        ("checkpoint:/no/such/file", "cannot read the network /no/such/file: No such file"),
        ("policy:/no/such/file", "cannot read the network"),
        (
            "checkpoint:/no/such,simulatons=9",
            r"no option 'simulatons' \(did you mean \"simulations\"\?\)",
        ),
        ("pretrained:x", "simulations must be a whole number"),
    ],
)
def test_what_cannot_be_a_player_is_refused_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        make_player(text, TICTACTOE)
    assert "\n" not in str(caught.value)


def test_every_kind_is_listed_with_an_example_that_parses():
    with pytest.raises(UserError) as caught:
        parse_spec("nobody")
    for kind, known in players.KINDS.items():
        assert known.example in str(caught.value)
        assert parse_spec(known.example).kind == kind


@pytest.mark.slow
def test_no_torch_before_a_network_is_needed():
    code = (
        "import sys; from alphazero.arena.players import make_player; "
        "from alphazero.game import load; g = load('tic-tac-toe'); "
        "make_player('mcts:5', g); make_player('alphabeta:2', g); assert 'torch' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


# -- choices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["random", "mcts:30", "mcts:8,playouts=3", "rave:30", "alphabeta:3"]
)
def test_choices_are_legal_repeatable_and_leave_positions_alone(text):
    player = make_player(text, TICTACTOE)
    assert player.name == text
    positions = some_positions(TICTACTOE, 30)
    before = [position.state_array.tobytes() for position in positions]
    chosen = player.choose(positions, np.random.default_rng(4))
    assert all(
        position.is_legal(action) for position, action in zip(positions, chosen, strict=True)
    )
    assert [position.state_array.tobytes() for position in positions] == before
    again = make_player(text, TICTACTOE).choose(positions, np.random.default_rng(4))
    assert chosen == again
    assert chosen != player.choose(positions, np.random.default_rng(5))
    assert player.choose([], np.random.default_rng(5)) == []


def test_random_is_uniform_over_legal_moves():
    position = after(TICTACTOE, "a1 b2 c3 a3 c1")
    chosen = RandomPlayer().choose([position] * 4000, np.random.default_rng(0))
    counts = np.bincount(chosen, minlength=9)
    legal = position.legal_mask().astype(bool)
    assert (counts[~legal] == 0).all()
    assert (np.abs(counts[legal] - 1000) < 120).all()  # more than 4 standard deviations


@pytest.mark.slow
@pytest.mark.parametrize("text", ["mcts:300", "alphabeta:2"])
@pytest.mark.parametrize(
    ("moves", "best"),
    [("a b a b a", "a"), ("a g b g c", "d"), ("a g b g c g", "d")],  # block twice, win
)
def test_searchers_see_tactics(text, moves, best):
    position = after(CONNECT4, moves)
    player = make_player(text, CONNECT4)
    (action,) = player.choose([position], np.random.default_rng(0))
    assert position.text(action) == best


def test_many_positions_are_searched_as_each_alone(monkeypatch):
    monkeypatch.setattr(players, "MOST_TREES", 7)  # trees take one position after the other
    player = make_player("mcts:25", CONNECT4)
    assert isinstance(player, SearchPlayer)
    positions = some_positions(CONNECT4, 23)
    chosen = player.choose(positions, np.random.default_rng(9))
    seeds = np.random.default_rng(9).integers(2**63, size=23).tolist()
    alone = [
        player.analyse(position, seed=seed).best
        for position, seed in zip(positions, seeds, strict=True)
    ]
    assert chosen == alone
    # Fewer positions than before, in the same trees, and more in new ones.
    assert player.choose(positions[:3], np.random.default_rng(9)) == alone[:3]
    other = make_player("mcts:25", CONNECT4)
    other.choose(positions[:1], np.random.default_rng(0))
    assert other.choose(positions, np.random.default_rng(9)) == alone


def test_analyse_takes_other_simulations():
    player = make_player("mcts:25", CONNECT4)
    assert isinstance(player, SearchPlayer)
    assert player.analyse(CONNECT4.position()).simulations == 25
    assert player.analyse(CONNECT4.position(), simulations=60).visits.sum() >= 59


def test_temperature_spreads_the_choice_of_a_search():
    quiet = make_player("mcts:40", CONNECT4)
    assert isinstance(quiet, SearchPlayer)
    hot = SearchPlayer(CONNECT4, quiet._evaluator, quiet._config, "hot", temperature=5.0)
    start = [CONNECT4.position()] * 60
    assert len(set(hot.choose(start, np.random.default_rng(0)))) == 7
    won = [after(CONNECT4, "a b a b a b")] * 20
    assert set(quiet.choose(won, np.random.default_rng(0))) == {0}


def test_a_cache_does_not_outlive_new_weights():
    favourite = Favourite()
    config = SearchConfig(policy="puct", simulations=1, nn_cache_size=100, symmetry=False)
    player = SearchPlayer(TICTACTOE, favourite, config, "cached")
    start = TICTACTOE.position()
    assert player.analyse(start).prior.argmax() == 4
    favourite.order = np.roll(Favourite.order, -1)
    assert player.analyse(start).prior.argmax() == 3


class Favourite(Evaluator):
    """Prefers cells in the order 4, 3, 5, 2, ... whatever the position."""

    order = np.array([4, 3, 5, 2, 6, 1, 7, 0, 8])

    def evaluate(self, leaves):
        logits = np.zeros((len(leaves.planes), 9), np.float32)
        logits[:, self.order] = -np.arange(9, dtype=np.float32)
        logits.setflags(write=False)  # as if they belonged to the evaluator
        return Evaluation.of_value(logits, np.zeros(len(leaves.planes), np.float32))


def test_policy_plays_the_likeliest_legal_move():
    player = PolicyPlayer(TICTACTOE, Favourite(), "favourite")
    positions = some_positions(TICTACTOE, 40)
    for position, action in zip(
        positions, player.choose(positions, np.random.default_rng(0)), strict=True
    ):
        assert action == next(cell for cell in Favourite.order if position.is_legal(int(cell)))


def test_policy_with_temperature_draws_by_softmax():
    player = PolicyPlayer(TICTACTOE, Favourite(), "favourite", temperature=2.0)
    position = after(TICTACTOE, "b2 a2 c2")  # cells 4, 3, 5 are taken
    chosen = player.choose([position] * 8000, np.random.default_rng(1))
    weights = np.exp(-np.arange(9) / 2.0)[3:]
    share = np.bincount(chosen, minlength=9)[Favourite.order[3:]] / 8000
    assert share == pytest.approx(weights / weights.sum(), abs=0.025)
    assert set(chosen).isdisjoint({4, 3, 5})


def test_human_is_asked_for_every_position():
    asked = []

    def ask(position):
        asked.append(position)
        return position.legal_actions()[-1]

    player = make_player("human", TICTACTOE, ask)
    positions = some_positions(TICTACTOE, 3)
    chosen = player.choose(positions, np.random.default_rng(0))
    assert asked == positions
    assert chosen == [position.legal_actions()[-1] for position in positions]


def test_alphabeta_with_a_clock_moves():
    player = make_player("alphabeta:40,seconds=0.05", CONNECT4)
    assert isinstance(player, AlphaBetaPlayer)
    (action,) = player.choose([CONNECT4.position()], np.random.default_rng(0))
    assert 0 <= action < 7


# -- networks --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two checkpoints with different tiny networks, and a file of the newer one."""
    import torch

    from alphazero.learning.checkpoint import save
    from alphazero.network.registry import build
    from alphazero.network.weights import save_weights

    directory = tmp_path_factory.mktemp("run")
    for step in (1, 2):
        torch.manual_seed(step)
        network = build(TICTACTOE, NetworkConfig(size="b1c8"))
        with torch.no_grad():
            for parameter in network.parameters():  # heads may start at zero: give them opinions
                parameter.add_(torch.randn_like(parameter) * 0.3)
        save(
            directory / "checkpoints",
            step,
            state={},
            network=network,
            game=TICTACTOE,
            config="",
        )
    save_weights(directory / "new.safetensors", network, TICTACTOE)
    return directory


def test_a_run_means_its_newest_checkpoint(run):
    positions = some_positions(TICTACTOE, 40)

    def moves(text):
        return make_player(text, TICTACTOE).choose(positions, np.random.default_rng(0))

    newest = moves(f"policy:{run / 'new.safetensors'}")
    assert moves(f"policy:{run / 'checkpoints' / 'step-00000002'}") == newest
    assert moves(f"policy:{run}") == newest
    assert moves(f"policy:{run / 'checkpoints' / 'step-00000001'}") != newest


def test_a_checkpoint_searches_with_its_network(run):
    player = make_player(f"checkpoint:{run},simulations=12", TICTACTOE)
    assert isinstance(player, SearchPlayer)
    assert player.name == f"checkpoint:{run},simulations=12"
    assert player.analyse(TICTACTOE.position()).simulations == 12
    (action,) = player.choose([after(TICTACTOE, "a1 b3 a2 b2")], np.random.default_rng(0))
    assert action == TICTACTOE.str_to_action(None, "a3")
    default = make_player(f"checkpoint:{run}", TICTACTOE)
    assert isinstance(default, SearchPlayer)
    assert default.analyse(TICTACTOE.position()).simulations <= players.SIMULATIONS


def test_a_network_for_another_game_and_an_empty_run_are_refused(run, tmp_path):
    with pytest.raises(UserError, match=r'holds a network for "tic-tac-toe", not for "connect4"'):
        make_player(f"checkpoint:{run}", CONNECT4)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="has no checkpoint yet"):
        make_player(f"checkpoint:{tmp_path}", TICTACTOE)
    with pytest.raises(UserError, match="no trained network for connect4:rows=4,cols=4"):
        make_player("pretrained", load("connect4:rows=4,cols=4"))
