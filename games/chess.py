"""Chess by the Laws of FIDE: `chess`, `chess:chess960=true,position=0`.

Mate and stalemate end a game, and so do positions in which the pieces left cannot mate. A draw by
threefold repetition or by fifty moves without a capture or a pawn's move must be claimed over the
board; here `draws=claimed` ends the game as if somebody always did, which is how AlphaZero and
others learn. With `draws=automatic` only what ends a game without a claim does: the fifth
repetition and 75 moves.

The parts: `chess_tables_rules` squares and actions, `chess_attacks_rules`, `chess_moves_rules`,
`chess_key_rules`, `chess_rules` the state and the end, `chess_planes_rules` for networks,
`chess_tactics_rules` for brute force, `chess_perft_rules`; as text `chess_fen_rules`,
`chess_notation_rules`, `chess_reasons_rules`.
"""

import numpy as np

from alphazero.game import Game, Pieces, Tactics
from alphazero.game.jit import kernel

from .chess_attacks_rules import checking_pieces
from .chess_fen_rules import (
    STANDARD,
    fill,
    pieces_of,
    read_fen,
    set_up,
    start_setup,
    view_board,
    write_fen,
)
from .chess_moves_rules import list_moves
from .chess_notation_rules import legal_actions, read_move, write_san, write_uci
from .chess_perft_rules import perft
from .chess_planes_rules import OTHER_PLANES, POSITION_PLANES, show
from .chess_reasons_rules import claim, how_ended, marked_squares, why_illegal
from .chess_rules import MAX_MOVES, PAST, SCRATCH_MOVES, STATE, judge, play_move, settle
from .chess_tables_rules import NUM_ACTIONS
from .chess_tactics_rules import gain, list_all, list_noisy, value

DRAWS = {"claimed": (3, 100), "automatic": (5, 150)}  # repetitions, plies without progress
# Pawns make at most 16 * 6 moves and 30 pieces are captured; between two such moves, before the
# first and after the last, lie at most so many plies as one may play without.
PROGRESS = 16 * 6 + 30


def chess(
    chess960: bool = False,
    position: int = STANDARD,
    draws: str = "claimed",
    max_plies: int = 0,
    history: int = PAST + 1,
) -> Game:
    """Chess.

    chess960: castling from any start position, written as the king taking its rook; position: the
    number of the start position (518 is the usual one). draws: see the module. max_plies: a game
    of so many plies is drawn; 0 for no such rule. history: how many positions a network sees, 1 to
    8.
    """
    parameters = checked(chess960, position, draws, max_plies, history)
    repetitions, limit = DRAWS[draws]
    first = np.zeros(1, np.dtype((np.record, STATE)))
    fill(first[0], start_setup(position))
    mine, theirs, pawns, straights, diagonals, castling, king = (
        int(first[0][name])
        for name in ("mine", "theirs", "pawns", "straights", "diagonals", "castling", "king")
    )

    @kernel
    def start(state):
        state.mine = np.uint64(mine)
        state.theirs = np.uint64(theirs)
        state.pawns = np.uint64(pawns)
        state.straights = np.uint64(straights)
        state.diagonals = np.uint64(diagonals)
        state.castling = np.uint64(castling)
        state.king = king
        state.their_king = king ^ 56
        state.en_passant = 0
        state.clock = 0
        state.to_play = 0
        state.ply = 0
        for i in range(PAST):
            state.past[i] = 0
        settle(state)

    @kernel
    def play(state, action):
        play_move(state, action)

    @kernel
    def legal(state, keys, n, mask):
        moves = np.empty(SCRATCH_MOVES, np.int16)
        for i in range(list_moves(state, moves)):
            mask[moves[i]] = 1

    @kernel
    def outcome(state, keys, n):
        over, value = judge(state, keys, n, repetitions, limit)
        if max_plies > 0 and not over and state.ply >= max_plies:
            return True, 0.0
        return over, value

    @kernel
    def key(state):
        return state.key

    @kernel
    def observe(state, keys, n, planes):
        show(state, keys, n, planes, history, limit)

    channels = POSITION_PLANES * history + OTHER_PLANES
    return Game(
        name="chess",
        title="Chess960" if chess960 else "chess",
        state=STATE,
        num_actions=NUM_ACTIONS,
        planes=(channels, 8, 8),
        max_plies=max_plies or (PROGRESS + 1) * limit,
        start=start,
        play=play,
        legal=legal,
        outcome=outcome,
        key=key,
        observe=observe,
        action_to_str=lambda state, action: write_uci(state, action, chess960),
        str_to_action=read_move,
        view=lambda state, last_action: view_board(state, marked_squares(state, last_action)),
        explain=why_illegal,
        max_legal=MAX_MOVES,
        players=("white", "black"),
        plane_scale=(1.0,) * (channels - 1) + (0.01,),
        vary=another_start if chess960 else None,
        pieces=pieces(chess960, repetitions, limit, max_plies),
        tactics=Tactics(moves=list_all, noisy=list_noisy, gain=gain, value=value),
        parameters=parameters,
        in_planes=("chess960", "position", "draws", "max_plies"),
    )


def checked(
    chess960: bool, position: int, draws: str, max_plies: int, history: int
) -> dict[str, bool | int | str]:
    """The parameters by name. Raises ValueError for what cannot be."""
    if not isinstance(chess960, bool):
        raise ValueError(f"chess960 must be true or false, not {chess960!r}")
    if position != STANDARD and not chess960:
        raise ValueError(f"position={position} is one of Chess960: it needs chess960=true")
    if draws not in DRAWS:
        raise ValueError(f"draws must be {' or '.join(DRAWS)}, not {draws!r}")
    if not (isinstance(max_plies, int) and max_plies >= 0):
        raise ValueError(f"max_plies must be a whole number of at least 0, not {max_plies!r}")
    if not (isinstance(history, int) and 1 <= history <= PAST + 1):
        raise ValueError(f"history must be a whole number from 1 to {PAST + 1}, not {history!r}")
    return {
        "chess960": chess960,
        "position": position,
        "draws": draws,
        "max_plies": max_plies,
        "history": history,
    }


def another_start(state, rng: np.random.Generator) -> None:
    """Any start position of Chess960."""
    set_up(state, start_setup(int(rng.integers(960))))


def pieces(chess960: bool, repetitions: int, limit: int, max_plies: int) -> Pieces:
    """The functions of chess for programs that know it."""

    def set_fen(state, text):
        set_up(state, read_fen(text, chess960))

    def ending(state, keys):
        end = how_ended(state, keys, repetitions, limit)
        return end or (f"{max_plies} plies" if 0 < max_plies <= state["ply"] else "")

    return Pieces(
        board=pieces_of,
        fen=write_fen,
        set_fen=set_fen,
        san=write_san,
        in_check=lambda state: bool(checking_pieces(state)),
        ending=ending,
        claim=claim,
        count=lambda states: np.bitwise_count(states["mine"] | states["theirs"]),
        legal=legal_actions,
        perft=perft,
    )


GAME = chess
