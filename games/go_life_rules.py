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

from alphazero.game.jit import borrow, kernel, lowest_bit

from .go_rules import (
    ALL_BUT_ONE,
    BLACK,
    BORDER,
    BUTTON,
    EMPTY,
    HANDICAP,
    NOTHING,
    ON_OFFER,
    TERRITORY,
    WHITE,
    is_first,
    neighbour,
    touches,
)

SCRATCH_ROWS = 4  # scratch is uint16 [SCRATCH_ROWS * cells]
ENCLOSED = 3  # the set of bits after those of empty points and the colours
ONE, BITS = np.uint64(1), np.uint64(64)
HALF = np.float32(0.5)


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
    """White's points beside those on the board, under area scoring.

    Under territory scoring the komi is turned: White gets a point for every stone that Black has
    set more than White. That depends on who moves last; on average it is a half and, after handicap
    stones, their number less a half. A score that is even then is won by who moves last.
    """
    points = compensation(state) + button_points(state)
    if state.counting & TERRITORY:
        points += HALF + np.float32(state.handicap - (state.handicap > 0))
    return points


@kernel
def compensation(state):
    """Komi, and White's points for handicap stones."""
    points = state.komi
    rule = state.counting & HANDICAP
    if state.handicap > 1 and rule != NOTHING:
        points += np.float32(state.handicap - (rule == ALL_BUT_ONE))
    return points


@kernel
def button_points(state):
    """White's points for the button, below 0 if Black has taken it."""
    taken = state.counting & BUTTON
    if taken <= ON_OFFER:
        return np.float32(0.0)
    return HALF if taken == BUTTON else -HALF


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
    bits = np.zeros(4 * stride(state), np.uint64)
    scratch = np.empty(SCRATCH_ROWS * owner.shape[0], np.uint16)
    mark_both(state, owner, bits, scratch, width)


@kernel
def mark_both(state, owner, bits, scratch, width):
    """Do so for both colours."""
    owner, bits, scratch = borrow(owner), borrow(bits), borrow(scratch)
    gather_bits(state, bits)
    mark_pass_alive(state, BLACK, owner, bits, scratch, width)
    mark_pass_alive(state, WHITE, owner, bits, scratch, width)


@kernel
def mark_pass_alive(state, color, owner, bits, scratch, width):
    """Set owner uint8 [cells] to `color` for its pass-alive stones and the regions they enclose;
    all other entries stay."""
    if not find_enclosed(state, color, bits, width):
        return
    regions = find_regions(state, color, bits, scratch, width)
    if drop_regions(state, color, regions, scratch, width) == 0:
        return
    cells = owner.shape[0]
    starts, vital, serves = cells, 2 * cells, 3 * cells
    for cell in range(cells):
        if state.color[cell] == color and scratch[vital + state.chain[cell]] >= 2:
            owner[cell] = color
    for region in range(regions):
        if scratch[serves + region] > 0:
            for i in range(scratch[starts + region], scratch[starts + region + 1]):
                owner[scratch[i]] = color


# -- sets of points, a bit for each cell -----------------------------------------------------------
# `bits` holds one after the other the sets of empty points, of the two colours, and ENCLOSED; each
# has a word of nothing before and after it.


@kernel
def stride(state):
    """How many words there are from one set to the next."""
    return (state.color.shape[0] + 63) // 64 + 2


@kernel
def gather_bits(state, bits):
    """Fill the sets of empty points and of both colours."""
    cells, step = state.color.shape[0], stride(state)
    for word in range(step - 2):
        empty, black, white = np.uint64(0), np.uint64(0), np.uint64(0)
        for i in range(min(64, cells - 64 * word)):
            color = state.color[64 * word + i]
            bit = ONE << np.uint64(i)
            empty |= bit * np.uint64(color == EMPTY)
            black |= bit * np.uint64(color == BLACK)
            white |= bit * np.uint64(color == WHITE)
        bits[word + 1] = empty
        bits[BLACK * step + word + 1] = black
        bits[WHITE * step + word + 1] = white


@kernel
def spread(bits, word, width):
    """The cells beside those of a set, within one word."""
    before, here, after = bits[word - 1], bits[word], bits[word + 1]
    return (
        (here << ONE | before >> (BITS - ONE))
        | (here >> ONE | after << (BITS - ONE))
        | (here << width | before >> (BITS - width))
        | (here >> width | after << (BITS - width))
    )


@kernel
def find_enclosed(state, color, bits, width):
    """Fill ENCLOSED with the regions of a colour that may be vital to some chain: all points that
    count touch the colour. Whether there are any."""
    step = stride(state)
    own, other, found = color * step, (3 - color) * step, ENCLOSED * step
    for word in range(1, step - 1):  # points that count and are not beside the colour
        counts = bits[word] | (bits[other + word] if state.suicide else np.uint64(0))
        bits[found + word] = counts & ~spread(bits, own + word, width)
    grows = True
    while grows:  # and the rest of their regions
        grows = False
        for word in range(1, step - 1):
            before = bits[found + word]
            after = before | spread(bits, found + word, width) & (bits[word] | bits[other + word])
            if after != before:
                bits[found + word] = after
                grows = True
    some = np.uint64(0)
    for word in range(1, step - 1):
        bits[found + word] = (bits[word] | bits[other + word]) & ~bits[found + word]
        some |= bits[found + word]
    return some != 0


@kernel
def find_regions(state, color, bits, scratch, width):
    """List the regions of ENCLOSED, which is left empty.

    Their cells go to scratch[0 : ...], region after region; where each begins, and the end of the
    last, to scratch[cells + region]. Returns how many there are.
    """
    starts, found = state.color.shape[0], ENCLOSED * stride(state)
    regions, count = 0, 0
    for word in range(1, stride(state) - 1):
        single = bits[found + word] & ~spread(bits, found + word, width)
        bits[found + word] ^= single
        while single != 0:
            scratch[count] = 64 * (word - 1) + lowest_bit(single)
            single &= single - ONE
            scratch[starts + regions] = count
            count += 1
            regions += 1
    for word in range(1, stride(state) - 1):
        while bits[found + word] != 0:
            first = np.uint64(64 * (word - 1) + lowest_bit(bits[found + word]))
            scratch[starts + regions] = count
            done = count
            count = take(bits, found, first, scratch, count)
            while done < count:
                cell = np.uint64(scratch[done])
                done += 1
                for direction in range(4):
                    beside = neighbour(cell, direction, width)
                    count = take(bits, found, beside, scratch, count)
            regions += 1
    scratch[starts + regions] = count
    return regions


@kernel
def take(bits, found, cell, scratch, count):
    """Move a cell, if it is there, from a set to the end of a list; returns the list's length."""
    word = found + 1 + np.int64(cell >> np.uint64(6))
    bit = ONE << (cell & np.uint64(63))
    if bits[word] & bit:
        bits[word] ^= bit
        scratch[count] = cell
        count += 1
    return count


# -- Benson's algorithm ----------------------------------------------------------------------------
# Rows of `scratch`, each of as many entries as there are cells: the cells of all regions, where
# each region begins, how many regions are vital to the chain with this head, and to how many chains
# each region is, 0 once it has been dropped.


@kernel
def drop_regions(state, color, regions, scratch, width):
    """Count the vital regions of all chains, dropping regions that touch a chain with fewer than
    two until there are none. Returns how many regions are left: none, or those of alive chains."""
    cells = state.color.shape[0]
    vital, serves = 2 * cells, 3 * cells
    for cell in range(cells):
        scratch[vital + cell] = 0
    left = 0
    for region in range(regions):
        chains = count_vital(state, color, region, scratch, width, 1)
        scratch[serves + region] = chains
        left += chains > 0
    before = 0
    while left != before:
        before = left
        for region in range(regions):
            if scratch[serves + region] > 0 and touches_weak(state, color, region, scratch, width):
                count_vital(state, color, region, scratch, width, -1)
                scratch[serves + region] = 0
                left -= 1
    return left


@kernel
def touches_weak(state, color, region, scratch, width):
    """Return whether a chain with fewer than two vital regions is beside this region."""
    starts, vital = state.color.shape[0], 2 * state.color.shape[0]
    for i in range(scratch[starts + region], scratch[starts + region + 1]):
        cell = np.uint64(scratch[i])
        for direction in range(4):
            beside = neighbour(cell, direction, width)
            if state.color[beside] == color and scratch[vital + state.chain[beside]] < 2:
                return True
    return False


@kernel
def count_vital(state, color, region, scratch, width, add):
    """Add to the number of vital regions of those chains to which this one is vital; returns how
    many chains these are."""
    starts, vital = state.color.shape[0], 2 * state.color.shape[0]
    first, end = np.int64(scratch[starts + region]), np.int64(scratch[starts + region + 1])
    eye = np.uint64(0)  # an empty point of the region
    for i in range(first, end):
        if state.color[scratch[i]] == EMPTY:
            eye = np.uint64(scratch[i])
    if eye == 0:
        return 0
    count = 0
    for direction in range(4):
        beside = neighbour(eye, direction, width)
        if state.color[beside] != color or not is_first(state, eye, direction, width):
            continue
        head = state.chain[beside]
        if touches_all(state, head, first, end, scratch, width):
            count += 1
            scratch[vital + head] = np.int64(scratch[vital + head]) + add
    return count


@kernel
def touches_all(state, head, first, end, scratch, width):
    """Return whether a chain is beside all those of these cells that count."""
    for i in range(first, end):
        cell = np.uint64(scratch[i])
        counts = state.suicide or state.color[cell] == EMPTY
        if counts and not touches(state, cell, head, width):
            return False
    return True
