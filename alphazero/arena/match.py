"""Matches of two players, many games at once, and round robins of many players.

Every opening is played twice with the seats changed, so that neither an opening nor the first move
favours anybody. The two games are a *pair*; pairs are what is independent, and what the statistics
count: `pairs[i]` is how many pairs brought player a i/2 points of 2.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from alphazero.arena.players import RESIGN, HumanPlayer, Player
from alphazero.arena.rating import Pairing, Sprt, fit_elo
from alphazero.arena.result import MatchResult, RoundRobin, Tally
from alphazero.data.record import GameRecord
from alphazero.errors import UserError
from alphazero.game import Game, Position

PARALLEL_GAMES = 128
OPENING_ATTEMPTS = 1000


class PlayerFailure(RuntimeError):
    """A player raised an exception or chose an illegal move; the match cannot go on."""


# -- a match ---------------------------------------------------------------------------------------


def play_match(
    game: Game,
    a: Player,
    b: Player,
    games: int,
    *,
    seed: int = 0,
    opening_plies: int = 2,
    sprt: Sprt | None = None,
    parallel: int = PARALLEL_GAMES,
    progress: Callable[[int, int], None] | None = None,
) -> MatchResult:
    """Play a match of `games` games; with an SPRT, at most so many, until it has decided.

    The same seed gives the same match. `progress` gets the number of finished games and of all.
    Raises UserError for impossible settings, PlayerFailure when a player breaks the rules.
    """
    if games < 2 or games % 2:
        raise UserError(f"a match has an even number of games, at least 2, not {games}")
    if not 0 <= opening_plies < game.max_plies:
        raise UserError(
            f"openings have 0 to {game.max_plies - 1} plies in {game.spec}, not {opening_plies}"
        )
    if isinstance(a, HumanPlayer) or isinstance(b, HumanPlayer):
        parallel = 1  # nobody plays many games at once
    match = _Match(game, (a, b), seed, opening_plies, sprt)
    match.play(range(games), parallel, progress or (lambda finished, games: None))
    return match.result()


@dataclass
class _Match:
    """Games under way. Game n belongs to pair n // 2; a has seat n % 2, 0 being the first."""

    game: Game
    players: tuple[Player, Player]
    seed: int
    opening_plies: int
    sprt: Sprt | None
    running: dict[int, Position] = field(default_factory=dict)
    finished: dict[int, Position] = field(default_factory=dict)
    resigned: dict[int, int] = field(default_factory=dict)  # game -> who gave up: 0 a, 1 b
    counted: int = 0  # games 0, 1, ... that count: up to where the SPRT has decided
    pairs: list[int] = field(default_factory=lambda: [0] * 5)

    def play(self, games: range, parallel: int, progress: Callable[[int, int], None]) -> None:
        waiting: Iterator[int] = iter(games)
        rngs = [np.random.default_rng([self.seed, 1 + side]) for side in (0, 1)]
        while True:
            for number in itertools.islice(waiting, parallel - len(self.running)):
                self.running[number] = self._opening(number)
            if not self.running:
                return
            for side, player in enumerate(self.players):
                numbers = [number for number in self.running if self._side_to_move(number) == side]
                positions = [self.running[number] for number in numbers]
                actions = choose_moves(player, positions, rngs[side], may_resign=True)
                for number, action in zip(numbers, actions, strict=True):
                    if action == RESIGN:
                        self.resigned[number] = side
                    else:
                        self.running[number].play(action)
                self._put_away(numbers)
            if self._count_pairs():
                return
            progress(len(self.finished), len(games))

    def _opening(self, number: int) -> Position:
        """Play the opening of a game: random legal moves, the same for both games of a pair."""
        rng = np.random.default_rng([self.seed, 0, number // 2])
        for _ in range(OPENING_ATTEMPTS):
            position = self.game.position()
            while len(position.moves) < self.opening_plies and not position.is_over:
                position.play(int(rng.choice(position.legal_actions())))
            if not position.is_over:
                return position
        raise UserError(
            f"openings of {self.opening_plies} random plies are too long for {self.game.spec}: "
            f"the game was over {OPENING_ATTEMPTS} times in a row"
        )

    def _side_to_move(self, number: int) -> int:
        """The side to move: 0 for a, 1 for b."""
        return int(self.running[number].to_play != number % 2)

    def _put_away(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if self.running[number].is_over or number in self.resigned:
                self.finished[number] = self.running.pop(number)

    def _points(self, number: int) -> float:
        """The points of a for a finished game: 1 for a win, however large, 1/2 or 0."""
        if number in self.resigned:
            return float(self.resigned[number] == 1)
        outcome = self.finished[number].outcome()
        assert outcome is not None
        return 0.5 if outcome.winner is None else float(outcome.winner == number % 2)

    def _count_pairs(self) -> bool:
        """Count finished pairs in the order of the games; true once the SPRT has decided."""
        while self.counted in self.finished and self.counted + 1 in self.finished:
            points = self._points(self.counted) + self._points(self.counted + 1)
            self.pairs[round(2 * points)] += 1
            self.counted += 2
            if self.sprt is not None and self.sprt.decision(self.pairs) is not None:
                return True
        return False

    def result(self) -> MatchResult:
        seats = [Tally(), Tally()]
        for number in range(self.counted):
            seats[number % 2] = seats[number % 2].plus(self._points(number))
        a, b = self.players
        return MatchResult(
            game=self.game,
            a=a.name,
            b=b.name,
            opening_plies=self.opening_plies,
            as_first=seats[0],
            as_second=seats[1],
            pairs=tuple(self.pairs),
            records=[self._record(number) for number in range(self.counted)],
            sprt=self.sprt,
        )

    def _record(self, number: int) -> GameRecord:
        position = self.finished[number]
        resigned = number in self.resigned
        if resigned:  # a has seat number % 2
            result = 1.0 if (self.resigned[number] + number) % 2 else -1.0
        else:
            outcome = position.outcome()
            assert outcome is not None
            result = outcome.values[0]
        plies = len(position.moves)
        names = [player.name for player in self.players]
        return GameRecord(
            game=self.game.spec,
            game_id=number,
            seed=self.seed,
            version=0,
            start=None,
            moves=np.array(position.moves, np.uint16),
            root_values=np.full(plies, np.nan, np.float32),
            policy_offsets=np.zeros(plies + 1, np.int32),
            policy_actions=np.zeros(0, np.uint16),
            policy_weights=np.zeros(0, np.float32),
            result=result,
            info={
                "players": names if number % 2 == 0 else names[::-1],
                "opening_plies": self.opening_plies,
                **({"resigned": True} if resigned else {}),
            },
        )


def choose_moves(
    player: Player,
    positions: Sequence[Position],
    rng: np.random.Generator,
    *,
    may_resign: bool = False,
) -> list[int]:
    """Have a player choose in all positions, and check the choice. Raises PlayerFailure."""
    if not positions:
        return []
    try:
        actions = [int(action) for action in player.choose(positions, rng)]
        if len(actions) != len(positions):
            raise ValueError(f"{len(actions)} moves for {len(positions)} positions")
    except UserError:
        raise
    except Exception as error:
        others = f" (or in {len(positions) - 1} other positions)" if len(positions) > 1 else ""
        raise PlayerFailure(
            f"player {player.name} failed{others} {describe(positions[0])}\n"
            f"{type(error).__name__}: {error}"
        ) from error
    for position, action in zip(positions, actions, strict=True):
        if not position.is_legal(action) and not (may_resign and action == RESIGN):
            raise PlayerFailure(
                f"player {player.name} chose the illegal action {action} {describe(position)}"
            )
    return actions


def describe(position: Position) -> str:
    """Describe a position for people: the moves to it and the board."""
    replayed = Position(position.game, position.start_state)
    moves = []
    for action in position.moves:
        moves.append(replayed.text(action))
        replayed.play(action)
    line = f"after {' '.join(moves)}" if moves else "at the start"
    return f"{line}:\n{position.render()}"


# -- many players ----------------------------------------------------------------------------------


def require_different(players: Sequence[Player]) -> list[str]:
    """Return the names of players. Raises UserError for fewer than two, and for equal names."""
    names = [player.name for player in players]
    if len(players) < 2 or len(set(names)) < len(names):
        raise UserError(
            f"a round robin needs two or more different players, not {', '.join(names)}"
        )
    return names


def round_robin(
    game: Game,
    players: Sequence[Player],
    games: int,
    *,
    seed: int = 0,
    opening_plies: int = 2,
    anchor: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> RoundRobin:
    """Play a match of `games` games between any two players, and fit ratings to all results.

    The anchor has 0 Elo; without one the mean has. `progress` gets the title of a match, the number
    of finished games and of all. Raises UserError as `play_match` does, and for equal names.
    """
    names = require_different(players)
    if anchor is not None and anchor not in names:
        raise UserError(f"anchor {anchor!r} is not one of the players: {', '.join(names)}")
    matches = []
    for number, (a, b) in enumerate(itertools.combinations(players, 2)):
        title = f"{a.name} against {b.name}"
        match = play_match(
            game,
            a,
            b,
            games,
            seed=seed + number,
            opening_plies=opening_plies,
            progress=None if progress is None else lambda *n, title=title: progress(title, *n),
        )
        matches.append(match)
    pairings = [Pairing(match.a, match.b, *match.total) for match in matches]
    return RoundRobin(fit_elo(pairings, anchor), matches)
