"""Settings: every value is checked, every mistake named, and a file round-trips exactly."""

import dataclasses
import json
import logging
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alphazero.config
from alphazero.__main__ import main
from alphazero.config import (
    RENAMED,
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
    load_config,
    to_toml,
)
from alphazero.errors import UserError
from alphazero.settings import build, describe, json_schema, reject_unknown, settings


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
    assert config.search.puct.dirichlet_total_concentration == 10.83
    assert config.learner.replay_ratio == 4.0
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
        ("learner.replay_ratio=16", "learner.replay_ratio", 16.0),
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
        (
            "search.gumbel.max_num_considered_actions=1",
            "search.gumbel.max_num_considered_actions = 1",
        ),
        ("search.puct.dirichlet_noise_weight=1.1", "must be a number between 0 and 1"),
        (
            "search.puct.dirichlet_noise_weight=-0.1",
            "search.puct.dirichlet_noise_weight = -0.1",
        ),
        ("search.puct.c_base=0", "search.puct.c_base = 0: must be a number above 0"),
        ("learner.ema_decay=1", "must be a number of at least 0 and below 1"),
        ("learner.learning_rate=nan", "learner.learning_rate = nan: must be"),
        ("learner.learning_rate=inf", "learner.learning_rate = inf: must be"),
        ("learner.learning_rate=2026-01-01", "learner.learning_rate = "),
        ("replay.holdout=1", "replay.holdout = 1: must be a number of at least 0 and below 1"),
        ("run.workers=lots", 'must be a whole number of at least 0 or "auto"'),
        ("run.workers=-1", "run.workers = -1"),
        ("run.workers=true", "run.workers = true"),
        ("run.seed=1" + "0" * 400, "run.seed = 1000"),
        ("run.seed=9223372036854775808", "between 0 and 9223372036854775807"),
        ("run.device=gpu", 'run.device = "gpu": must be a text, as in "auto", "cpu", "cuda", '),
        ("run.device=cuda:", 'run.device = "cuda:"'),
        ("network.size=4x32", 'network.size = "4x32": must be a text, as in "b10c128"'),
        ("network.size='b4c32\\n'", "network.size"),
        ("network.size=b0c32", "network.size"),
        ("evaluation.opponents=random", '= "random": must be a list of texts'),
        ("evaluation.opponents=[1]", "evaluation.opponents = [1]: must be a list of texts"),
        ("game=", 'game = "": must be the name of a game'),
        # Bounds that two settings set together.
        ("replay.min_positions=20001", "must be at most replay.window (20000)"),
        ("replay.window=1000001", "must be at most replay.max_positions (1000000)"),
        ("learner.replay_ratio=16.5", "unless learner.allow_high_replay_ratio = true"),
        ("learner.replay_ratio=0.5", "learner.replay_ratio = 0.5: must be"),
        ("search.stop_early=true", 'must be false unless search.policy = "puct" and search.solver'),
        ("search.puct.forced_playouts=-1", "search.puct.forced_playouts = -1: must be"),
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
        ("search.simulations", "is not a setting: write it as search.simulations=32"),
        ("=3", 'unknown setting ""'),
        ("search.gumbel.considered=8", 'renamed to "search.gumbel.max_num_considered_actions"'),
    ],
)
def test_unknown_setting_names_the_nearest(override, expected):
    assert expected in message(override)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[search]\nsimulatons = 3\n", 'unknown setting "search.simulatons" in'),
        ("[serch]\nsimulations = 3\n", '(did you mean "search"?)'),
        ("[lerner]\nbatch_size = 3\n", '(did you mean "learner"?)'),
        ("[search.pukt]\nc_init = 3\n", '(did you mean "search.puct"?)'),
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
    fast, full = "self_play.playout_cap_fast_simulations", "self_play.playout_cap_full_probability"
    assert load_config(None, [f"{fast}=65"])  # idle: every search is full
    text = message(f"{fast}=65", f"{full}=0.5")
    assert f"{fast} = 65: must be at most search.simulations (64)" in text
    assert load_config(None, [f"{fast}=64", f"{full}=0.5"])


def test_high_reuse_needs_a_word():
    assert LearnerConfig(replay_ratio=20, allow_high_replay_ratio=True).replay_ratio == 20


SECTIONS = [
    Config, NetworkConfig, SearchConfig, PuctConfig, GumbelConfig, SelfPlayConfig, ReplayConfig,
    LearnerConfig, RunConfig, EvaluationConfig,
]  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_checks_itself_and_names_its_full_path(section):
    for item in dataclasses.fields(section):
        with pytest.raises(UserError) as caught:
            section(**{item.name: None})
        path = str(caught.value).partition(" ")[0]
        assert get(Config(), path) == getattr(section(), item.name)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="unknown setting"):
        section(zzz=1)


def test_a_section_is_immutable_and_compares_by_value():
    config = SearchConfig(simulations=5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.simulations = 6  # pyright: ignore
    assert config == dataclasses.replace(SearchConfig(), simulations=5) != SearchConfig()
    assert hash(config) == hash(SearchConfig(simulations=5))
    assert pickle.loads(pickle.dumps(config)) == config
    with pytest.raises(UserError, match=r"search\.simulations = 0"):
        dataclasses.replace(config, simulations=0)


def test_an_even_number_of_games_is_needed_where_there_are_any():
    assert "evaluation.games = 3: must be even" in message("evaluation.games=3")
    assert load_config(None, ["evaluation.games=3", "evaluation.every_games=0"])


# -- names of earlier versions ---------------------------------------------------------------------

# Written by the program before the settings got their present names.
OLD_FILE = """
[search]
cache = 100
policy = "puct"
[search.puct]
noise_total = 5.0
noise_weight = 0.5
rave = 30.0
[search.gumbel]
considered = 8
[self_play]
games_per_call = 32
full_search_share = 0.5
fast_simulations = 4
surprise_share = 0.25
varied_starts = 0.125
[replay]
window_exponent = 0.75
window_scale = 0.5
[learner]
root_value_mix = 0.25
samples_per_position = 20.0
allow_high_reuse = true
[run]
share = "runs/share"
share_lag = 7
"""


def test_a_file_with_names_of_earlier_versions_is_understood_and_named_once(
    tmp_path, caplog, monkeypatch
):
    path = tmp_path / "config.toml"
    path.write_text(OLD_FILE)
    monkeypatch.setattr(alphazero.config, "_mentioned", set())
    with caplog.at_level(logging.WARNING, "alphazero.config"):
        config, again = load_config(path), load_config(path)
    assert config == again == load_config(None, [
        "search.nn_cache_size=100",
        "search.policy=puct",
        "search.puct.dirichlet_total_concentration=5",
        "search.puct.dirichlet_noise_weight=0.5",
        "search.puct.rave_equivalence=30",
        "search.gumbel.max_num_considered_actions=8",
        "self_play.games_per_work_item=32",
        "self_play.playout_cap_full_probability=0.5",
        "self_play.playout_cap_fast_simulations=4",
        "self_play.policy_surprise_weight=0.25",
        "self_play.random_start_probability=0.125",
        "replay.window_taper_exponent=0.75",
        "replay.window_expand_per_position=0.5",
        "learner.q_ratio=0.25",
        "learner.replay_ratio=20",
        "learner.allow_high_replay_ratio=true",
        "run.shared_folder=runs/share",
        "run.max_version_lag=7",
    ])  # fmt: skip
    (said,) = [record.getMessage() for record in caplog.records]
    for old, new in RENAMED.items():
        assert f"{old} is now {new}" in said


def test_every_new_name_is_a_setting_and_no_old_one_is():
    paths = {entry.path for entry in settings(Config)}
    assert set(RENAMED.values()) <= paths
    assert not paths & set(RENAMED)


def test_an_old_name_does_not_win_over_the_new_one(tmp_path):
    path = tmp_path / "both.toml"
    path.write_text("[search]\ncache = 1\nnn_cache_size = 2\n")
    assert load_config(path).search.nn_cache_size == 2
    path.write_text("search = 3\n")
    with pytest.raises(UserError, match="table of settings"):
        load_config(path)


# -- the listing and the schema --------------------------------------------------------------------


def test_directory_is_absolute_and_named_after_the_game():
    assert Config().directory == Path.cwd() / "runs/tic-tac-toe"
    assert Config(game="/a/b/my game.py:size=5").directory.name == "my-game.py-size=5"
    assert Config(run=RunConfig(directory="/tmp/x")).directory == Path("/tmp/x")
    assert Config(run=RunConfig(directory="~/x")).directory == Path.home() / "x"


def test_describe_shows_every_setting_with_its_values_and_explanation():
    lines = describe(Config).splitlines()
    entries = list(settings(Config))
    assert len(lines) == len(entries) > 60
    assert len({entry.path for entry in entries}) == len(entries)
    explained = {
        len(line) - len(entry.explanation) for line, entry in zip(lines, entries, strict=True)
    }
    assert len(explained) == 1, "the last column is straight"
    for line, entry in zip(lines, entries, strict=True):
        assert line.startswith(f"{entry.path} = ")
        assert line.endswith("  " + entry.explanation)
        assert entry.explanation[0].isupper() and entry.explanation.endswith(".")
    text = "\n".join(lines)
    assert 'search.policy = "gumbel"' in text
    assert 'a whole number of at least 1 or "auto"' in text
    assert "a number above 0 and at most 1" in text


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.toml")), ids=str)
def test_every_configuration_validates_against_the_schema(path):
    jsonschema.validate(tomllib.loads(path.read_text()), json_schema(Config))


@pytest.mark.parametrize(
    "text",
    [
        "[search]\nsimulatons = 3\n",
        "[search]\nsimulations = 0\n",
        "[search]\npolicy = 'pukt'\n",
        "[network]\nsize = '4x32'\n",
        "[run]\nworkers = 'lots'\n",
        "game = 3\n",
    ],
)
def test_the_schema_refuses_what_the_program_refuses(text):
    with pytest.raises(UserError):
        load_text(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), json_schema(Config))


def test_the_command_prints_the_schema(capsys):
    assert main(["settings", "--json-schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == json_schema(Config)
    policy = schema["$defs"]["SearchConfig"]["properties"]["policy"]
    assert policy["enum"] == ["gumbel", "puct"] and policy["description"]


# -- round trips -----------------------------------------------------------------------------------

TEXTS = st.text(max_size=8) | st.sampled_from(["puct", "sgd", "cosine", "swa", "b10c128", "cuda:3"])
VALUES = {  # any value of a setting's type, in range or not
    "integer": st.integers(-1, 2**63),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "string": TEXTS,
    "array": st.lists(TEXTS, max_size=3).map(tuple),
    None: st.integers(0, 99) | st.just("auto"),
}
CHANGES = st.lists(
    st.one_of(
        *[
            st.tuples(st.just(entry.path), VALUES[entry.schema.get("type")])
            for entry in settings(Config)
        ]
    ),
    max_size=10,
)


@pytest.mark.slow
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
