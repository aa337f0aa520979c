"""The gymnasium environments: what agents see, how opponents answer, and gymnasium's own checks."""

import logging
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from alphazero import env as environments
from alphazero.arena.players import make_player
from alphazero.env import GameEnv, environment_id
from alphazero.errors import UserError
from alphazero.game import load
from alphazero.picture import board_picture

CONNECT4 = load("connect4")
TICTACTOE = load("tic-tac-toe")


def replies(moves: str):
    """An opponent that plays the given moves in order."""
    left = moves.split()
    return lambda position, rng: position.action(left.pop(0))


def run(env: GameEnv, moves: str) -> tuple:
    """The last step's answer after the agent's moves, given as text."""
    answer = ()
    for text in moves.split():
        answer = env.step(np.int64(env.game.position().action(text)))
    return answer


def episode(env: gymnasium.Env, seed: int | None) -> list:
    """All that a random agent sees of one episode."""
    observation, info = env.reset(seed=seed)
    rng = np.random.default_rng(0)
    seen = [observation.tolist(), info["action_mask"].tolist(), info["side"]]
    over = False
    while not over:
        action = rng.choice(info["legal_actions"])
        observation, reward, over, truncated, info = env.step(action)
        assert not truncated
        seen += [observation.tolist(), reward, info["action_mask"].tolist()]
    return seen


# -- gymnasium's view ------------------------------------------------------------------------------


def test_every_game_is_registered_under_its_title():
    assert environment_id("Connect Four") == "alphazero/ConnectFour-v0"
    assert environment_id("Tic-tac-toe") == "alphazero/TicTacToe-v0"
    assert environment_id("Gomoku 15x15") == "alphazero/Gomoku15x15-v0"
    for name, game in (("ConnectFour", CONNECT4), ("TicTacToe", TICTACTOE)):
        env = gymnasium.make(f"alphazero/{name}-v0")
        assert env.unwrapped.game.spec == game.spec
    env = gymnasium.make("alphazero/Game-v0", game="connect4:rows=5,cols=4")
    assert env.observation_space.shape == (2, 5, 4)


def test_a_broken_game_does_not_hide_the_others(monkeypatch, caplog):
    games = {"broken": "nowhere.broken", "connect4": "alphazero_games.connect4"}
    monkeypatch.setattr(environments, "available", lambda: games)
    monkeypatch.delitem(gymnasium.registry, "alphazero/ConnectFour-v0")
    with caplog.at_level(logging.WARNING):
        environments.register()
    assert "broken" in caplog.text
    assert "alphazero/ConnectFour-v0" in gymnasium.registry


@pytest.mark.parametrize("name", ["TicTacToe", "ConnectFour"])
@pytest.mark.parametrize("options", [{}, {"side": "second"}, {"side": "random"}])
def test_gymnasiums_own_check_finds_nothing(name, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(f"alphazero/{name}-v0", **options).unwrapped)


def test_gymnasiums_own_check_accepts_a_searching_opponent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("alphazero/TicTacToe-v0", opponent="mcts:10").unwrapped)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vector_environments_step_and_stack_masks(mode):
    envs = gymnasium.make_vec(
        "alphazero/ConnectFour-v0", num_envs=3, vectorization_mode=mode, side="random"
    )
    try:
        observations, infos = envs.reset(seed=3)
        assert observations.shape == (3, 2, 6, 7) and observations.dtype == np.uint8
        finished = 0
        for _ in range(60):
            masks = infos["action_mask"]
            assert masks.shape == (3, 7) and masks.dtype == np.int8
            actions = np.array([np.flatnonzero(mask)[0] if mask.any() else 0 for mask in masks])
            observations, rewards, terminated, truncated, infos = envs.step(actions)
            assert not truncated.any() and not infos["illegal_action"].any()
            assert np.all(np.isin(rewards, (-1, 0, 1)))
            finished += int(terminated.sum())
        assert finished > 3
    finally:
        envs.close()


def test_sync_and_async_vectors_play_the_same_games():
    seen = []
    for mode in ("sync", "async"):
        envs = gymnasium.make_vec("alphazero/TicTacToe-v0", num_envs=2, vectorization_mode=mode)
        _, infos = envs.reset(seed=5)
        steps = []
        for _ in range(12):
            masks = infos["action_mask"]
            actions = np.array([np.flatnonzero(mask)[-1] if mask.any() else 0 for mask in masks])
            observations, rewards, *_, infos = envs.step(actions)
            steps.append((observations.tolist(), rewards.tolist()))
        envs.close()
        seen.append(steps)
    assert seen[0] == seen[1]


# -- an agent's view -------------------------------------------------------------------------------


def test_observations_are_the_planes_of_the_player_to_move():
    env = GameEnv("tic-tac-toe", opponent=replies("b2 c3"))
    observation, info = env.reset(seed=0)
    assert not observation.any() and info["action_mask"].tolist() == [1] * 9
    assert env.action_masks().dtype == bool and env.action_masks().all()
    observation, reward, terminated, truncated, info = run(env, "a1")
    assert env.action_masks().tolist() == [bool(one) for one in info["action_mask"]]
    position = TICTACTOE.position()
    position.play("a1")
    position.play("b2")
    assert np.array_equal(observation, position.planes())
    assert observation[0, 2, 0] == 1 and observation[1, 1, 1] == 1  # mine, theirs
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["legal_actions"] == position.legal_actions() == [0, 1, 2, 3, 5, 7, 8]
    assert info["action_mask"].tolist() == [1, 1, 1, 1, 0, 1, 0, 1, 1]
    assert info["action_mask"].dtype == np.int8
    assert (info["side"], info["illegal_action"]) == (0, False)
    assert env.action_space.sample(info["action_mask"]) in info["legal_actions"]


@pytest.mark.parametrize(
    ("side", "agent", "opponent", "reward"),
    [
        ("first", "a1 b1 c1", "a3 b3", 1.0),
        ("first", "a1 b1 a2", "a3 b3 c3", -1.0),
        ("second", "a3 b3 c3", "a1 b1 a2", 1.0),
        ("second", "a3 b3", "a1 b1 c1", -1.0),
        ("first", "b2 a3 b3 c2 a1", "a2 c1 b1 c3", 0.0),
    ],
)
def test_the_reward_is_the_agents_result(side, agent, opponent, reward):
    env = GameEnv("tic-tac-toe", opponent=replies(opponent), side=side)
    env.reset()
    *moves, last = agent.split()
    for move in moves:
        assert run(env, move)[1:4] == (0.0, False, False)
    _, got, terminated, truncated, info = run(env, last)
    assert (got, terminated, truncated) == (reward, True, False)
    assert isinstance(got, float) and not info["action_mask"].any() and info["legal_actions"] == []


def test_as_second_player_the_agent_sees_the_opponents_first_move():
    env = GameEnv("connect4", opponent=replies("d"), side="second")
    observation, info = env.reset()
    assert observation[1, 5, 3] == 1 and observation.sum() == 1 and info["side"] == 1


def test_the_side_can_be_drawn_or_chosen_for_an_episode():
    env = GameEnv("connect4", side="random")
    sides = [env.reset(seed=seed)[1]["side"] for seed in range(20)]
    assert set(sides) == {0, 1}
    assert sides == [env.reset(seed=seed)[1]["side"] for seed in range(20)]
    assert env.reset(options={"side": "second"})[1]["side"] == 1
    assert GameEnv("connect4").reset(options={"side": "second"})[1]["side"] == 1


def test_an_illegal_action_loses_by_default():
    env = GameEnv("tic-tac-toe", opponent=replies("b2"))
    env.reset()
    before = run(env, "a1")[0]
    observation, reward, terminated, truncated, info = run(env, "b2")
    assert (reward, terminated, truncated) == (-1.0, True, False)
    assert info["illegal_action"] is True and not info["action_mask"].any()
    assert np.array_equal(observation, before)
    with pytest.raises(gymnasium.error.ResetNeeded):
        run(env, "a2")
    env.opponent = replies("b2")
    env.reset()
    assert run(env, "a2")[4]["illegal_action"] is False


def test_an_illegal_action_can_be_an_error_that_changes_nothing():
    env = GameEnv("tic-tac-toe", opponent=replies("b2 c3"), illegal_action="raise")
    env.reset()
    run(env, "a1")
    with pytest.raises(ValueError, match="b2 is illegal: the cell is taken by O"):
        run(env, "b2")
    with pytest.raises(ValueError, match=r"not in 0\.\.8"):
        env.step(9)
    assert run(env, "a2")[2] is False


def test_steps_need_a_reset_before_and_after_a_game():
    env = GameEnv("tic-tac-toe", opponent=replies("a3 b3"))
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)
    env.reset()
    run(env, "a1 b1 c1")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


# -- opponents and seeds ---------------------------------------------------------------------------


@pytest.mark.parametrize("opponent", ["random", "mcts:20"])
def test_the_same_seed_gives_the_same_episodes(opponent):
    first, second, third = (GameEnv("connect4", opponent, side="random") for _ in range(3))
    games = [[episode(env, 7), episode(env, None)] for env in (first, second)]
    assert games[0] == games[1]
    assert games[0][0] != games[0][1]
    assert episode(third, 8) != games[0][0]
    assert episode(third, 7) == games[0][0]  # whatever was played before


def test_make_takes_a_game_and_the_environment_s_options():
    env = environments.make("connect4:rows=5,cols=5", opponent="mcts:2", side="second")
    assert isinstance(env.unwrapped, GameEnv) and env.unwrapped.game.planes == (2, 5, 5)
    assert env.unwrapped.side == "second"
    assert episode(environments.make("connect4"), 7) == episode(GameEnv("connect4"), 7)
    assert environments.make(CONNECT4).unwrapped.game is CONNECT4
    with pytest.raises(UserError, match="connect5"):
        environments.make("connect5")


def test_an_opponent_may_be_a_player_or_a_function():
    player = make_player("random", CONNECT4)
    assert episode(GameEnv(CONNECT4, player), 3) == episode(GameEnv("connect4", "random"), 3)

    def random(position, rng):
        assert position.to_play == 1
        position.play(position.legal_actions()[0])  # its own copy
        return rng.choice(position.game.position().legal_actions()[:1])

    env = GameEnv("connect4", random)
    env.reset(seed=1)
    observation = run(env, "d")[0]
    assert observation[1, 5, 0] == 1 and observation.sum() == 2


def test_a_strong_opponent_punishes_and_is_used_in_step():
    env = GameEnv("tic-tac-toe", opponent="mcts:200")
    results = [episode(env, seed)[-2] for seed in range(10)]
    assert sum(results) < -5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"game": "connect5"}, "unknown game 'connect5'"),
        ({"opponent": "nobody"}, "nobody"),
        ({"side": "third"}, "side 'third'.*choices: first, second, random"),
        ({"illegal_action": "ignore"}, "choices: lose, raise"),
        ({"render_mode": "human"}, "choices: ansi, rgb_array"),
    ],
)
def test_bad_options_name_the_choices(options, message):
    with pytest.raises(UserError, match=message):
        GameEnv(**({"game": "connect4"} | options))


def test_bad_reset_options_name_the_choices():
    env = GameEnv("connect4")
    with pytest.raises(UserError, match="choices: first, second, random"):
        env.reset(options={"side": "x"})
    with pytest.raises(UserError, match="option 'sides' \\(did you mean \"side\"\\?\\)"):
        env.reset(options={"sides": "first"})


# -- pictures --------------------------------------------------------------------------------------


def test_ansi_is_the_board():
    env = GameEnv("tic-tac-toe", opponent=replies("b2"), render_mode="ansi")
    env.reset()
    run(env, "a1")
    assert env.render() == "   a  b  c\n3  .  .  .  3\n2  . (O) .  2\n1  X  .  .  1\n   a  b  c\n"


def test_a_picture_is_that_of_the_board():
    env = GameEnv("tic-tac-toe", opponent=replies("b2"), render_mode="rgb_array")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.render()
    env.reset()
    empty = env.render()
    run(env, "a1")
    image = env.render()
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape == empty.shape
    position = TICTACTOE.position()
    position.play("a1")
    position.play("b2")
    assert np.array_equal(image, board_picture(position.board_view()))
    assert not np.array_equal(image, empty)


def test_without_a_render_mode_nothing_is_rendered():
    env = GameEnv("tic-tac-toe")
    env.reset()
    assert env.render() is None
