"""All settings of a run: what they are called, what they mean, what values they take.

One frozen dataclass per component, nested in `Config` as the tables of a TOML file are. A value is
checked when its dataclass is made, wherever it comes from, and a bad one is a `UserError` that
names the setting by its full path. `load_config` reads a file and the command line's overrides,
`to_toml` writes the resolved settings back, `describe` prints the table of all of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alphazero.settings import check, complain, describe, load, setting, to_toml

__all__ = ["Config", "describe", "load_config", "to_toml"]


@dataclass(frozen=True)
class PuctConfig:
    c_init: float = setting(1.25, "exploration constant (AlphaZero: 1.25)", low=0)
    c_base: float = setting(19652.0, "visits over which exploration grows by log 2", above=0)
    fpu_reduction: float = setting(
        0.2, "first-play urgency: parent value minus this times sqrt(visited prior)", low=0
    )
    root_fpu_reduction: float = setting(0.0, "the same at the root", low=0)
    noise_total: float = setting(
        10.83, "sum of the Dirichlet parameters over all legal moves (KataGo: 10.83)", above=0
    )
    noise_weight: float = setting(0.25, "share of noise in the root prior", low=0, high=1)
    forced_playouts: float = setting(
        0.0,
        "root moves get sqrt(this x prior x playouts) at least under noise, pruned from the"
        " policy target (KataGo: 2; 0 = none)",
        low=0,
    )

    rave: float = setting(
        0.0,
        "visits at which a move's own value counts as much as that of simulations which made it"
        " later (RAVE; 0 = none; for random playouts only)",
        low=0,
    )

    def __post_init__(self) -> None:
        check(self, "search.puct")


RAVE = PuctConfig(c_init=0.5, fpu_reduction=0.0, rave=1000.0)  # of players without a network


@dataclass(frozen=True)
class GumbelConfig:
    considered: int = setting(16, "root moves that sequential halving starts from", low=2)
    c_visit: float = setting(50.0, "visits added to the scale of Q-values", low=0)
    c_scale: float = setting(1.0, "weight of Q-values against the prior", above=0)

    def __post_init__(self) -> None:
        check(self, "search.gumbel")


@dataclass(frozen=True)
class SearchConfig:
    policy: str = setting("gumbel", "how the search picks moves", choices=("gumbel", "puct"))
    simulations: int = setting(64, "simulations per move", low=1)
    leaves_per_tree: int = setting(1, "leaves evaluated at once per tree", low=1)
    virtual_loss: float = setting(1.0, "losses assumed for a leaf in evaluation", low=0)
    reuse_tree: bool = setting(True, "keep the subtree of the move that was played")
    solver: bool = setting(True, "back up proven wins, losses and draws")
    symmetry: bool = setting(True, "evaluate every leaf in a random symmetry")
    cache: int = setting(0, "evaluations remembered (0 = none)", low=0)
    stop_early: bool = setting(
        False, "end a search without noise when no other move can become the most visited"
    )
    puct: PuctConfig = field(default_factory=PuctConfig)
    gumbel: GumbelConfig = field(default_factory=GumbelConfig)

    def __post_init__(self) -> None:
        check(self, "search")
        if self.puct.rave and self.policy != "puct":
            complain("search.puct.rave", self.puct.rave, 'must be 0 unless search.policy = "puct"')
        if self.stop_early and (self.policy != "puct" or self.solver):
            complain(
                "search.stop_early",
                self.stop_early,
                'must be false unless search.policy = "puct" and search.solver = false'
                " (a proof can change the move at any time)",
            )


@dataclass(frozen=True)
class SelfPlayConfig:
    parallel_games: int = setting(64, "games searched in one batch", low=1)
    threads: int | str = setting(
        1,
        "threads that search in one worker, of which a Ray actor reserves the cores (auto = all"
        " cores of one process, or of a Ray actor with a GPU its share of them, else 1)",
        low=1,
        choices=("auto",),
    )
    games_per_call: int = setting(
        128,
        "games a worker is asked for at once; the last of them leave its batches partly empty",
        low=1,
    )
    temperature: float = setting(1.0, "temperature of the opening's moves", low=0)
    temperature_final: float = setting(0.0, "temperature after that (0 = best move)", low=0)
    temperature_plies: int = setting(8, "plies played at the opening's temperature", low=0)
    full_search_share: float = setting(
        1.0, "share of moves searched in full and used to train the policy", above=0, high=1
    )
    fast_simulations: int = setting(16, "simulations of the other moves", low=1)
    surprise_share: float = setting(
        0.0,
        "share of the searches' weight in training that goes by how much they surprised the policy"
        " (KataGo: 0.5)",
        low=0,
        high=1,
    )
    opening_plies: int = setting(0, "up to so many random plies before the first search", low=0)
    varied_starts: float = setting(
        0.0, "share of games with another start: for Go komi and board size", low=0, high=1
    )

    def __post_init__(self) -> None:
        check(self, "self_play")


@dataclass(frozen=True)
class NetworkConfig:
    size: str = setting("b4c32", "blocks and channels of the trunk, as in b10c128")
    trunk: str = setting(
        "residual",
        "kind of blocks (convolutional: no skips)",
        choices=("residual", "convolutional"),
    )
    global_pooling: bool = setting(False, "blocks that see the whole board (Wu 2019)")
    squeeze_excitation: bool = setting(False, "blocks that weigh their channels")

    def __post_init__(self) -> None:
        check(self, "network")
        if not re.fullmatch(r"b[1-9]\d{0,2}c[1-9]\d{0,3}", self.size):
            complain("network.size", self.size, "must be blocks and channels, as in b4c32")


@dataclass(frozen=True)
class ReplayConfig:
    min_positions: int = setting(2000, "positions played before learning starts", low=1)
    window: int = setting(20000, "positions of the window before it starts to grow", low=1)
    window_exponent: float = setting(0.65, "exponent of its growth", above=0, high=1)
    window_scale: float = setting(
        0.4, "growth per new position, at first (KataGo: 0.4)", low=0, high=1
    )
    max_positions: int = setting(1_000_000, "most positions in the window", low=1)
    holdout: float = setting(0.05, "share of games kept for validation", low=0, below=1)

    def __post_init__(self) -> None:
        check(self, "replay")
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


@dataclass(frozen=True)
class LearnerConfig:
    batch_size: int = setting(256, "positions per step", low=1)
    devices: int = setting(
        1, "devices a batch is split over: the first GPUs, or processes without one", low=1
    )
    optimizer: str = setting("adamw", "optimiser", choices=("adamw", "sgd"))
    learning_rate: float = setting(1e-3, "learning rate at its highest", above=0)
    schedule: str = setting(
        "constant", "learning rate over time", choices=("constant", "cosine", "step")
    )
    warmup_steps: int = setting(0, "steps over which the learning rate rises from 0", low=0)
    schedule_steps: int = setting(
        0, "cosine: steps until the end; step: steps between two drops", low=0
    )
    schedule_factor: float = setting(
        0.1, "cosine: share of the learning rate at the end; step: factor of a drop", low=0, high=1
    )
    momentum: float = setting(0.9, "momentum of SGD", low=0, below=1)
    weight_decay: float = setting(1e-4, "decay of weights (AdamW: decoupled)", low=0)
    gradient_clip: float = setting(1.0, "largest norm of the gradient (0 = any)", low=0)
    policy_weight: float = setting(1.0, "weight of the policy loss", low=0)
    value_weight: float = setting(1.0, "weight of the value loss", low=0)
    auxiliary_weight: float = setting(1.0, "weight of each of the game's auxiliary losses", low=0)
    auxiliary_weights: tuple[str, ...] = setting(
        (), 'weights of some of them instead, as in ["ownership=1.5", "score=0.5"]'
    )
    root_value_mix: float = setting(
        0.0, "share of the search's value in the value target", low=0, high=1
    )
    averaging: str = setting(
        "ema", "average of weights that players use", choices=("ema", "swa", "none")
    )
    ema_decay: float = setting(0.99, "ema: share of the average kept per step", low=0, below=1)
    swa_steps: int = setting(100, "swa: steps between two averaged weights", low=1)
    swa_count: int = setting(5, "swa: how many weights are averaged", low=1)
    samples_per_position: float = setting(
        4.0, "how often a new position is trained on, on average (at most 16)", low=1
    )
    allow_high_reuse: bool = setting(False, "allow more than 16 samples per position")
    symmetry: bool = setting(True, "train on a random symmetry of every position")

    def __post_init__(self) -> None:
        check(self, "learner")
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
        if self.samples_per_position > 16 and not self.allow_high_reuse:
            complain(
                "learner.samples_per_position",
                self.samples_per_position,
                "more than 16 overfits; must be between 1 and 16"
                " unless learner.allow_high_reuse = true",
            )
        if self.schedule != "constant" and self.schedule_steps == 0:
            complain(
                "learner.schedule_steps",
                self.schedule_steps,
                f'must be at least 1 for learner.schedule = "{self.schedule}"',
            )


@dataclass(frozen=True)
class RunConfig:
    directory: str = setting("", 'where everything is written ("" = runs/<game>-<date>-<number>)')
    start_from: str = setting("", 'weights, checkpoint or run to begin with ("" = random)')
    seed: int = setting(0, "seed of all randomness", low=0, high=2**63 - 1)
    workers: int | str = setting(
        0,
        "Ray actors that play (auto = one per GPU or core, 0 = this process plays, without Ray,"
        " none = nobody here: see share)",
        low=0,
        choices=("auto", "none"),
    )
    share: str = setting(
        "", 'folder or URL by which other machines "join": weights out, games in ("" = none)'
    )
    share_lag: int = setting(
        100, "how many versions old the weights of games from there may be (0 = any)", low=0
    )
    gpus_per_worker: float = setting(
        0.0, "share of a GPU per Ray actor (0 = a whole one, less where they are too few)", low=0
    )
    minutes: float = setting(0.0, "stop after so many minutes (0 = no limit)", low=0)
    games: int = setting(0, "stop after so many games (0 = no limit)", low=0)
    publish_every_steps: int = setting(100, "steps between two weights for players", low=1)
    checkpoint_steps: int = setting(1000, "most steps between two checkpoints", low=1)
    checkpoint_seconds: float = setting(120.0, "most seconds between two checkpoints", above=0)
    keep_checkpoints: int = setting(3, "checkpoints kept, from the newest", low=1)
    report_seconds: float = setting(5.0, "seconds between two reports", above=0)
    prove: bool = setting(False, "try every line against the player (tiny games only)")
    device: str = setting("auto", "where the network runs: auto, cpu, cuda, cuda:0, mps")

    def __post_init__(self) -> None:
        check(self, "run")
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            complain("run.device", self.device, "must be auto, cpu, cuda, cuda:<number> or mps")
        if self.workers == "none" and not self.share:
            complain("run.workers", self.workers, "needs run.share, where games come from")


@dataclass(frozen=True)
class EvaluationConfig:
    every_games: int = setting(500, "games between two evaluations (0 = none)", low=0)
    games: int = setting(40, "games against each opponent", low=2)
    opponents: tuple[str, ...] = setting(
        ("random", "mcts:200"), "players that strength is measured against"
    )
    simulations: int = setting(64, "simulations per move of the trained player", low=1)
    opening_plies: int = setting(2, "random plies before the players take over", low=0)

    def __post_init__(self) -> None:
        check(self, "evaluation")


@dataclass(frozen=True)
class Config:
    game: str = setting("tic-tac-toe", "name of a game, or the file that holds one")
    network: NetworkConfig = field(default_factory=NetworkConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    self_play: SelfPlayConfig = field(default_factory=SelfPlayConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    run: RunConfig = field(default_factory=RunConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        check(self, "")
        if not self.game:
            complain("game", self.game, "must be the name of a game or the file that holds one")
        # Only fast searches are shorter than full ones; with none of them the setting is idle.
        if (
            self.self_play.full_search_share < 1
            and self.self_play.fast_simulations > self.search.simulations
        ):
            complain(
                "self_play.fast_simulations",
                self.self_play.fast_simulations,
                f"must be at most search.simulations ({self.search.simulations})",
            )

    @property
    def directory(self) -> Path:
        """Where the run writes, absolute: workers may have another working directory."""
        name = re.sub(r"[^\w=,.-]+", "-", self.game.split("/")[-1])
        return Path(self.run.directory or f"runs/{name}").expanduser().absolute()


def load_config(path: Path | str | None = None, overrides: Sequence[str] = ()) -> Config:
    """The settings of a TOML file (None: all defaults), changed by overrides as in
    `search.simulations=32`, of which a later one wins.

    Raises UserError when the file cannot be read, a setting is unknown or a value is bad.
    """
    return load(Config, path, overrides)
