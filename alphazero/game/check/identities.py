"""The contract's identities; each check looks for a position where one does not hold."""

import contextlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from alphazero.game import Game, Position
from alphazero.game.check.sample import (
    Answers,
    Check,
    Sample,
    ask,
    moves_text,
    same_state,
    written,
)
from alphazero.game.check.static import (
    KERNELS,
    interpreted,
    interpreted_answer,
    interpreted_games,
)
from alphazero.game.trial import Violation, one_mover

MOVER_GAMES, MOVER_PLIES = 3, 20  # positions in which the other player is put to move
MOVER_STEPS = 4  # moves that are compared from there
# Raised by interpreted rules in a position that no game leads to.
IMPOSSIBLE = (AssertionError, IndexError, OverflowError, ValueError, ZeroDivisionError)


def compiled_rules(sample: Sample) -> None:
    """compiled rules answer as the same rules interpreted"""
    for answers in interpreted_games(sample):
        position = sample.game.position()
        for answer in answers:
            planes, values = position.inputs()
            compiled = {
                "over": position.is_over,
                "value": position.value_to_move(),
                "legal": position.legal_mask(),
                "planes": planes,
                "globals": values,
                "key": position.key,
            }
            for name, ours in compiled.items():
                theirs = getattr(answer, name)
                theirs = np.float32(theirs) if name == "value" else theirs
                if name == "globals":  # compiled code may round the last bit otherwise
                    same = np.allclose(ours, theirs, rtol=1e-5) and np.isfinite(ours).all()
                else:
                    same = np.array_equal(ours, theirs)
                if not same:
                    raise Violation(f"{name}: compiled {ours}, interpreted {theirs}", position)
            if answer.action >= 0:
                position.play(answer.action)


def start_fills_everything(sample: Sample) -> None:
    """start fills every field, whatever was there before"""
    game = sample.game
    clean, dirty = game.empty_states(1), game.empty_states(1)
    dirty.view(np.uint8)[:] = 0x5A
    game.start_batch(clean)
    game.start_batch(dirty)
    for field in game.state.names or ():
        if not np.array_equal(clean[field], dirty[field]):
            raise Violation(f"start does not set the state's {field}")


def boards_are_readable(sample: Sample) -> None:
    """the board is drawn in ASCII and leaves the state as it is"""
    for position in sample:
        before = position.state_array.copy()
        board = position.render()
        if not same_state(sample.game, position.state, before[0]):
            raise Violation("drawing the board changes the state", position)
        if not board.strip() or not board.isascii():
            raise Violation(f"the board is drawn as {board!r}", position)


def last_moves_show(sample: Sample) -> None:
    """the board marks the last move"""
    moved = [position for position in sample if position.moves]
    if not any(p.render() != sample.game.board_text(p.state) for p in moved) and moved:
        raise Violation("the last move is never marked", sample.finished[0])


def cells_have_names(sample: Sample) -> None:
    """the cells of a board view are named as in the text of moves"""
    game = sample.game
    if game.view is None:
        return
    for finished in sample.finished:
        position = game.position()
        for action in finished.moves:
            before, text = position.board_view(), written(position, action)
            named = [before.name(cell) for cell in range(len(before.cells))]
            position.play(action)
            if game.fully_convolutional:  # the action is a point of the planes
                row, column = divmod(action, game.planes[2])
                if row < len(before.rows) and column < len(before.columns):
                    name = named[row * len(before.columns) + column]
                    if name.lower() != text.lower():
                        raise Violation(f"the move {text} is on the cell {name}", position)
                continue
            cells = spelled_by(text, named)
            after = position.board_view().cells
            if cells and all(before.cells[cell] == after[cell] for cell in cells):
                raise Violation(f"the move {text} changes no cell that it names", position)


def spelled_by(text: str, names: list[str]) -> list[int]:
    """The cells whose names, one after the other, are this text; none if it says anything else."""
    cells = {name.lower(): cell for cell, name in enumerate(names)}
    parts = re.findall(r"[a-z]+\d+", text.lower())
    whole = "".join(parts) == text.lower() and all(part in cells for part in parts)
    return [cells[part] for part in parts] if whole else []


def rules_are_deterministic(sample: Sample) -> None:
    """the same moves lead to the same states, keys and results"""
    game = sample.game
    for finished in sample.finished:
        n = len(finished.moves)
        states, keys = game.empty_states(n + 1), np.zeros(n + 1, np.uint64)
        states[0] = finished.start_state
        game.replay(np.array(finished.moves, np.int32), states, keys)
        again = game.position()
        for ply in range(n + 1):
            if not same_state(game, again.state, states[ply]):
                raise Violation("playing the same moves twice gave different states", again)
            if again.key != int(keys[ply]):
                raise Violation("playing the same moves twice gave different keys", again)
            if ply < n:
                again.play(finished.moves[ply])
        if again.outcome() != finished.outcome():
            raise Violation(f"once {again.outcome()}, once {finished.outcome()}", again)


def text_round_trips(sample: Sample) -> None:
    """str_to_action(action_to_str(a)) == a, and no two legal moves are written alike"""
    for position in sample:
        before = position.state_array.copy()
        texts: dict[str, int] = {}
        for action in position.legal_actions():
            text = written(position, action)
            if not text or text.split() != [text]:
                raise Violation(f"action {action} is written {text!r}, not as one word", position)
            if text in texts:
                raise Violation(f"{text!r} is both action {texts[text]} and {action}", position)
            texts[text] = action
        for text, action in texts.items():
            if (back := position.action(text)) != action:
                raise Violation(f"action {action} is written {text!r}, read as {back}", position)
        if not same_state(sample.game, position.state, before[0]):
            raise Violation("reading or writing moves changes the state", position)


def illegal_moves(sample: Sample) -> None:
    """an illegal move is refused with a reason and changes nothing"""
    game = sample.game
    for position in sample:
        mask = position.legal_mask()
        wrong = np.flatnonzero(mask == 0)
        wrong = [*sample.rng.permutation(wrong)[:3].tolist(), -1, game.num_actions]
        before, moves = position.state_array.copy(), len(position.moves)
        for action in wrong:
            try:
                position.play(int(action))
            except ValueError as error:
                if not str(error):
                    raise Violation(f"no reason why action {action} is illegal", position) from None
            else:
                raise Violation(f"the illegal action {action} was played", position)
            if len(position.moves) != moves or not same_state(game, position.state, before[0]):
                raise Violation(f"refusing action {action} changed the position", position)


def keys_name_positions(sample: Sample) -> None:
    """keys are equal exactly for equal positions"""
    game = sample.game
    shown: dict[int, tuple[tuple[int, str], Position, int]] = {}
    named: dict[tuple[Any, ...], int] = {}  # keys by all of the state
    timeless: dict[tuple[Any, ...], int] = {}  # keys by the state without its ply
    fields = [field for field in game.state.names or () if field != "ply"]
    for finished in sample.finished:
        position = game.position()
        for action in [*finished.moves, None]:
            key, looks = position.key, (position.to_play, game.board_text(position.state))
            known, other, plies = shown.setdefault(key, (looks, finished, len(position.moves)))
            if known != looks:
                twin = moves_text(other, plies)
                raise Violation(
                    f"key {key:#018x} also belongs to the position after {twin}", position
                )
            content = tuple(np.asarray(position.state[field]).tobytes() for field in fields)
            if named.setdefault((*content, position.ply), key) != key:
                raise Violation("an equal state had another key earlier", position)
            # Rules that count plies may tell equal boards apart, but then nothing ever repeats.
            if timeless.setdefault(content, key) != key and game.uses_keys:
                raise Violation(
                    "an equal state had another key at another ply, so that no position ever"
                    " repeats: leave the ply out of the key, or declare uses_keys=False",
                    position,
                )
            if action is not None:
                position.play(action)


def history_is_declared(sample: Sample) -> None:
    """a game with uses_keys=False never looks at earlier positions"""
    game = sample.game
    if game.uses_keys:
        return
    for position in sample:
        stranger = Position(game, position.state)  # the same state as a game without history
        if stranger.is_over != position.is_over:
            raise Violation("whether the game is over depends on earlier positions", position)
        if not np.array_equal(stranger.legal_mask(), position.legal_mask()):
            raise Violation("legal moves depend on earlier positions", position)


def batches_equal_rows(sample: Sample) -> None:
    """a batch gives the same answers as its positions one by one"""
    together = ask(sample.positions)
    for b, position in enumerate(sample):
        alone = ask([position])
        for name, ours, other in zip(Answers._fields, together, alone, strict=True):
            if name == "legal" and position.is_over:
                continue  # what is legal then is never asked
            if not np.array_equal(ours[b], other[0]):
                problem = f"{name}: {ours[b]} in the batch, {other[0]} alone"
                raise Violation(problem, position)


def playouts_follow_seeds(sample: Sample) -> None:
    """a random playout depends on its position and seed alone, and reports how it ended"""
    game = sample.game
    positions = sample.positions[:64]
    states = np.concatenate([position.state_array for position in positions])
    seeds = np.arange(len(positions), dtype=np.uint64)
    values, reverse = np.zeros(len(states), np.float32), np.zeros(len(states), np.float32)
    ends, reverse_ends = states.copy(), states[::-1].copy()
    game.playout_batch(ends, seeds, values)
    game.playout_batch(reverse_ends, seeds[::-1].copy(), reverse)
    for b, position in enumerate(positions):
        if not same_state(game, ends[b], reverse_ends[-1 - b]) or values[b] != reverse[-1 - b]:
            raise Violation("the playout came out differently in another batch", position)
        if game.uses_keys:
            continue  # the end may have come by repetition, which its state does not show
        end = Position(game, ends[b])
        value = end.value_to_move() * (1 if end.to_play == position.to_play else -1)
        if not end.is_over or values[b] != np.float32(value):
            raise Violation(f"the playout's value is {values[b]}, its end says {value}", position)


def symmetric_play(sample: Sample) -> None:
    """symmetries commute with play: legality, outcome and observation transform alike"""
    symmetries = sample.game.symmetries
    assert symmetries is not None
    for position, images in sample.symmetric_games():
        planes, values = position.inputs()
        planes = planes.reshape(sample.game.planes[0], -1)
        for s, image in enumerate(images):
            if image.is_over != position.is_over:
                raise Violation(f"only one of the two games is over under symmetry {s}", position)
            if image.value_to_move() != position.value_to_move():
                raise Violation(f"symmetry {s} changes the value", position)
            if not np.array_equal(image.legal_mask(), position.legal_mask()[symmetries.actions[s]]):
                raise Violation(f"legal moves do not follow symmetry {s}", position)
            moved, same = image.inputs()
            if not np.array_equal(moved.reshape(planes.shape), planes[:, symmetries.points[s]]):
                raise Violation(f"the observation does not follow symmetry {s}", position)
            if not np.allclose(same, values, rtol=1e-5):
                raise Violation(f"symmetry {s} changes the float inputs", position)


def auxiliary_targets(sample: Sample) -> None:
    """auxiliary targets are filled, finite, within their loss's range and follow the symmetries"""
    game, symmetries = sample.game, sample.game.symmetries
    assert symmetries is not None
    for auxiliary in game.auxiliary:
        size = int(np.prod(auxiliary.shape))
        for finished in sample.finished[:10]:
            final = finished.state_array[0]
            out, again = np.full(size, np.nan, np.float32), np.full(size, 7.0, np.float32)
            auxiliary.target(finished.start_state, final, out)
            auxiliary.target(finished.start_state, final, again)
            if not (np.array_equal(out, again) and np.isfinite(out).all()):
                raise Violation(f"{auxiliary.name} is not filled or not finite", finished)
            if auxiliary.loss == "bce" and (out.min() < 0 or out.max() > 1):
                raise Violation(f"{auxiliary.name} leaves [0, 1], which bce needs", finished)
        follows = auxiliary.shape == game.planes[1:]
        for position, images in sample.symmetric_games():
            if not position.is_over:
                continue
            targets = np.zeros((len(images), size), np.float32)
            for s, image in enumerate(images):
                auxiliary.target(image.start_state, image.state, targets[s])
                expected = targets[0][symmetries.points[s]] if follows else targets[0]
                if not np.allclose(targets[s], expected, atol=1e-5):
                    raise Violation(f"{auxiliary.name} does not follow symmetry {s}", position)


def nonsense_is_refused(sample: Sample) -> None:
    """str_to_action answers a text that is not a move with ValueError"""
    for position in sample.positions[:20]:
        for text in ("", " ", "?", "-1", "zz99", "a0", "99999999999", "\0", "é", "a" * 200):
            try:
                action = position.action(text)
            except ValueError as error:
                if not str(error):
                    raise Violation(f"no reason why {text!r} is not a move", position) from None
                continue
            except Exception as error:
                raise Violation(f"{text!r} raised {type(error).__name__}", position) from error
            if not 0 <= action < sample.game.num_actions:
                raise Violation(f"{text!r} was read as action {action}", position)


def the_winner_moved_last(sample: Sample) -> None:
    """the value is the player to move's: who makes the deciding move does not always lose"""
    decided = [p for p in sample.finished if p.moves and p.value_to_move() != 0]
    for position in decided:
        player = position.copy()
        player.undo()
        outcome = position.outcome()
        assert outcome is not None
        if outcome.values[player.to_play] > 0:
            return
    if len(decided) >= 10:
        raise Violation(
            f"in all {len(decided)} decided games the player who made the last move lost; "
            "unless the game is meant so, outcome has the wrong sign",
            decided[0],
        )


def both_players_move(sample: Sample) -> None:
    """both players move"""
    movers = {player for finished in sample.finished for player in finished.movers}
    if len(movers) == 1 and any(len(finished.moves) > 1 for finished in sample.finished):
        raise Violation(one_mover(sample.game, movers), sample.finished[0])


def the_mover_shows(sample: Sample) -> None:
    """observe shows who is to move, wherever that matters"""
    game, rng = sample.game, np.random.default_rng(0)
    rules = {name: interpreted(getattr(game, name)) for name in KERNELS}
    for finished in sample.finished[:MOVER_GAMES]:
        position = game.position()
        for action in finished.moves[:MOVER_PLIES]:
            problem = ""
            with contextlib.suppress(*IMPOSSIBLE), np.errstate(all="ignore"):
                problem = hidden_mover(game, rules, position, rng)
            if problem:
                raise Violation(f"whoever is to move, the planes are the same, {problem}", position)
            position.play(action)


def hidden_mover(
    game: Game, rules: dict[str, Callable[..., Any]], position: Position, rng: np.random.Generator
) -> str:
    """Compare a position with itself, the other player to move, if their planes are the same, and
    some moves ahead; returns the first difference, or ""."""
    states = np.concatenate([position.state_array] * 2)
    states["to_play"][1] = 1 - states["to_play"][0]
    n = len(position.moves)
    keys = np.concatenate([position.keys, np.zeros(MOVER_STEPS, np.uint64)])
    planes, values = np.zeros((2, *game.planes), np.uint8), np.zeros((2, game.globals), np.float32)
    game.observe_batch(states, np.stack([keys, keys]), np.array([n, n], np.int32), planes, values)
    if (planes[0] != planes[1]).any() or (values[0] != values[1]).any():
        return ""
    for step in range(n, n + MOVER_STEPS):
        one, other = (interpreted_answer(game, rules, state, keys, step) for state in states)
        if not (
            np.array_equal(one.planes, other.planes) and np.array_equal(one.globals, other.globals)
        ):
            return "but not after the same move"
        if (one.over, one.value) != (other.over, other.value):
            return "but not the result"
        if not np.array_equal(one.legal, other.legal):
            return "but not the legal moves"
        if one.over:
            break
        keys[step] = one.key
        action = int(rng.choice(np.flatnonzero(one.legal)))
        for state in states:
            rules["play"](state, action)
    return ""


IDENTITIES: tuple[Check, ...] = (
    compiled_rules,
    start_fills_everything,
    boards_are_readable,
    last_moves_show,
    rules_are_deterministic,
    text_round_trips,
    cells_have_names,
    illegal_moves,
    keys_name_positions,
    history_is_declared,
    batches_equal_rows,
    playouts_follow_seeds,
    symmetric_play,
    auxiliary_targets,
    nonsense_is_refused,
    the_winner_moved_last,
    both_players_move,
    the_mover_shows,
)
