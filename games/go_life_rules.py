"""Who owns what: areas, scores, and pass-alive chains (Benson 1976).

A chain is pass-alive if it lives though its owner passes for ever.

A region of a colour is a connected set of points without stones of that colour: empty points and
the opponent's stones. It is vital to a chain that touches every empty point of it. Chains of a
colour are pass-alive if each has two vital regions that only chains of the same set touch. What
lies in such a region belongs to the colour too: no opponent's stone can live there, since every
empty point is beside the chain around it.

Where suicide is allowed the opponent can fill a region, have all of it taken off and come again
around the points where the stones were: then a vital region is one of which the chain touches
every point.
"""

import numpy as np

from alphazero.jit import kernel
from games.go_rules import (
    ALL_BUT_ONE,
    BLACK,
    BORDER,
    EMPTY,
    NOTHING,
    WHITE,
    is_first,
    neighbour,
    touches,
)

SCRATCH_ROWS = 4  # scratch is uint16 [SCRATCH_ROWS * cells]


@kernel
def fill_area(state, owner, width):
    """Fill owner uint8 [cells]: of every stone its colour, of every empty region the one colour
    that it touches, else 0."""
    stack = np.empty(owner.shape[0], np.uint16)
    for cell in range(owner.shape[0]):
        owner[cell] = state.color[cell]
    for i in range(owner.shape[0]):
        first = np.uint64(i)
        if owner[first] != EMPTY:
            continue
        owner[first] = BORDER  # it has been seen
        stack[0] = first
        count, done, touched = 1, 0, 0
        while done < count:
            cell = np.uint64(stack[done])
            done += 1
            for direction in range(4):
                beside = neighbour(cell, direction, width)
                color = state.color[beside]
                if color == EMPTY:
                    if owner[beside] == EMPTY:
                        owner[beside] = BORDER
                        stack[count] = beside
                        count += 1
                elif color != BORDER:
                    touched |= color
        if touched == 3 or touched == 0:
            touched = 4  # nobody's, told apart from not seen
        for i in range(count):
            owner[stack[i]] = touched
    for cell in range(owner.shape[0]):
        if owner[cell] >= BORDER:
            owner[cell] = 0


@kernel
def white_points(state):
    """Komi, and compensation for handicap stones."""
    points = state.komi
    if state.handicap > 1 and state.handicap_rule != NOTHING:
        points += np.float32(state.handicap - (state.handicap_rule == ALL_BUT_ONE))
    return points


@kernel
def count_score(state, owner):
    """Points of Black less those of White, komi and compensation included; owner [cells]."""
    points = 0
    for cell in range(owner.shape[0]):
        points += (owner[cell] == BLACK) - np.int64(owner[cell] == WHITE)
    return np.float32(points) - white_points(state)


@kernel
def fill_final_area(state, owner, width, tidy):
    """Fill owner uint8 [cells] with who owns every point at the end of a game; in a tidy one also
    what pass-alive chains enclose, for nobody could move there to take the stones off."""
    fill_area(state, owner, width)
    if tidy:
        mark_settled(state, owner, width)


@kernel
def mark_settled(state, owner, width):
    """Set entries of owner uint8 [cells] to the colour to which they are pass-alive."""
    scratch = np.empty(SCRATCH_ROWS * owner.shape[0], np.uint16)
    mark_pass_alive(state, BLACK, owner, scratch, width)
    mark_pass_alive(state, WHITE, owner, scratch, width)


@kernel
def mark_pass_alive(state, color, owner, scratch, width):
    """Set owner uint8 [cells] to `color` for its pass-alive stones and the regions they enclose;
    all other entries stay. Returns whether there are any."""
    regions = find_regions(state, color, scratch, width)
    if regions < 2:
        return False
    alive = 3 * owner.shape[0]  # where in scratch the heads' marks begin: 0 not, else alive
    for cell in range(owner.shape[0]):
        scratch[alive + cell] = state.color[cell] == color and state.chain[cell] == cell
    while drop_chains(state, color, regions, scratch, width):
        pass
    found = False
    for cell in range(owner.shape[0]):
        if state.color[cell] == color and scratch[alive + state.chain[cell]] > 0:
            owner[cell] = color
            found = True
    if found:
        starts = 2 * owner.shape[0]
        for region in range(regions):
            if count_vital(state, color, region, scratch, width, 0) > 0:
                first, end = scratch[starts + region], scratch[starts + region + 1]
                for i in range(first, end):
                    owner[scratch[i]] = color
    return found


@kernel
def find_regions(state, color, scratch, width):
    """List the regions that may be vital to some chain: all points that count touch the colour.

    Their cells go to scratch[0 : ...], region after region; where each begins, and the end of the
    last, to scratch[2 cells + region]. Returns how many there are.
    """
    cells = state.color.shape[0]
    seen, starts = cells, 2 * cells
    for cell in range(cells):
        taken = state.color[cell] == color or state.color[cell] == BORDER
        scratch[seen + cell] = taken
    regions = 0
    filled = 0
    for first in range(cells):
        if scratch[seen + first]:
            continue
        scratch[seen + first] = 1
        scratch[filled] = first
        count, done = filled + 1, filled
        may_be_vital = True
        while done < count:
            cell = np.uint64(scratch[done])
            done += 1
            touched = False
            for direction in range(4):
                beside = neighbour(cell, direction, width)
                if state.color[beside] == color:
                    touched = True
                elif scratch[seen + beside] == 0:
                    scratch[seen + beside] = 1
                    scratch[count] = beside
                    count += 1
            if not touched and (state.suicide or state.color[cell] == EMPTY):
                may_be_vital = False
        if may_be_vital:
            scratch[starts + regions] = filled
            regions += 1
            scratch[starts + regions] = count
            filled = count
    return regions


@kernel
def drop_chains(state, color, regions, scratch, width):
    """Take from the alive chains those with fewer than two vital regions; whether there are any."""
    cells = state.color.shape[0]
    alive = 3 * cells
    for region in range(regions):
        count_vital(state, color, region, scratch, width, 1)
    dropped = False
    for cell in range(cells):
        vital = scratch[alive + cell]
        if vital > 0:
            # A mark of an alive chain is 1 and the number of its vital regions.
            scratch[alive + cell] = vital >= 3
            dropped = dropped or vital < 3
    return dropped


@kernel
def count_vital(state, color, region, scratch, width, add):
    """How many alive chains a region is vital to, none if another chain touches it; each one's mark
    is raised by `add`."""
    cells = state.color.shape[0]
    starts, alive = 2 * cells, 3 * cells
    first, end = np.int64(scratch[starts + region]), np.int64(scratch[starts + region + 1])
    eye = np.uint64(0)  # an empty point of the region
    for i in range(first, end):
        cell = np.uint64(scratch[i])
        if state.color[cell] == EMPTY:
            eye = cell
        for direction in range(4):
            beside = neighbour(cell, direction, width)
            if state.color[beside] == color and scratch[alive + state.chain[beside]] == 0:
                return 0
    if eye == 0:
        return 0
    count = 0
    for direction in range(4):
        beside = neighbour(eye, direction, width)
        if state.color[beside] != color or not is_first(state, eye, direction, width):
            continue
        head = state.chain[beside]
        vital = True
        for i in range(first, end):
            cell = np.uint64(scratch[i])
            if (state.suicide or state.color[cell] == EMPTY) and not touches(
                state, cell, head, width
            ):
                vital = False
                break
        if vital:
            count += 1
            scratch[alive + head] += add
    return count
