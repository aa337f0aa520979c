"""What the evaluator alone says of a position, in Leela Zero's and KataGo's words."""

from typing import TYPE_CHECKING

from alphazero.protocols.gtp.call import SYNTAX_ERROR, Call, GtpError, Handler

if TYPE_CHECKING:
    import numpy as np

    from alphazero.game import Position
    from alphazero.protocols.gtp.front import Front

SYMMETRIES = 8
PER_MILLE = 1000


def policy(front: "Front", position: "Position", symmetry: int = 0) -> "tuple[np.ndarray, float]":
    """Probabilities of all actions, 0 for illegal ones, and the value for the player to move."""
    import numpy as np

    logits, value = front.table.engine.evaluate(position, symmetry)
    legal = position.legal_mask() > 0
    weights = np.where(legal, np.exp(logits - logits[legal].max(initial=-np.inf)), 0.0)
    return weights / max(float(weights.sum()), 1e-30), value


def heatmap(front: "Front", call: Call) -> str:
    """Leela Zero's picture of the policy, in parts of a thousand."""
    table = front.table
    position = table.turn(table.position.to_play)
    symmetry = int(call.word()) if call.peek() in "01234567" and call.has_more else 0
    shares, value = policy(front, position, symmetry)
    thousandths = [round(PER_MILLE * float(share)) for share in shares]
    size = table.size
    rows = [
        "".join(f"{share:4d}" for share in thousandths[row * size : (row + 1) * size])
        for row in range(size)
    ]
    return "\n".join(
        ["", *rows, f"pass: {thousandths[table.pass_action]}", f"winrate: {(1 + value) / 2:.6f}"]
    )


def raw_nn(front: "Front", call: Call) -> str:
    """KataGo's form of all that the evaluator says, under one symmetry or under all of them."""
    word = call.word() if call.has_more else "0"
    if word == "all":
        chosen = range(SYMMETRIES)
    elif word.isascii() and word.isdigit() and int(word[:4]) < SYMMETRIES:
        chosen = range(int(word), int(word) + 1)
    else:
        raise GtpError(SYNTAX_ERROR)
    return "\n".join(evaluation(front, symmetry) for symmetry in chosen)


def evaluation(front: "Front", symmetry: int) -> str:
    from alphazero.engine.ownership import outlook

    table = front.table
    position = table.turn(table.position.to_play)
    shares, value = policy(front, position, symmetry)
    sign = 1 if position.to_play == 1 else -1  # everything is told from White's side
    white = (1 + sign * value) / 2
    lines = [
        f"symmetry {symmetry}",
        f"whiteWin {white:.6f}",
        f"whiteLoss {1 - white:.6f}",
        "noResult 0.000000",
    ]
    legal = position.legal_mask()
    texts = [
        f"{float(share):.6f}" if allowed else "NAN"
        for share, allowed in zip(shares, legal, strict=True)
    ]
    known = outlook(table.engine, position)
    if known is not None:
        lines += [f"whiteLead {sign * known.now.score:.6f}"]
    lines += ["policy", *rows_of(texts[: table.pass_action], table.size)]
    lines += [f"policyPass {texts[table.pass_action]}"]
    if known is not None:
        owners = [f"{sign * value:.6f}" for value in known.now.ownership]
        lines += ["whiteOwnership", *rows_of(owners, table.size)]
    return "\n".join(lines)


def rows_of(texts: list[str], size: int) -> list[str]:
    return [" ".join(texts[start : start + size]) for start in range(0, len(texts), size)]


GO_COMMANDS: dict[str, Handler] = {"heatmap": heatmap, "kata-raw-nn": raw_nn}
