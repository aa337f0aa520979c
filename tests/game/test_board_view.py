"""Boards as data: their text, their names, the view from the other side."""

import dataclasses

import pytest

from alphazero.game import BoardView, Cell, Game, load
from games import tictactoe

CROSS, NOUGHT, NONE = Cell("X", 0), Cell("O", 1), Cell()


def points(**more) -> BoardView:
    cells = [NONE, CROSS, NONE, NOUGHT, NONE, NONE, NONE, NONE, NONE]
    return BoardView("points", rows=["11", "10", "9"], columns="ABC", cells=cells, **more)


def squares(**more) -> BoardView:
    return BoardView(
        "squares", rows=["10", "9"], columns="ab", cells=[CROSS, NONE, NONE, NOUGHT], **more
    )


def test_points_share_the_brackets_of_their_neighbours():
    view = points(stars=frozenset({4, 3}), last=(3,), caption="pass")
    assert view.text() == "   A B C\n11 . X . 11\n10(O)+ . 10\n 9 . . . 9\n   A B C\npass"
    assert points(last=(5,)).text().splitlines()[2] == "10 O .(.)10"


def test_squares_have_brackets_of_their_own():
    view = squares(last=(0, 1), threatened=(3,))
    assert view.text() == "    a  b\n10 (X)(.) 10\n 9  . [O] 9\n    a  b"


def test_a_cell_is_named_by_its_column_and_row():
    assert [squares().name(cell) for cell in range(4)] == ["a10", "b10", "a9", "b9"]


@pytest.mark.parametrize(
    "view", [points(stars=frozenset({4}), last=(3,)), squares(threatened=(0,))]
)
def test_a_board_turned_twice_is_as_it_was(view: BoardView):
    turned = view.turned()
    assert turned != view and turned.turned() == view
    for cell, place in enumerate(view.cells):
        mirrored = len(view.cells) - 1 - cell
        assert turned.cells[mirrored] == place and turned.name(mirrored) == view.name(cell)
    assert "".join(turned.columns) in turned.text().replace(" ", "")


def test_segments_are_the_text_and_find_their_pieces():
    for view in (points(last=(3,)), squares(last=(0,))):
        lines = list(view.lines())
        assert "\n".join("".join(part.text for part in line) for line in lines) == view.text()
        pieces = {
            part.cell: part.text[1] for line in lines for part in line if part.cell is not None
        }
        assert [pieces[cell] for cell in range(len(view.cells))] == [
            place.piece or "." for place in view.cells
        ]


def test_impossible_boards_are_refused():
    with pytest.raises(ValueError, match="9 cells, not 1"):
        BoardView("squares", rows="321", columns="abc", cells=[CROSS])
    with pytest.raises(ValueError, match="hexes"):
        BoardView("hexes")


def test_a_game_that_only_draws_has_a_view_of_text():
    game = dataclasses.replace(
        tictactoe.GAME, view=None, render=lambda state, last: f"ply {state['ply']}, last {last}"
    )
    position = game.position()
    position.play("b2")
    view = position.board_view()
    assert (view.kind, view.text(), position.render()) == ("text", *["ply 1, last 4"] * 2)
    assert view.turned().text() == view.text()


def test_a_game_must_show_its_board():
    with pytest.raises(ValueError, match="view"):
        dataclasses.replace(tictactoe.GAME, view=None)


@pytest.mark.parametrize(
    ("spec", "moves", "kind", "size", "last"),
    [
        ("connect4", "d d", "squares", (6, 7), ["d2"]),
        ("go:size=9", "C3 pass", "points", (9, 9), []),
        ("go:size=9", "C3", "points", (9, 9), ["C3"]),
        ("chess", "e2e4", "squares", (8, 8), ["e4", "e2"]),
    ],
)
def test_views_of_games(spec: str, moves: str, kind: str, size: tuple[int, int], last: list[str]):
    game: Game = load(spec)
    position = game.position()
    for move in moves.split():
        position.play(move)
    view = position.board_view()
    assert (view.kind, (len(view.rows), len(view.columns))) == (kind, size)
    assert [view.name(cell) for cell in view.last] == last
    assert view.caption == ("pass" if moves.endswith("pass") else "")


def test_a_king_in_check_is_threatened():
    position = load("chess").position()
    for move in ("f3", "e5", "g4", "Qh4"):
        position.play(move)
    view = position.board_view()
    assert [view.name(cell) for cell in view.threatened] == ["e1"]
    (king,) = (view.cells[cell] for cell in view.threatened)
    assert (king, view.names[king.piece]) == (Cell("K", 0), "king")
