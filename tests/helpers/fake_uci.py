"""A program that speaks UCI badly on purpose: `python fake_uci.py FAULT [LOG]`.

It plays a7a6 or a2a3, and writes every line that it is told to LOG.
"""

import os
import sys
import time
from pathlib import Path


def main() -> None:
    fault = sys.argv[1]
    log = Path(sys.argv[2] if len(sys.argv) > 2 else os.devnull)
    if fault == "dies at once":
        print("fatal: no network found", file=sys.stderr)
        sys.exit(3)
    print("Fake 1.0 by nobody", flush=True)
    moves: list[str] = []
    for line in sys.stdin:
        with log.open("a") as file:
            file.write(line)
        name, *words = line.split()
        if name == "uci":
            if fault == "silent":
                time.sleep(600)
            print("id name Fake\noption name Hash type spin default 1 min 1 max 9")
            print("option name UCI_LimitStrength type check default false")
            print("option name UCI_Elo type spin default 1350 min 1350 max 2850")
            print("option name Skill Level type spin default 20 min 0 max 20")
            if fault != "standard only":
                print("option name UCI_Chess960 type check default false")
            print("uciok", flush=True)
        elif name == "isready":
            print("readyok", flush=True)
        elif name == "position":
            moves = words[words.index("moves") + 1 :] if "moves" in words else []
        elif name == "go":
            go(fault, len(moves) % 2 == 0)
        elif name == "quit":
            break


def go(fault: str, is_white: bool) -> None:
    if fault == "dies":
        print("assertion failed:\tnodes > 0\n", file=sys.stderr)
        sys.exit(1)
    if fault == "hangs":
        time.sleep(600)
    if fault == "thinks":
        time.sleep(0.2)
    move = "a2a3" if is_white else "a7a6"
    move = {"nonsense": "banana", "none": "(none)", "illegal": "e1e8", "empty": ""}.get(fault, move)
    print(f"info depth 1 score cp 0 pv {move}\nbestmove {move} ponder h2h3", flush=True)


if __name__ == "__main__":
    main()
