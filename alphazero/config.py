"""All settings of a run: their names, meaning and values.

One section per component, nested in `Config` as the tables of a TOML file are. A value is checked
when its section is made, wherever it comes from, and a bad one is a `UserError` that names the
setting by its full path. `load_config` reads a file and the command line's overrides, `to_toml`
writes the resolved settings back.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from alphazero.settings import complain, load, section, to_toml

__all__ = ["Config", "load_config", "to_toml"]

log = logging.getLogger(__name__)

Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
FractionBelowOne = Annotated[float, Field(ge=0, lt=1)]
Texts = Annotated[tuple[str, ...], Field(strict=False)]  # a list becomes a tuple


@section("search.puct")
class PuctConfig:
    """PUCT: how priors and visits steer the search, and the exploration of self-play's roots."""

    c_init: NonNegativeFloat = 1.25
    """Exploration constant (AlphaZero: 1.25)."""
    c_base: PositiveFloat = 19652.0
    """Visits over which exploration grows by log 2."""
    fpu_reduction: NonNegativeFloat = 0.2
    """First-play urgency: parent value minus this times sqrt(visited prior)."""
    root_fpu_reduction: NonNegativeFloat = 0.0
    """The same at the root."""
    dirichlet_total_concentration: PositiveFloat = 10.83
    """Sum of the Dirichlet parameters over all legal moves (KataGo: 10.83)."""
    dirichlet_noise_weight: Fraction = 0.25
    """Share of noise in the root prior."""
    forced_playouts: NonNegativeFloat = 0.0
    """Root moves get sqrt(this x prior x playouts) at least under noise, pruned from the policy
    target (KataGo: 2; 0 = none)."""
    rave_equivalence: NonNegativeFloat = 0.0
    """Visits at which a move's own value counts as much as that of simulations which made it later
    (RAVE; 0 = none; for random playouts only)."""


RAVE = PuctConfig(c_init=0.5, fpu_reduction=0.0, rave_equivalence=1000.0)  # for random playouts


@section("search.gumbel")
class GumbelConfig:
    """Gumbel AlphaZero (Danihelka et al. 2022): sequential halving at the root."""

    max_num_considered_actions: int = Field(default=16, ge=2)
    """Root moves that sequential halving starts from."""
    c_visit: NonNegativeFloat = 50.0
    """Visits added to the scale of Q-values."""
    c_scale: PositiveFloat = 1.0
    """Weight of Q-values against the prior."""


@section("search")
class SearchConfig:
    """The search of one move."""

    policy: Literal["gumbel", "puct"] = "gumbel"
    """How the search picks moves."""
    simulations: PositiveInt = 64
    """Simulations per move."""
    leaves_per_tree: PositiveInt = 1
    """Leaves evaluated at once per tree."""
    virtual_loss: NonNegativeFloat = 1.0
    """Losses assumed for a leaf in evaluation."""
    reuse_tree: bool = True
    """Keep the subtree of the move that was played."""
    solver: bool = True
    """Back up proven wins, losses and draws."""
    symmetry: bool = True
    """Evaluate every leaf in a random symmetry."""
    nn_cache_size: NonNegativeInt = 0
    """Evaluations remembered (0 = none)."""
    stop_early: bool = False
    """End a search without noise when no other move can become the most visited."""
    puct: PuctConfig = Field(default_factory=PuctConfig)
    gumbel: GumbelConfig = Field(default_factory=GumbelConfig)

    def __post_init__(self) -> None:
        if self.puct.rave_equivalence and self.policy != "puct":
            complain(
                "search.puct.rave_equivalence",
                self.puct.rave_equivalence,
                'must be 0 unless search.policy = "puct"',
            )
        if self.stop_early and (self.policy != "puct" or self.solver):
            complain(
                "search.stop_early",
                self.stop_early,
                'must be false unless search.policy = "puct" and search.solver = false'
                " (a proof can change the move at any time)",
            )


@section("self_play")
class SelfPlayConfig:
    """The games a network plays against itself."""

    parallel_games: PositiveInt = 64
    """Games searched in one batch; each thread that plays has one."""
    threads: PositiveInt | Literal["auto"] = 1
    """Threads of one worker: on the processor each plays its own games, beside a GPU all search
    the same. A Ray actor reserves a core for each (auto = all cores of one process, or of a Ray
    actor with a GPU its share of them, else 1)."""
    games_per_work_item: PositiveInt = 128
    """Games a worker is asked for at once; the last of them leave its batches partly empty."""
    temperature: NonNegativeFloat = 1.0
    """Temperature of the opening's moves."""
    temperature_final: NonNegativeFloat = 0.0
    """Temperature after that (0 = best move)."""
    temperature_plies: NonNegativeInt = 8
    """Plies played at the opening's temperature."""
    playout_cap_full_probability: PositiveFraction = 1.0
    """Share of moves searched in full and used to train the policy (playout cap randomization)."""
    playout_cap_fast_simulations: PositiveInt = 16
    """Simulations of the other moves."""
    policy_surprise_weight: Fraction = 0.0
    """Share of the positions' weight in training that goes by how much the search changed the
    policy (KataGo: 0.5)."""
    opening_plies: NonNegativeInt = 0
    """Most random plies before the first search of a game."""
    random_start_probability: Fraction = 0.0
    """Share of games with a random start: for Go komi and board size."""


@section("network")
class NetworkConfig:
    """The network's architecture."""

    size: str = Field(
        default="b4c32", pattern="^b[1-9][0-9]{0,2}c[1-9][0-9]{0,3}$", examples=["b10c128"]
    )
    """Blocks and channels of the trunk."""
    trunk: Literal["residual", "convolutional"] = "residual"
    """Kind of blocks (convolutional: without skip connections)."""
    global_pooling: bool = False
    """Pool over the whole board in some blocks (Wu 2019)."""
    squeeze_excitation: bool = False
    """Squeeze-and-excitation in every block."""


@section("replay")
class ReplayConfig:
    """The window of recent positions that batches are drawn from."""

    min_positions: PositiveInt = 2000
    """Positions played before learning starts."""
    window: PositiveInt = 20000
    """Positions of the window before it starts to grow."""
    window_taper_exponent: PositiveFraction = 0.65
    """Exponent of its growth (KataGo: 0.65)."""
    window_expand_per_position: Fraction = 0.4
    """Growth per new position, at first (KataGo: 0.4)."""
    max_positions: PositiveInt = 1_000_000
    """Most positions in the window."""
    holdout: FractionBelowOne = 0.05
    """Share of games kept for validation."""

    def __post_init__(self) -> None:
        if self.min_positions > self.window:
            complain(
                "replay.min_positions",
                self.min_positions,
                f"must be at most replay.window ({self.window})",
            )
        if self.window > self.max_positions:
            complain(
                "replay.window",
                self.window,
                f"must be at most replay.max_positions ({self.max_positions})",
            )


@section("learner")
class LearnerConfig:
    """Batches, losses, optimiser and averaging of weights."""

    batch_size: PositiveInt = 256
    """Positions per step."""
    devices: PositiveInt = 1
    """Devices a batch is split over: the first GPUs, or processes without one."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """Optimiser."""
    learning_rate: PositiveFloat = 1e-3
    """Learning rate at its highest; it may change when a run is resumed by its folder."""
    schedule: Literal["constant", "cosine", "step"] = "constant"
    """Learning rate over time."""
    warmup_steps: NonNegativeInt = 0
    """Steps over which the learning rate rises from 0."""
    schedule_steps: NonNegativeInt = 0
    """Cosine: steps until the end; step: steps between two drops."""
    schedule_factor: Fraction = 0.1
    """Cosine: share of the learning rate at the end; step: factor of a drop."""
    momentum: FractionBelowOne = 0.9
    """Momentum of SGD."""
    weight_decay: NonNegativeFloat = 1e-4
    """Decay of weights (AdamW: decoupled)."""
    gradient_clip: NonNegativeFloat = 1.0
    """Largest norm of the gradient (0 = any)."""
    policy_weight: NonNegativeFloat = 1.0
    """Weight of the policy loss."""
    value_weight: NonNegativeFloat = 1.0
    """Weight of the value loss."""
    auxiliary_weight: NonNegativeFloat = 1.0
    """Weight of each of the game's auxiliary losses."""
    auxiliary_weights: Texts = ()
    """Weights of single auxiliary losses, as in ["ownership=1.5", "score=0.5"]."""
    q_ratio: Fraction = 0.0
    """Share of the search's value in the value target; the rest is the game's result."""
    averaging: Literal["ema", "swa", "none"] = "ema"
    """Average of weights that self-play and evaluation use."""
    ema_decay: FractionBelowOne = 0.99
    """EMA: share of the average kept per step."""
    swa_steps: PositiveInt = 100
    """SWA: steps between two averaged weights."""
    swa_count: PositiveInt = 5
    """SWA: number of weights averaged."""
    replay_ratio: float = Field(default=4.0, ge=1)
    """How often a new position is trained on, on average (at most 16)."""
    allow_high_replay_ratio: bool = False
    """Allow a replay_ratio above 16."""
    symmetry: bool = True
    """Train on a random symmetry of every position."""

    def __post_init__(self) -> None:
        for text in self.auxiliary_weights:
            if not re.fullmatch(r"\w+=(\d+\.?\d*|\.\d+)", text, re.ASCII):
                complain(
                    "learner.auxiliary_weights", text, "must be a name and a weight: ownership=1.5"
                )
        if self.devices > self.batch_size:
            complain(
                "learner.devices",
                self.devices,
                f"must be at most learner.batch_size ({self.batch_size})",
            )
        if self.replay_ratio > 16 and not self.allow_high_replay_ratio:
            complain(
                "learner.replay_ratio",
                self.replay_ratio,
                "more than 16 overfits; must be between 1 and 16"
                " unless learner.allow_high_replay_ratio = true",
            )
        if self.schedule != "constant" and self.schedule_steps == 0:
            complain(
                "learner.schedule_steps",
                self.schedule_steps,
                f'must be at least 1 for learner.schedule = "{self.schedule}"',
            )


@section("run")
class RunConfig:
    """Where a run lives, on which machines, and for how long."""

    directory: str = ""
    """Where everything is written ("" = runs/<game>-<date>-<number>)."""
    start_from: str = ""
    """Weights, checkpoint or run to begin with ("" = random)."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Seed of all randomness."""
    workers: NonNegativeInt | Literal["auto", "none"] = 0
    """Ray actors that play (auto = one per GPU or core, 0 = this process plays, without Ray,
    none = other machines alone: see shared_folder)."""
    shared_folder: str = ""
    """Folder or URL through which other machines contribute: weights out, games in ("" = none)."""
    max_version_lag: NonNegativeInt = 100
    """How many versions old the weights of contributed games may be (0 = any)."""
    gpus_per_worker: NonNegativeFloat = 0.0
    """Share of a GPU per Ray actor (0 = a whole one, less if there are too few)."""
    minutes: NonNegativeFloat = 0.0
    """Minutes of playing and learning after which to stop; compilation and evaluations do not count
    (0 = no limit)."""
    games: NonNegativeInt = 0
    """Games after which to stop (0 = no limit)."""
    publish_every_steps: PositiveInt = 100
    """Steps between two publications of weights for self-play."""
    checkpoint_steps: PositiveInt = 1000
    """Most steps between two checkpoints."""
    checkpoint_seconds: PositiveFloat = 120.0
    """Most seconds between two checkpoints."""
    keep_checkpoints: PositiveInt = 3
    """Checkpoints kept, from the newest."""
    report_seconds: PositiveFloat = 5.0
    """Seconds between two reports."""
    prove: bool = False
    """Try every line against the player (tiny games only)."""
    device: str = Field(
        default="auto",
        pattern="^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        examples=["auto", "cpu", "cuda", "cuda:0", "mps"],
    )
    """Where the network runs."""

    def __post_init__(self) -> None:
        if self.workers == "none" and not self.shared_folder:
            complain("run.workers", self.workers, "needs run.shared_folder, where games come from")


@section("evaluation")
class EvaluationConfig:
    """Matches of the trained player against fixed opponents."""

    every_games: NonNegativeInt = 500
    """Games between two evaluations (0 = none)."""
    games: int = Field(default=40, ge=2)
    """Games against each opponent."""
    opponents: Texts = ("random", "mcts:200")
    """Players that strength is measured against."""
    simulations: PositiveInt = 64
    """Simulations per move of the trained player."""
    opening_plies: NonNegativeInt = 2
    """Random plies before the players take over."""

    def __post_init__(self) -> None:
        if self.every_games and self.games % 2:
            complain("evaluation.games", self.games, "must be even: each opening is played twice")


@section("")
class Config:
    """All settings of a run."""

    game: str = "tic-tac-toe"
    """Name of a game, or the file that holds one."""
    network: NetworkConfig = Field(default_factory=NetworkConfig)
    search: SearchConfig = Field(default_factory=SearchConfig)
    self_play: SelfPlayConfig = Field(default_factory=SelfPlayConfig)
    replay: ReplayConfig = Field(default_factory=ReplayConfig)
    learner: LearnerConfig = Field(default_factory=LearnerConfig)
    run: RunConfig = Field(default_factory=RunConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        if not self.game:
            complain("game", self.game, "must be the name of a game or the file that holds one")
        # Only fast searches are shorter than full ones; without any the setting is idle.
        if (
            self.self_play.playout_cap_full_probability < 1
            and self.self_play.playout_cap_fast_simulations > self.search.simulations
        ):
            complain(
                "self_play.playout_cap_fast_simulations",
                self.self_play.playout_cap_fast_simulations,
                f"must be at most search.simulations ({self.search.simulations})",
            )

    @property
    def directory(self) -> Path:
        """Where the run writes, absolute: workers may have another working directory."""
        name = re.sub(r"[^\w=,.-]+", "-", self.game.split("/")[-1])
        return Path(self.run.directory or f"runs/{name}").expanduser().absolute()


# Names of earlier versions: files with them are read as if they had the new ones.
RENAMED = {
    "search.cache": "search.nn_cache_size",
    "search.gumbel.considered": "search.gumbel.max_num_considered_actions",
    "search.puct.noise_total": "search.puct.dirichlet_total_concentration",
    "search.puct.noise_weight": "search.puct.dirichlet_noise_weight",
    "search.puct.rave": "search.puct.rave_equivalence",
    "self_play.games_per_call": "self_play.games_per_work_item",
    "self_play.full_search_share": "self_play.playout_cap_full_probability",
    "self_play.fast_simulations": "self_play.playout_cap_fast_simulations",
    "self_play.surprise_share": "self_play.policy_surprise_weight",
    "self_play.varied_starts": "self_play.random_start_probability",
    "replay.window_exponent": "replay.window_taper_exponent",
    "replay.window_scale": "replay.window_expand_per_position",
    "learner.root_value_mix": "learner.q_ratio",
    "learner.samples_per_position": "learner.replay_ratio",
    "learner.allow_high_reuse": "learner.allow_high_replay_ratio",
    "run.share": "run.shared_folder",
    "run.share_lag": "run.max_version_lag",
}


def load_config(path: Path | str | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read the settings of a TOML file (None: all defaults), changed by overrides such as
    `search.simulations=32`, of which a later one wins.

    A file may use the names of earlier versions. Raises UserError when the file cannot be read, a
    setting is unknown or a value is bad.
    """
    return load(Config, path, overrides, RENAMED, mention)


def mention(path: Path, old: list[str]) -> None:
    """Log the new names of old settings in a file, each once in this process."""
    pairs = [f"{name} is now {RENAMED[name]}" for name in old if name not in _mentioned]
    _mentioned.update(old)
    if pairs:
        log.warning(
            "%s has settings by their names of earlier versions: %s", path, ", ".join(pairs)
        )


_mentioned: set[str] = set()
