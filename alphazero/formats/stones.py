"""Stones on a board of Go without its rules: int8 [H, W], 0 empty, 1 Black's, 2 White's."""

import numpy as np


def put_stone(board: np.ndarray, player: int, action: int) -> tuple[int, int]:
    """Make a move that the rules forbid, as SGF's FF[4] says and KataGo does: the stone is set
    whatever was there, the opponent's chains without a liberty are captured, then one's own.

    Returns the numbers of stones that the two players have taken.
    """
    board.flat[action] = player + 1
    won, lost = len(capture(board, 2 - player)), len(capture(board, player + 1))
    return (won, lost) if player == 0 else (lost, won)


def capture(board: np.ndarray, color: int) -> list[tuple[int, int]]:
    """Take chains of a color without a liberty off a board; returns their points."""
    rows, columns = board.shape
    seen = np.zeros(board.shape, bool)
    captured: list[tuple[int, int]] = []
    for start in zip(*map(np.ndarray.tolist, np.nonzero(board == color)), strict=True):
        if seen[start]:
            continue
        seen[start] = True
        chain, has_liberty = [start], False
        for row, column in chain:  # which grows
            for near in (
                (row - 1, column),
                (row + 1, column),
                (row, column - 1),
                (row, column + 1),
            ):
                if not (0 <= near[0] < rows and 0 <= near[1] < columns):
                    continue
                has_liberty |= bool(board[near] == 0)
                if board[near] == color and not seen[near]:
                    seen[near] = True
                    chain.append(near)
        if not has_liberty:
            captured += chain
    for point in captured:
        board[point] = 0
    return captured
