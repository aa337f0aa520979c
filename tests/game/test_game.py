"""Positions, the kernels over many positions, and finding games by name, parameters and file."""

import copy
import functools
import gc
import os
import pickle
import re
import subprocess
import sys
import textwrap
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alphazero.errors import UserError
from alphazero.game import Game, Position, Symmetries, available, load_recorded
from alphazero.game import load as load_anew
from alphazero.game.game import MAX_ACTIONS, MAX_LEGAL
from tests.helpers import toy_games
from tests.helpers.tree_reading import plain

load = functools.cache(load_anew)
ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "games" / "tictactoe.py"


def after(spec: str, moves: str) -> Position:
    position = load(spec).position()
    for move in moves.split():
        position.play(move)
    return position


def everything(position: Position) -> tuple:
    return (
        plain(position.state),
        position.moves.copy(),
        position.key,
        position.keys.tolist(),
        position.legal_actions(),
        position.outcome(),
        position.render(),
    )


# -- positions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["connect4", "chess", "go:size=5"])
def test_the_start_stays_the_same_bytes_however_long_the_game_and_however_often_copied(
    spec: str,
) -> None:
    game, rng = load(spec), np.random.default_rng(0)
    position = game.position()
    for _ in range(20):
        litter = [np.full(game.state.itemsize * 16 * 2**i, 255, np.uint8) for i in range(4)]
        del litter  # what numpy finds in new arrays that it does not fill
        if position.is_over:
            break
        position.play(int(rng.choice(position.legal_actions())))
        position = position.copy()
        assert position.start_state.tobytes() == game.position().start_state.tobytes()


def test_a_copy_goes_its_own_way() -> None:
    position = after("connect4", "d d e")
    before = everything(position)
    copy = position.copy()
    assert everything(copy) == before
    copy.play("a")
    copy.undo()
    copy.undo()
    copy.play("g")
    assert everything(position) == before
    position.play("c")
    assert copy.moves == [3, 3, 6]


@pytest.mark.parametrize("move", [-1, 7, 10**9, "h", "", "d4", 3])
def test_a_refused_move_changes_nothing(move: int | str) -> None:
    position = after("connect4", "d d d d d d")
    before = everything(position)
    with pytest.raises(ValueError):
        position.play(move)
    assert everything(position) == before


@pytest.mark.parametrize(
    ("move", "message"),
    [(-1, "action -1 is not in 0..6"), (7, "action 7 is not in 0..6"), (3, "column d is full")],
)
def test_the_reason_names_the_move(move: int, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        after("connect4", "d d d d d d").play(move)


def test_half_a_column_is_no_move() -> None:
    with pytest.raises((ValueError, TypeError)):
        after("connect4", "").play(3.9)  # type: ignore[arg-type]


def test_there_is_nothing_to_take_back_at_the_start() -> None:
    position = load("tic-tac-toe").position()
    with pytest.raises(ValueError, match="no move to take back"):
        position.undo()
    position.play("b2")
    assert position.undo() == 4
    assert position.moves == [] and position.last_action is None


def test_a_game_longer_than_the_room_first_made_for_it() -> None:
    position = load("connect4").position()
    rng = np.random.default_rng(12)
    plies = 0
    for _ in range(30):
        position = load("connect4").position()
        while not position.is_over:
            position.play(int(rng.choice(position.legal_actions())))
        plies = max(plies, position.ply)
        replayed = load("connect4").position()
        for ply, action in enumerate(position.moves):
            assert position.keys[ply] == replayed.key
            replayed.play(action)
        assert everything(replayed) == everything(position)
    assert plies > 32


def test_a_position_without_history_can_be_given() -> None:
    given_state = after("tic-tac-toe", "b2 a1").state.copy()
    position = Position(load("tic-tac-toe"), given_state)
    assert (position.ply, position.to_play, position.moves, len(position.keys)) == (2, 0, [], 0)
    position.play("a3")
    assert position.start_state == given_state
    assert position.undo() == 0
    with pytest.raises(ValueError, match="no move to take back"):
        position.undo()
    given_state["board"][0] = 1
    assert position.state["board"][0] == 0, "the state was copied"


def test_what_is_read_from_a_position_is_not_its_own() -> None:
    position = after("tic-tac-toe", "b2")
    position.legal_mask()[:] = 0
    position.planes()[:] = 0
    position.legal_actions().clear()
    assert len(position.legal_actions()) == 8 and position.planes().sum() == 1


@pytest.mark.parametrize(
    ("moves", "winner", "values", "to_move"),
    [
        ("a3 a1 b3 b1 c3", 0, (1.0, -1.0), -1.0),
        ("a3 a1 b3 b1 c2 c1", 1, (-1.0, 1.0), -1.0),
        ("b2 a3 c3 a1 a2 c2 b3 b1 c1", None, (0.0, 0.0), 0.0),
    ],
)
def test_outcomes(moves: str, winner: int | None, values: tuple, to_move: float) -> None:
    position = after("tic-tac-toe", moves)
    outcome = position.outcome()
    assert outcome is not None and (outcome.winner, outcome.values) == (winner, values)
    assert position.is_over and position.value_to_move() == to_move
    assert position.legal_actions() == [] and not position.legal_mask().any()
    position.undo()
    assert position.outcome() is None and not position.is_over and position.value_to_move() == 0


def test_a_draw_is_no_less_than_nothing() -> None:
    outcome = after("tic-tac-toe", "b2 a3 c3 a1 a2 c2 b3 b1 c1").outcome()
    assert outcome is not None and str(outcome.values) == "(0.0, 0.0)"


def test_the_winner_may_be_the_player_to_move() -> None:
    seen = set()
    rng = np.random.default_rng(0)
    for seed in range(40):
        position = toy_games.position_of(toy_games.RANDOM, seed=seed)
        while not position.is_over:
            position.play(int(rng.choice(position.legal_actions())))
        outcome, value = position.outcome(), position.value_to_move()
        assert outcome is not None and outcome.values[position.to_play] == value
        assert outcome.values[0] == -outcome.values[1]
        if value:
            assert outcome.winner == (position.to_play if value > 0 else 1 - position.to_play)
            seen.add((position.to_play, value > 0))
    assert len(seen) == 4


def test_earlier_positions_decide_what_is_legal() -> None:
    position = toy_games.position_of(toy_games.RING, length=3)
    assert position.legal_actions() == [0, 1], "a step of 3 leads back"
    position.play(0)
    assert position.legal_actions() == [0], "place 0 has been visited"
    position.play(0)
    assert position.is_over and position.value_to_move() == -1
    position.undo()
    assert position.legal_actions() == [0]
    forgetful = Position(toy_games.RING, position.state)
    assert forgetful.legal_actions() == [0, 1], "without a past, place 0 is open"


# -- many positions --------------------------------------------------------------------------------

GAMES = {
    "tic-tac-toe": lambda: load("tic-tac-toe").position(),
    "connect4": lambda: load("connect4").position(),
    "connect4 4x5": lambda: load("connect4:rows=4,cols=5").position(),
    "double moves": lambda: toy_games.position_of(toy_games.RANDOM, seed=7),
    "repetition": lambda: toy_games.position_of(toy_games.RING, length=9),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GAMES)
@given(data=st.data())
def test_a_batch_is_as_its_positions(name: str, data: st.DataObject) -> None:
    positions = []
    for choices in data.draw(
        st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=6)
    ):
        position = GAMES[name]()
        for choice in choices:
            if position.is_over:
                break
            legal = position.legal_actions()
            position.play(legal[choice % len(legal)])
        positions.append(position)
    game: Game = positions[0].game
    count = len(positions)
    states = np.concatenate([position.state_array for position in positions])
    keys = np.full((count, 13), 12345, np.uint64)
    for row, position in zip(keys, positions, strict=True):
        row[: len(position.keys)] = position.keys
    lengths = np.array([len(position.moves) for position in positions], np.int32)

    found_keys = np.zeros(count, np.uint64)
    game.key_batch(states, found_keys)
    assert found_keys.tolist() == [position.key for position in positions]
    over, values = np.zeros(count, np.uint8), np.zeros(count, np.float32)
    game.outcome_batch(states, keys, lengths, over, values)
    assert over.tolist() == [position.is_over for position in positions]
    assert values.tolist() == [position.value_to_move() for position in positions]
    planes = np.full((count, *game.planes), 9, np.uint8)
    game.observe_batch(states, keys, lengths, planes, np.zeros((count, 0), np.float32))
    assert all(
        (p == position.planes()).all() for p, position in zip(planes, positions, strict=True)
    )
    masks = np.full((count, game.num_actions), 9, np.uint8)
    game.legal_batch(states, keys, lengths, masks)
    for mask, position in zip(masks, positions, strict=True):
        assert position.is_over or (mask == position.legal_mask()).all()

    moving = [i for i, position in enumerate(positions) if not position.is_over]
    actions = np.array([positions[i].legal_actions()[-1] for i in moving], np.int32)
    moved = states[moving]
    game.play_batch(moved, actions)
    for i, action, state in zip(moving, actions, moved, strict=True):
        positions[i].play(int(action))
        assert positions[i].state == state


@pytest.mark.parametrize("name", GAMES)
def test_replay_is_as_playing(name: str) -> None:
    position = GAMES[name]()
    rng = np.random.default_rng(1)
    while not position.is_over:
        position.play(int(rng.choice(position.legal_actions())))
    count = len(position.moves)
    states, keys = position.game.empty_states(count + 1), np.zeros(count + 1, np.uint64)
    states[0] = position.start_state
    position.game.replay(np.array(position.moves, np.int32), states, keys)
    assert states[-1] == position.state
    assert keys.tolist() == [*position.keys.tolist(), position.key]


@pytest.mark.parametrize("name", GAMES)
def test_playouts_end_and_do_not_depend_on_their_neighbours(name: str) -> None:
    position = GAMES[name]()
    states = np.repeat(position.state_array, 50)
    values = np.zeros(50, np.float32)
    position.game.playout_batch(states, np.arange(50, dtype=np.uint64), values)
    assert len({str(plain(state)) for state in states}) > 2
    again, value = position.state_array.copy(), np.zeros(1, np.float32)
    position.game.playout_batch(again, np.array([33], np.uint64), value)
    assert again[0] == states[33] and value[0] == values[33]
    for state, found in zip(states, values, strict=True):
        if name != "repetition":  # the end of such a game does not show without its past
            end = Position(position.game, state)
            assert end.is_over
            sign = 1 if end.to_play == position.to_play else -1
            assert sign * end.value_to_move() == found


# -- declaring a game ------------------------------------------------------------------------------


def test_a_state_must_say_whose_move_it_is() -> None:
    game = load("tic-tac-toe")
    for field in ("to_play", "ply"):
        names = [name for name in game.state.names or () if name != field]
        state = np.dtype([(name, game.state[name]) for name in names])
        with pytest.raises(ValueError, match=f"lacks the field '{field}'"):
            replace(game, state=state)
    with pytest.raises(ValueError, match="lacks the field 'to_play'"):
        replace(game, state=np.dtype(np.int64))


@pytest.mark.parametrize("field", ["size", "shape", "data", "flags", "T", "max"])
def test_a_field_named_as_an_attribute_of_all_records_is_refused(field: str) -> None:
    game = load("tic-tac-toe")
    fields = [(name, game.state[name]) for name in game.state.names or ()]
    with pytest.raises(ValueError, match=field):
        replace(game, state=np.dtype([*fields, (field, np.int8)]))


@pytest.mark.slow
def test_a_playout_longer_than_max_plies_is_caught() -> None:
    code = """
        from dataclasses import replace
        import numpy as np
        from tests.helpers.toy_games import RING, position_of
        liar = replace(RING, max_plies=2)
        states = np.repeat(position_of(liar, length=12).state_array, 20)
        try:
            liar.playout_batch(states, np.arange(20, dtype=np.uint64), np.zeros(20, np.float32))
        except AssertionError:
            print("caught")
    """
    environment = os.environ | {"PYTHONPATH": f"{ROOT}"}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.stdout.strip() == "caught"


def test_what_a_game_need_not_say() -> None:
    game = toy_games.RANDOM
    assert game.max_legal == game.num_actions == 3
    assert game.symmetries is not None
    assert game.symmetries.points.tolist() == [[0]] and game.symmetries.actions.tolist() == [
        [0, 1, 2]
    ]
    assert repr(load("tic-tac-toe")).startswith("Game('tic")


def test_inverse_permutations() -> None:
    game = load("tic-tac-toe")
    symmetries = game.symmetries
    assert isinstance(symmetries, Symmetries)
    forth, back = symmetries.actions, symmetries.inverse_actions
    assert all(
        (row[inverse] == np.arange(9)).all() for row, inverse in zip(forth, back, strict=True)
    )
    assert not (forth == back).all(), "quarter turns are not their own inverse"


# -- finding games ---------------------------------------------------------------------------------


def test_games_are_listed_without_importing_them() -> None:
    code = (
        "import sys; from alphazero.game import available; print(*available());"
        "print([name for name in sys.modules if name.startswith('alphazero_games')])"
    )
    names, imported = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {"connect4"} < set(names.split()) and imported == "[]"
    assert available().keys() == set(names.split())


@pytest.mark.parametrize("name", ["tic-tac-toe", "tictactoe", "TicTacToe", "tic_tac_toe"])
def test_the_spelling_of_a_name_is_forgiven(name: str) -> None:
    assert load_anew(name).name == "tic-tac-toe"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("chekers", "unknown game 'chekers'"),
        ("connect5", 'did you mean "connect4"'),
        ("", "unknown game ''"),
        ("connect4:rows=4,colums=5", "no parameter 'colums' (did you mean \"cols\"?)"),
        ("connect4:rows=many", "whole numbers above 0, not many"),
        ("connect4:rows=4.5", "whole numbers above 0, not 4.5"),
        ("connect4:=4", "write name=value"),
        ("tictactoe:rows=3", "takes no parameters, not rows"),
    ],
)
def test_a_spec_that_means_nothing(spec: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_anew(spec)
    assert "\n" not in str(caught.value)


def test_an_unknown_game_is_told_of_those_there_are() -> None:
    with pytest.raises(UserError) as caught:
        load_anew("go9000")
    for name in available():
        assert name in str(caught.value)


def write(folder: Path, text: str, name: str = "mygame.py") -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return path


def test_a_game_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, EXAMPLE.read_text(), "ours.py")
    game = load_anew(str(path))
    assert game.spec == str(path)
    position = game.position()
    position.play("b2")
    again = pickle.loads(pickle.dumps(game))
    assert again.spec == game.spec and again.position().play("b2") == 4
    monkeypatch.chdir(tmp_path)
    assert load_anew("./ours.py").spec == str(path), "the spec holds wherever a worker runs"


def test_parameters_of_a_game_in_a_file(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace("GAME = Game(", "EXAMPLE = Game(")
    path = write(
        tmp_path,
        text
        + textwrap.dedent("""
        from dataclasses import replace

        def GAME(size=3, komi=0.5, torus=False, rules="easy"):
            if size != 3:
                raise ValueError(f"size must be 3, not {size}")
            given = {"size": size, "komi": komi, "torus": torus, "rules": rules}
            return replace(EXAMPLE, parameters=given)
        """),
        "parametric.py",
    )
    game = load_anew(f"{path}: komi=7.5,torus=True, rules=hard")
    assert game.parameters == {"size": 3, "komi": 7.5, "torus": True, "rules": "hard"}
    assert load_anew(game.spec).parameters == game.parameters
    with pytest.raises(UserError, match="size must be 3, not 4"):
        load_anew(f"{path}:size=4")


def test_two_files_of_the_same_name(tmp_path: Path) -> None:
    games = []
    for title in ("First", "Second"):
        (tmp_path / title).mkdir()
        text = EXAMPLE.read_text().replace('title="Tic-tac-toe"', f'title="{title}"')
        games.append(load_anew(str(write(tmp_path / title, text))))
    assert [game.title for game in games] == ["First", "Second"]
    assert [pickle.loads(pickle.dumps(game)).title for game in games] == ["First", "Second"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "does not define GAME"),
        pytest.param("GAME = 5", "GAME must be a Game or a function that returns one"),
        ("def GAME(): return 5", "GAME must be a Game or a function that returns one"),
        ("def GAME(:", "SyntaxError"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_file_that_is_no_game(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=re.escape(message)):
        load_anew(str(path))


def test_a_game_of_two_files(tmp_path: Path) -> None:
    """A file loaded by its path finds the module that lies beside it."""
    write(tmp_path, "CENTRE = 4\n", "beside_it.py")
    path = write(tmp_path, "from beside_it import CENTRE\n" + EXAMPLE.read_text(), "twofold.py")
    assert load_anew(str(path)).title == "Tic-tac-toe"


@pytest.mark.slow
def test_a_file_that_was_moved_finds_its_compiled_rules(tmp_path: Path) -> None:
    """Compiled rules on disk refer to the module that they were made from."""
    program = (
        "import sys; from alphazero.game import load; p = load(sys.argv[1]).position();"
        "p.play('b2'); print(p.game.start.py_func.__module__, p.is_over)"
    )
    said = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        path = write(tmp_path / folder, "MARK = 'moved'\n" + EXAMPLE.read_text(), "moved.py")
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said[0] == said[1] and said[0].endswith("False\n")


def test_a_copy_in_another_folder_is_a_game_of_its_own(tmp_path: Path) -> None:
    text = "CENTRE = __file__\n" + EXAMPLE.read_text().replace("title=", "title=CENTRE + ")
    (tmp_path / "copy").mkdir()
    paths = [write(folder, text, "copied.py") for folder in (tmp_path, tmp_path / "copy")]
    for path in paths:
        assert load_anew(str(path)).title.startswith(str(path))


# -- one game, one object --------------------------------------------------------------------------


def test_equal_specs_give_the_same_game() -> None:
    assert load_anew("connect4") is load_anew("Connect-4:cols=7") is load_anew("connect4:rows=6")
    assert load_anew("connect4:rows=4") is not load_anew("connect4")
    position = load_anew("connect4").position("d d")
    assert position.is_same(load_anew("connect4").position(["d", "d"]))


def test_positions_are_copied_and_pickled_with_their_game() -> None:
    position = load("connect4").position("d d e")
    for again in (
        position.copy(),
        copy.deepcopy(position),
        pickle.loads(pickle.dumps(position)),
    ):
        assert again.game is position.game and again.is_same(position)
    again = copy.deepcopy(position)
    again.play("a")
    assert len(position.moves) == 3, "independent"
    ring = toy_games.RING
    assert copy.deepcopy(ring) is ring, "also a game that `load` does not know"


@pytest.mark.slow
def test_a_game_that_nobody_uses_is_freed() -> None:
    game = load_anew("connect4:rows=5,cols=6")
    _ = game.start_batch
    there = weakref.ref(game)
    del game
    gc.collect()
    assert there() is None


# -- files of users --------------------------------------------------------------------------------

RULES = """
from dataclasses import replace

from alphazero.game import load

{imports}

GAME = replace(load("tic-tac-toe"), name="mine", title=TITLE)
"""


@pytest.mark.parametrize(
    "imports",
    [
        "from helper import TITLE",
        "from .helper import TITLE",
        "from . import helper; TITLE = helper.TITLE",
        "import helper as h; TITLE = h.TITLE",
        "import tables.names; TITLE = tables.names.TITLE",
        "from tables.names import TITLE",
        "import json, helper; TITLE = helper.TITLE",
    ],
)
def test_helpers_of_the_same_name_do_not_disturb_each_other(tmp_path: Path, imports: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "tables").mkdir(parents=True)
        (tmp_path / name / "json.py").write_text("raise SystemExit('the standard library wins')")
        for helper in ("helper.py", "tables/names.py"):
            (tmp_path / name / helper).write_text(f"TITLE = {name!r}")
        (tmp_path / name / "rules.py").write_text(RULES.format(imports=imports))
    titles = [load_anew(str(tmp_path / name / "rules.py")).title for name in ("one", "two")]
    assert titles == ["one", "two"]
    assert "helper" not in sys.modules and not (tmp_path / "one" / "__pycache__").exists()


def test_a_file_that_names_a_game_by_its_path_does_not_execute_it(tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('executed')")
    with pytest.raises(UserError, match="not executed"):
        load_recorded(f"{trap}:size=9")
    assert load_recorded("tic-tac-toe") is load_anew("tic-tac-toe")
    assert load_recorded(str(trap), "tic-tac-toe") is load_anew("tic-tac-toe")


# -- limits ----------------------------------------------------------------------------------------


def test_limits_of_actions() -> None:
    """An action is a uint16, the number of a node's edges an int16."""
    game = load("tic-tac-toe")
    assert replace(game, num_actions=MAX_ACTIONS, symmetries=None).num_actions == MAX_ACTIONS
    at = replace(game, num_actions=MAX_LEGAL, max_legal=0, symmetries=None)
    assert at.max_legal == MAX_LEGAL
    with pytest.raises(ValueError, match=f"num_actions is {MAX_ACTIONS + 1}.*{MAX_ACTIONS}"):
        replace(game, num_actions=MAX_ACTIONS + 1, symmetries=None)
    with pytest.raises(ValueError, match=f"max_legal is {MAX_LEGAL + 1}.*{MAX_LEGAL}"):
        replace(game, num_actions=MAX_LEGAL + 1, max_legal=0, symmetries=None)


def test_a_game_beyond_the_limits_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "wide.py"
    path.write_text(
        "from dataclasses import replace\n"
        "from alphazero.game import load\n"
        "GAME = replace(load('tic-tac-toe'), num_actions=70_000, symmetries=None)\n"
    )
    with pytest.raises(UserError, match="num_actions is 70000"):
        load_anew(str(path))
