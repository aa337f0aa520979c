"""Chess: squares, lines, leapers and the numbering of moves, as small tables made at import.

A square is 0..63: a1 = 0, b1 = 1 ... h8 = 63, as the player to move sees the board. For Black the
ranks are turned round (square ^ 56), so that both players' pawns walk up. A bitboard is a uint64
with one bit per square.

An action is `73 * point + plane`, where points are numbered from the top left as the player to move
sees them (point = square ^ 56), and planes as in AlphaZero (Silver et al. 2018, table S2):

    0..55   7 * direction + distance - 1, directions N NE E SE S SW W NW, a pawn becomes a queen
    56..63  the knight's eight jumps, clockwise from NNE
    64..72  64 + 3 * (0 knight, 1 bishop, 2 rook) + (0 capture left, 1 ahead, 2 capture right)

Castling is written as the king taking its own rook, as Chess960 needs it. All tables are compiled
into every kernel that uses them, so they are kept small (25 kB in all).
"""

import numpy as np

PLANES = 73
NUM_ACTIONS = 64 * PLANES
DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
JUMPS = ((1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2))
QUEEN_PLANES = 56
PROMOTION_PLANES = 64
OFF_BOARD = 0xFFFF

FILE_A = np.uint64(0x0101010101010101)
FILE_H = np.uint64(0x8080808080808080)
RANK_1 = np.uint64(0xFF)
RANK_3 = np.uint64(0xFF << 16)
RANK_8 = np.uint64(0xFF << 56)
DARK = np.uint64(0xAA55AA55AA55AA55)


def _walk(square: int, direction: tuple[int, int], steps: int = 7) -> list[int]:
    """The squares of a ray, nearest first."""
    found = []
    file, rank = square % 8, square // 8
    for _ in range(steps):
        file, rank = file + direction[0], rank + direction[1]
        if not (0 <= file < 8 and 0 <= rank < 8):
            break
        found.append(8 * rank + file)
    return found


def _bits(squares: list[int]) -> int:
    return sum(1 << square for square in squares)


def _table(*directions: tuple[int, int], steps: int = 7) -> np.ndarray:
    """Bitboards [64] of the rays from every square, the square itself not included."""
    return np.array(
        [
            _bits([to for one in directions for to in _walk(square, one, steps)])
            for square in range(64)
        ],
        np.uint64,
    )


def _rank_attacks() -> np.ndarray:
    """uint8 [6 inner squares of a rank, file]: what a rook attacks on its rank. Flat [64 * 8]."""
    table = np.zeros(64 * 8, np.uint8)
    for inner in range(64):
        for file in range(8):
            for ray in (range(file + 1, 8), range(file - 1, -1, -1)):
                for to in ray:
                    table[8 * inner + file] |= 1 << to
                    if 2 * inner >> to & 1:
                        break
    return table


def _numbering() -> tuple[np.ndarray, np.ndarray]:
    """MOVES uint16 [A]: from | to << 6 | promotion << 12, with promotion 1, 2, 3 for a knight,
    bishop, rook; and ACTIONS int16 [64 * 64], by 64 * from + to, -1 where no piece moves so."""
    moves = np.full(NUM_ACTIONS, OFF_BOARD, np.uint16)
    actions = np.full(64 * 64, -1, np.int16)
    for origin in range(64):
        first = PLANES * (origin ^ 56)
        ways = [(7 * d, one, 7) for d, one in enumerate(DIRECTIONS)]
        ways += [(QUEEN_PLANES + d, one, 1) for d, one in enumerate(JUMPS)]
        for plane, direction, steps in ways:
            for distance, target in enumerate(_walk(origin, direction, steps)):
                moves[first + plane + distance] = origin | target << 6
                actions[64 * origin + target] = first + plane + distance
        if origin // 8 == 6:
            for piece in range(3):
                for left in (-1, 0, 1):
                    if 0 <= origin % 8 + left < 8:
                        plane = PROMOTION_PLANES + 3 * piece + left + 1
                        moves[first + plane] = origin | origin + 8 + left << 6 | piece + 1 << 12
    return moves, actions


FILE_LINE = _table((0, 1), (0, -1))
DIAGONAL_LINE = _table((1, 1), (-1, -1))
ANTIDIAGONAL_LINE = _table((1, -1), (-1, 1))
RANK_ATTACKS = _rank_attacks()
KING_STEPS = _table(*DIRECTIONS, steps=1)
KNIGHT_JUMPS = _table(*JUMPS, steps=1)
MOVES, ACTIONS = _numbering()
