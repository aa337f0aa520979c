"""Settings: every value is checked, every mistake named, and a file round-trips exactly."""

import dataclasses
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.config import (
    Config,
    EvaluationConfig,
    GumbelConfig,
    LearnerConfig,
    NetworkConfig,
    PuctConfig,
    ReplayConfig,
    RunConfig,
    SearchConfig,
    SelfPlayConfig,
    describe,
    load_config,
    to_toml,
)
from alphazero.errors import UserError
from alphazero.settings import build, reject_unknown, settings


def message(*overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        load_config(None, overrides)
    return str(caught.value)


def get(config: object, path: str) -> object:
    for name in path.split("."):
        config = getattr(config, name)
    return config


def test_defaults_are_the_agreed_ones():
    config = Config()
    assert config.search.simulations == 64
    assert config.search.puct.noise_total == 10.83
    assert config.learner.samples_per_position == 4.0
    assert config.evaluation.opponents == ("random", "mcts:200")
    assert load_config() == config


def test_a_file_changes_only_what_it_names(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('game = "connect4"\n[search.puct]\nc_init = 2\n[replay]\nwindow = 5000\n')
    config = load_config(path)
    expected = Config(
        game="connect4",
        search=SearchConfig(puct=PuctConfig(c_init=2.0)),
        replay=ReplayConfig(window=5000),
    )
    assert config == expected
    assert type(config.search.puct.c_init) is float


def test_overrides_win_over_the_file_and_later_ones_over_earlier(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[search]\nsimulations = 100\nleaves_per_tree = 8\n")
    config = load_config(path, ["search.simulations=5", "search.simulations = 6", "run.seed=3"])
    assert (config.search.simulations, config.search.leaves_per_tree) == (6, 8)
    assert config.run.seed == 3


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("search.policy=puct", "search.policy", "puct"),
        ('search.policy="puct"', "search.policy", "puct"),
        ("search.reuse_tree=false", "search.reuse_tree", False),
        ("learner.learning_rate=1e-2", "learner.learning_rate", 0.01),
        ("learner.gradient_clip=2", "learner.gradient_clip", 2.0),
        ("run.directory=2026-01-01", "run.directory", "2026-01-01"),
        ("run.directory=runs/a=b", "run.directory", "runs/a=b"),
        ("run.directory='it is'", "run.directory", "it is"),
        ("run.workers=auto", "run.workers", "auto"),
        ("run.workers=4", "run.workers", 4),
        ("game=connect4:rows=6,cols=7", "game", "connect4:rows=6,cols=7"),
        ('evaluation.opponents=["random"]', "evaluation.opponents", ("random",)),
        ("evaluation.opponents=[]", "evaluation.opponents", ()),
        ("learner.samples_per_position=16", "learner.samples_per_position", 16.0),
        ("run.device=cuda:1", "run.device", "cuda:1"),
    ],
)
def test_override(override, path, value):
    found = get(load_config(None, [override]), path)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("search.simulations=0", "search.simulations = 0: must be a whole number of at least 1"),
        ("search.simulations=1.5", "search.simulations = 1.5: must be a whole number of"),
        ("search.simulations=true", "search.simulations = true: must be a whole number"),
        ("search.simulations=many", 'search.simulations = "many": must be a whole number'),
        ("search.reuse_tree=1", "search.reuse_tree = 1: must be true or false"),
        ("search.policy=pukt", '"pukt": must be "gumbel" or "puct" (did you mean "puct"?)'),
        ("learner.schedule=linear", 'must be "constant", "cosine" or "step"'),
        ("run.minutes=9007199254740993", "run.minutes = 9007199254740993: must be a number"),
        ("search.gumbel.considered=1", "search.gumbel.considered = 1: must be"),
        ("search.puct.noise_weight=1.1", "must be a number between 0 and 1"),
        ("search.puct.noise_weight=-0.1", "search.puct.noise_weight = -0.1"),
        ("search.puct.c_base=0", "search.puct.c_base = 0.0: must be a number above 0"),
        ("learner.ema_decay=1", "must be a number of at least 0 and below 1"),
        ("learner.learning_rate=nan", "learner.learning_rate = nan: must be"),
        ("learner.learning_rate=inf", "learner.learning_rate = inf: must be"),
        ("learner.learning_rate=2026-01-01", "learner.learning_rate = "),
        ("replay.holdout=1", "replay.holdout = 1.0: must be a number of at least 0 and below 1"),
        ("run.workers=lots", 'must be a whole number of at least 0 or "auto"'),
        ("run.workers=-1", "run.workers = -1"),
        ("run.workers=true", "run.workers = true"),
        ("run.seed=1" + "0" * 400, "run.seed = 1000"),
        ("run.seed=9223372036854775808", "between 0 and 9223372036854775807"),
        ("run.device=gpu", 'run.device = "gpu": must be auto, cpu, cuda, cuda:<number> or mps'),
        ("network.size=4x32", 'network.size = "4x32": must be blocks and channels, as in b4c32'),
        ("network.size=b0c32", "network.size"),
        ("evaluation.opponents=random", 'must be a list of texts, as in ["a", "b"]'),
        ("evaluation.opponents=[1]", "evaluation.opponents = [1]: must be a list of texts"),
        ("game=", 'game = "": must be the name of a game'),
        # Bounds that two settings set together.
        ("replay.min_positions=20001", "must be at most replay.window (20000)"),
        ("replay.window=1000001", "must be at most replay.max_positions (1000000)"),
        ("learner.samples_per_position=16.5", "unless learner.allow_high_reuse = true"),
        ("learner.samples_per_position=0.5", "learner.samples_per_position = 0.5: must be"),
        ("search.stop_early=true", 'must be false unless search.policy = "puct" and search.solver'),
        ("search.puct.forced_playouts=-1", "search.puct.forced_playouts = -1.0: must be"),
        ("learner.schedule=cosine", 'at least 1 for learner.schedule = "cosine"'),
    ],
)
def test_bad_value_names_setting_value_and_range(override, expected):
    text = message(override)
    assert expected in text
    assert text.startswith(override.partition("=")[0] + " ") or "schedule" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("search.simulation=3", 'unknown setting "search.simulation"'),
        ("search.simulation=3", '(did you mean "search.simulations"?)'),
        ("simulations=3", '(did you mean "search.simulations" or "evaluation.simulations"?)'),
        ("puct.c_init=3", '(did you mean "search.puct.c_init"?)'),
        ("size=b4c32", '(did you mean "network.size"?)'),
        ("self_pley.temperature=1", '(did you mean "self_play.temperature"?)'),
        ("search.simulations.x=3", 'unknown setting "search.simulations.x"'),
        ("zzz=3", "; there are game, network, search, "),
        ("search=3", "search is a table of settings: search.policy,"),
        ("search.puct=3", "search.puct is a table of settings: search.puct.c_init,"),
        ("search.simulations", "is no setting: write it as search.simulations=32"),
        ("=3", 'unknown setting ""'),
    ],
)
def test_unknown_setting_names_the_nearest(override, expected):
    assert expected in message(override)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[search]\nsimulatons = 3\n", 'unknown setting "search.simulatons" in'),
        ("[serch]\nsimulations = 3\n", '(did you mean "search'),
        ("search = 3\n", "search is a table of settings in"),
        ("[search.simulations]\na = 3\n", "search.simulations is one setting in"),
        ("[search\n", "are not TOML: "),
        ("game = 3\n", "game = 3: must be a text"),
        ("game = 'a'\ngame = 'b'\n", "are not TOML: "),
    ],
)
def test_bad_file_is_one_line(tmp_path, text, expected):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_file(tmp_path):
    with pytest.raises(UserError, match=r"none\.toml: No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(UserError, match="cannot read the settings"):
        load_config(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'game = "\xe9"\n')
    with pytest.raises(UserError, match="are not UTF-8 text"):
        load_config(tmp_path / "latin.toml")


def test_fast_searches_are_no_longer_than_full_ones():
    assert load_config(None, ["self_play.fast_simulations=65"])  # idle: every search is full
    text = message("self_play.fast_simulations=65", "self_play.full_search_share=0.5")
    assert "self_play.fast_simulations = 65: must be at most search.simulations (64)" in text
    assert load_config(None, ["self_play.fast_simulations=64", "self_play.full_search_share=0.5"])


def test_high_reuse_needs_a_word():
    assert LearnerConfig(samples_per_position=20, allow_high_reuse=True).samples_per_position == 20


def test_every_section_checks_itself_and_names_its_full_path():
    for section in (SearchConfig, PuctConfig, GumbelConfig, SelfPlayConfig, NetworkConfig):
        for item in dataclasses.fields(section):
            if "explanation" in item.metadata:
                with pytest.raises(UserError) as caught:
                    section(**{item.name: None})
                path = str(caught.value).partition(" = ")[0]
                assert get(Config(), path) == getattr(section(), item.name)


def test_directory_is_absolute_and_named_after_the_game():
    assert Config().directory == Path.cwd() / "runs/tic-tac-toe"
    assert Config(game="/a/b/my game.py:size=5").directory.name == "my-game.py-size=5"
    assert Config(run=RunConfig(directory="/tmp/x")).directory == Path("/tmp/x")
    assert Config(run=RunConfig(directory="~/x")).directory == Path.home() / "x"


def test_describe_shows_every_setting_with_its_explanation():
    lines = describe(Config).splitlines()
    starts = set()
    entries = list(settings(Config))
    assert len(lines) == len(entries) > 60
    for line, entry in zip(lines, entries, strict=True):
        assert line.startswith(f"{entry.path} = ")
        assert entry.values in line
        assert line.endswith(entry.explanation)
        assert entry.explanation
        # Three columns, as wide as they must be.
        explained = len(line) - len(entry.explanation)
        assert line[:explained].endswith("  ")
        starts.add((line.index(entry.values, len(entry.path) + 3), explained))
    assert len(starts) == 1
    assert (
        'search.policy = "gumbel"'
        in lines[next(i for i, e in enumerate(entries) if "pol" in e.path)]
    )


def test_names_are_unique_and_kinds_known():
    paths = [entry.path for entry in settings(Config)]
    assert len(set(paths)) == len(paths)
    assert {entry.kind for entry in settings(Config)} == {
        int, float, bool, str, int | str, tuple[str, ...]
    }  # fmt: skip


TEXTS = st.text(max_size=8) | st.sampled_from(["puct", "sgd", "cosine", "swa", "b10c128", "cuda:3"])
VALUES = {  # any value of a setting's type, in range or not
    int: st.integers(-1, 2**63),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    str: TEXTS,
    int | str: st.integers(0, 99) | st.just("auto"),
    tuple[str, ...]: st.lists(TEXTS, max_size=3).map(tuple),
}
CHANGES = st.lists(
    st.one_of(*[st.tuples(st.just(entry.path), VALUES[entry.kind]) for entry in settings(Config)]),
    max_size=10,
)


@given(CHANGES)
def test_round_trip_is_exact(changes):
    config = Config()
    for path, value in changes:
        try:
            config = replace(config, path.split("."), value)
        except UserError as error:
            assert path.split(".")[-1] in str(error)
    text = to_toml(config)
    assert load_text(text) == config
    assert to_toml(load_text(text)) == text


def replace(section, path, value):
    head, *rest = path
    if rest:
        value = replace(getattr(section, head), rest, value)
    return dataclasses.replace(section, **{head: value})


def load_text(text: str) -> Config:
    """As load_config does, without a file for every example."""
    tables = tomllib.loads(text)
    reject_unknown(Config, tables, "")
    return build(Config, tables)


def test_round_trip_through_a_file(tmp_path):
    config = Config(game='a"b\\c\n\x7fé', evaluation=EvaluationConfig(opponents=("a,b", "")))
    path = tmp_path / "resolved.toml"
    path.write_text(to_toml(config), encoding="utf-8", newline="")
    assert load_config(path) == config
    assert to_toml(SearchConfig()).startswith('policy = "gumbel"\n')


def test_importing_config_is_light():
    code = (
        "import sys, alphazero.config; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
