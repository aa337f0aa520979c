"""Games as gymnasium environments: one agent against an opponent that answers inside `step`.

    import alphazero.env

    env = alphazero.env.make("connect4", opponent="mcts:50")
    observation, info = env.reset(seed=1)
    action = env.action_space.sample(info["action_mask"])

Importing this module also registers every game with gymnasium under its title, as in
`gymnasium.make("alphazero/ConnectFour-v0")`, and `alphazero/Game-v0` for any game with parameters:
`gymnasium.make("alphazero/Game-v0", game="connect4:rows=5,cols=5")`.
"""

import logging
import re
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.envs.registration import registry

from alphazero.arena.players import RESIGN, Player, make_player
from alphazero.errors import UserError, closest
from alphazero.game import Game, Position, available, load
from alphazero.picture import board_picture

logger = logging.getLogger(__name__)

SIDES = ("first", "second", "random")
ILLEGAL_ACTION = ("lose", "raise")

Opponent = str | Player | Callable[[Position, np.random.Generator], int]


class GameEnv(gymnasium.Env[np.ndarray, np.int64]):
    """A game in which the agent is one of the two players.

    Observations are the game's planes, uint8 [C, H, W], from the view of the player to move: the
    agent, except after a move of the agent's that ends the game. Most planes hold 0 and 1; do not
    divide them by 255. The reward is 0 until the end and then the agent's result in [-1, 1].

    `info` holds `action_mask` (int8 [A], for `action_space.sample`), `legal_actions` (a list),
    `side` (0 if the agent plays first) and `illegal_action` (True after an illegal action that
    lost the game).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}

    def __init__(
        self,
        game: str | Game,
        opponent: Opponent = "random",
        side: str = "first",
        illegal_action: str = "lose",
        render_mode: str | None = None,
    ) -> None:
        """Prepare a game; `reset` begins it. Raises UserError for unknown games and options.

        `opponent` is a player as on the command line (`random`, `mcts:100`, `checkpoint:PATH`), a
        Player, or a function (position, generator) -> action. `side` is the agent's: first, second,
        or random for each episode; `reset(options={"side": ...})` overrides it. `illegal_action`
        says what an illegal action does: "lose" ends the game with reward -1, for agents that
        explore without the mask; "raise" raises ValueError and leaves the game as it was.
        """
        self.game = load(game) if isinstance(game, str) else game
        self.opponent = make_player(opponent, self.game) if isinstance(opponent, str) else opponent
        self.side = _checked("side", side, SIDES)
        self.illegal_action = _checked("illegal_action", illegal_action, ILLEGAL_ACTION)
        if render_mode is not None:
            _checked("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        self.observation_space = gymnasium.spaces.Box(0, 255, self.game.planes, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(self.game.num_actions)
        self._position: Position | None = None  # None: reset() must come first
        self._over = False
        self._agent = 0  # the agent's player, 0 or 1

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        options = options or {}
        for name in options:
            _checked("option", name, ("side",))
        side = _checked("side", options.get("side", self.side), SIDES)
        self._agent = int(self.np_random.integers(2)) if side == "random" else SIDES.index(side)
        self._position = self.game.position()
        self._over = False
        self._answer()
        return self._position.planes(), self._info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if self._position is None or self._over:
            raise gymnasium.error.ResetNeeded("the game is over or has not begun: call reset()")
        position = self._position
        try:
            position.play(int(action))
        except ValueError:
            if self.illegal_action == "raise":
                raise
            self._over = True
            return position.planes(), -1.0, True, False, self._info(illegal_action=True)
        if self._answer() == RESIGN:
            self._over = True
            return position.planes(), 1.0, True, False, self._info()
        outcome = position.outcome()
        self._over = outcome is not None
        reward = 0.0 if outcome is None else outcome.values[self._agent]
        return position.planes(), reward, self._over, False, self._info()

    def render(self) -> Any:
        """The board as text (`ansi`) or as a picture uint8 [height, width, 3] (`rgb_array`)."""
        if self._position is None:
            raise gymnasium.error.ResetNeeded("there is no board to render yet: call reset()")
        if self.render_mode == "ansi":
            return self._position.render() + "\n"
        if self.render_mode == "rgb_array":
            return board_picture(self._position.board_view())
        return None

    def action_masks(self) -> np.ndarray:
        """The legal actions, bool [A], under the name that sb3-contrib's MaskablePPO calls."""
        return self._info()["action_mask"].astype(bool)

    def _answer(self) -> int | None:
        """Make the opponent's moves until it is the agent's turn; RESIGN if it resigns."""
        position = self._position
        assert position is not None
        while not position.is_over and position.to_play != self._agent:
            if isinstance(self.opponent, Player):
                (action,) = self.opponent.choose([position], self.np_random)
            else:
                action = self.opponent(position.copy(), self.np_random)
            if action == RESIGN:
                return RESIGN
            position.play(int(action))
        return None

    def _info(self, illegal_action: bool = False) -> dict[str, Any]:
        assert self._position is not None
        mask = self._position.legal_mask() * np.uint8(not self._over)
        return {
            "action_mask": mask.astype(np.int8),
            "legal_actions": np.flatnonzero(mask).tolist(),
            "side": self._agent,
            "illegal_action": illegal_action,
        }


def _checked(name: str, value: str, choices: tuple[str, ...] | list[str]) -> str:
    if value not in choices:
        hint = closest(str(value), choices)
        raise UserError(f"unknown {name} {value!r}{hint}; choices: {', '.join(choices)}")
    return value


def make(game: str | Game, **options: Any) -> gymnasium.Env[np.ndarray, np.int64]:
    """The environment of a game, such as "connect4" or "go:size=9".

    The options are those of `GameEnv` and of `gymnasium.make`.
    """
    return gymnasium.make("alphazero/Game-v0", game=game, **options)


def environment_id(title: str) -> str:
    """The name of an environment: `alphazero/ConnectFour-v0` for the title `Connect Four`."""
    words = re.findall(r"[A-Za-z0-9]+", title)
    return f"alphazero/{''.join(word[0].upper() + word[1:] for word in words)}-v0"


def register() -> None:
    """Register every available game with gymnasium, and `alphazero/Game-v0` for any game."""
    environments: dict[str, dict[str, str]] = {"alphazero/Game-v0": {}}
    for name in available():
        try:
            title = load(name).title
        except Exception as error:  # a broken plugin must not hide the other games
            logger.warning("the game %s has no environment: %s", name, error)
            continue
        environments.setdefault(environment_id(title), {"game": name})
    for identifier, kwargs in environments.items():
        if identifier not in registry:
            gymnasium.register(identifier, f"{__name__}:{GameEnv.__name__}", kwargs=kwargs)


register()
