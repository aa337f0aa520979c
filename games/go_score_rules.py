"""The score of a game of Go: rulesets, and the count of a finished board.

Under area scoring a player's points are living stones and the empty points that they alone
surround, the territory; under territory scoring they are the territory and the stones taken. Dead
stones are taken off first, and count as taken.

Both agree but for a point or so. A stone that a player sets is a point of area, or is taken by the
opponent in the end, so that

    territory score = area score - (stones that Black has set - stones that White has set)

with handicap stones among them. Who moves in turn has set as many stones as the opponent or one
more, and every pass is a stone less.

Groups are stones of a colour with the territory between them. One in seki lacks two eyes and lives
because neither side can fill the liberties that it shares with the opponent.
"""

import numpy as np

from alphazero.game import Count, Ruleset

from .go_rules import (
    ALL,
    ALL_BUT_ONE,
    BLACK,
    BUTTON,
    EMPTY,
    FRIENDLY,
    HANDICAP,
    NOTHING,
    ON_OFFER,
    POSITIONAL,
    SIMPLE,
    SITUATIONAL,
    TAX_ALL,
    TAX_SEKI,
    TERRITORY,
    WHITE,
)

CHINESE = Ruleset("simple", False, "N")
CHINESE_SERVERS = CHINESE._replace(ko="positional")
JAPANESE = Ruleset("simple", False, "0", "territory", "seki")
AGA = Ruleset("situational", False, "N-1")
RULES = {  # names and terms as in KataGo's documents
    "tromp-taylor": Ruleset("positional", True, "0", friendly_pass=False),
    "chinese": CHINESE,
    "chinese-ogs": CHINESE_SERVERS,
    "chinese-kgs": CHINESE_SERVERS,
    "japanese": JAPANESE,
    "korean": JAPANESE,
    "aga": AGA,
    "aga-button": AGA._replace(button=True),
    "bga": AGA,
    "new-zealand": Ruleset("situational", True, "0"),
    "ing": Ruleset("positional", True, "0"),
    "stone-scoring": Ruleset("simple", False, "0", tax="all"),
    "ancient-territory": JAPANESE._replace(tax="all"),
}
HANDICAP_RULES = {"0": NOTHING, "N": ALL, "N-1": ALL_BUT_ONE}
KO_RULES = {"simple": SIMPLE, "positional": POSITIONAL, "situational": SITUATIONAL}
TAXES = {"none": 0, "seki": TAX_SEKI, "all": TAX_ALL}
SCORINGS = {"area": 0, "territory": TERRITORY}
BIG_EYE = 4  # points from which an eye can be made two
MOST_SHARED = 8  # points that nobody owns, beside a seki; more are not settled yet


# -- rules -----------------------------------------------------------------------------------------


def find_rules(rules: str, ko: str, suicide: bool | str) -> Ruleset:
    """Look up a ruleset whose ko and suicide rules may be replaced; "" leaves them.

    Raises ValueError for what is unknown.
    """
    if rules not in RULES:
        raise ValueError(f"unknown rules {rules!r}: choose {', '.join(RULES)}")
    terms = RULES[rules]
    if suicide != "":
        terms = terms._replace(suicide=suicide)  # type: ignore[arg-type]
    terms = terms._replace(ko=ko or terms.ko)
    check_rules(terms)
    return terms


def check_rules(terms: Ruleset) -> None:
    """Raises ValueError for terms that there are not."""
    named = (("ko", KO_RULES), ("handicap", HANDICAP_RULES), ("scoring", SCORINGS), ("tax", TAXES))
    for name, known in named:
        value = getattr(terms, name)
        if value not in known:
            raise ValueError(f"unknown {name} rule {value!r}: choose {', '.join(known)}")
    for name in ("suicide", "button", "friendly_pass"):
        value = getattr(terms, name)
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, not {value}")


def counting_of(terms: Ruleset) -> int:
    """The terms of counting, as a state's field `counting` holds them."""
    return (
        HANDICAP_RULES[terms.handicap]
        | SCORINGS[terms.scoring]
        | TAXES[terms.tax]
        | FRIENDLY * terms.friendly_pass
        | ON_OFFER * terms.button
    )


def terms_of(state) -> Ruleset:
    """Read the terms of a state."""
    counting = int(state["counting"])
    return Ruleset(
        ko=key_of(KO_RULES, int(state["ko_rule"])),
        suicide=bool(state["suicide"]),
        handicap=key_of(HANDICAP_RULES, counting & HANDICAP),
        scoring=key_of(SCORINGS, counting & TERRITORY),
        tax=key_of(TAXES, counting & (TAX_SEKI | TAX_ALL)),
        button=bool(counting & BUTTON),
        friendly_pass=bool(counting & FRIENDLY),
    )


def set_terms(state, terms: Ruleset) -> None:
    """Set the terms of a state. A button that has been taken stays with its player. Raises
    ValueError."""
    check_rules(terms)
    counting = counting_of(terms)
    taken = int(state["counting"]) & BUTTON
    if terms.button and taken:
        counting = counting & ~BUTTON | taken
    state["ko_rule"], state["suicide"] = KO_RULES[terms.ko], terms.suicide
    state["counting"] = counting


def key_of(table: dict[str, int], value: int) -> str:
    return next(name for name, number in table.items() if number == value)


# -- the count -------------------------------------------------------------------------------------


def count(
    board: np.ndarray,
    owners: np.ndarray,
    prisoners: tuple[int, int],
    terms: Ruleset,
    compensation: float,
) -> Count:
    """Count a board int8 [H, W] without its dead stones, which are among the prisoners of the two
    players. `owners` is the owner of each point by area."""
    groups, seki = find_groups(board, owners)
    empty = board == EMPTY
    if terms.tax != "none":
        owners = np.where(empty & np.isin(groups, list(seki)), EMPTY, owners).astype(np.int8)
    black, white = empty & (owners == BLACK), empty & (owners == WHITE)
    territory = int(black.sum()), int(white.sum())
    stones = int((board == BLACK).sum()), int((board == WHITE).sum())
    tax = (0, 0)
    if terms.tax == "all":
        tax = tax_on_groups(groups[black]), tax_on_groups(groups[white])
    counted = prisoners if terms.scoring == "territory" else stones
    points = [territory[player] + counted[player] - tax[player] for player in (0, 1)]
    score = points[0] - points[1] - compensation
    return Count(owners, territory, stones, prisoners, tax, compensation, score)


def tax_on_groups(groups: np.ndarray) -> int:
    """Two points for every group, or all that it has: `groups` is the group of each point of
    territory."""
    return int(np.minimum(np.bincount(groups), 2).sum()) if groups.size else 0


def find_groups(board: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, set[int]]:
    """Number the groups of a board, int [H, W], and find those in seki.

    Such a group has no chain with two eyes and shares a few points that nobody owns with an
    opponent's of the same kind, or is beside one and has a stone in atari, as in a seki with kos.
    """
    groups, parts = connected(owners), connected(np.where(board != EMPTY, board, 3 + owners))
    sizes, points = np.bincount(parts.ravel()), np.bincount(groups.ravel())
    color = numbered(parts, board)
    owner = numbered(groups, owners)
    group = numbered(parts, groups)
    beside = neighbours_of(parts)
    has_stones: set[int] = set()
    lives: set[int] = set()
    for player in (BLACK, WHITE):
        mine = [part for part, number in group.items() if owner[number] == player]
        stones = {part for part in mine if color[part] == player}
        eyes = {part: min(sizes[part] // BIG_EYE, 1) + 1 for part in mine if color[part] == EMPTY}
        has_stones |= {group[chain] for chain in stones}
        lives |= {group[chain] for chain in chains_with_eyes(stones, eyes, beside)}
    weak = has_stones - lives
    seki: set[int] = set()
    around = neighbours_of(groups)
    for number, whose in owner.items():
        if whose == EMPTY and points[number] <= MOST_SHARED:
            sharing = around[number] & weak
            if {owner[one] for one in sharing} == {BLACK, WHITE}:
                seki |= sharing
    for chain in chains_in_atari(board, parts):
        one = group[chain]
        if one in weak and any(other in weak for other in around[one]):
            seki.add(one)
    return groups, seki


def chains_with_eyes(
    chains: set[int], eyes: dict[int, int], beside: dict[int, set[int]]
) -> set[int]:
    """The chains that have two eyes, where an eye beside a chain that has not is false."""
    alive, real = set(chains), set(eyes)
    while True:
        weak = {chain for chain in alive if sum(eyes[eye] for eye in beside[chain] & real) < 2}
        if not weak:
            return alive
        alive -= weak
        real = {eye for eye in real if not beside[eye] & weak}


def chains_in_atari(board: np.ndarray, parts: np.ndarray) -> set[int]:
    """The chains of stones that have one liberty."""
    points = np.arange(board.size).reshape(board.shape)
    liberties: dict[int, set[int]] = {}
    for here, there in sides():
        near = (board[here] != EMPTY) & (board[there] == EMPTY)
        for chain, point in zip(parts[here][near], points[there][near], strict=True):
            liberties.setdefault(int(chain), set()).add(int(point))
    return {chain for chain, free in liberties.items() if len(free) == 1}


def numbered(numbers: np.ndarray, values: np.ndarray) -> dict[int, int]:
    """The value of each number, all of whose points have the same."""
    return dict(zip(numbers.ravel().tolist(), values.ravel().tolist(), strict=True))


def sides() -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Pairs of slices: the points of a board that have a neighbour in one of the four directions,
    and these neighbours."""
    every, first, last = slice(None), slice(None, -1), slice(1, None)
    pairs = [((first, every), (last, every)), ((every, first), (every, last))]
    return pairs + [(there, here) for here, there in pairs]


def neighbours_of(numbers: np.ndarray) -> dict[int, set[int]]:
    """The numbers beside each number on a board."""
    found: dict[int, set[int]] = {int(number): set() for number in np.unique(numbers)}
    for here, there in sides():
        differ = numbers[here] != numbers[there]
        for one, other in zip(numbers[here][differ], numbers[there][differ], strict=True):
            found[int(one)].add(int(other))
    return found


def connected(colors: np.ndarray) -> np.ndarray:
    """Number the connected sets of points of one colour from 0, int [H, W]."""
    height, width = colors.shape
    numbers = np.full(colors.shape, -1)
    number = 0
    for start in np.ndindex(height, width):
        if numbers[start] >= 0:
            continue
        numbers[start] = number
        points = [start]
        for row, column in points:  # which grows during the loop
            around = ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
            for near in around:
                if (
                    0 <= near[0] < height
                    and 0 <= near[1] < width
                    and numbers[near] < 0
                    and colors[near] == colors[start]
                ):
                    numbers[near] = number
                    points.append(near)
        number += 1
    return numbers
