"""A program that speaks GTP badly on purpose: `python fake_gtp.py FAULT [LOG]`.

It plays the first empty point from A1 on, knows no captures, and writes every command to LOG.
"""

import os
import sys
import time
from pathlib import Path

COLUMNS = "ABCDEFGHJKLMNOPQRST"


def main() -> None:
    fault = sys.argv[1]
    log = Path(sys.argv[2] if len(sys.argv) > 2 else os.devnull)
    if fault == "greets":
        print("Welcome!\n\nto a program that talks\n", flush=True)
    if fault == "dies at once":
        print("fatal: no network found", file=sys.stderr)
        sys.exit(3)
    commands = "protocol_version name boardsize clear_board komi play genmove undo quit"
    commands += " set_free_handicap list_commands time_settings"
    if fault.startswith("passes"):
        commands += " kgs-genmove_cleanup"
    if fault == "no undo":
        commands = commands.replace(" undo", "").replace(" set_free_handicap", "")
    size, taken = 19, []
    for line in sys.stdin:
        number, _, command = line.strip().partition(" ")
        with log.open("a") as file:
            file.write(command + "\n")
        name, *arguments = command.split()
        answer = ""
        if name == "protocol_version":
            if fault == "silent":
                time.sleep(600)
            answer = "1" if fault == "old" else "2"
        elif name == "list_commands":
            answer = commands.replace(" ", "\n")
        elif name not in commands.split():
            print(f"?{number} unknown command\n", flush=True)
            continue
        elif name == "boardsize":
            size = int(arguments[0])
        elif name == "clear_board":
            taken.clear()
        elif name == "set_free_handicap":
            taken += arguments
        elif name == "undo":
            taken.pop()
        elif name == "play":
            if fault == "refuses":
                print(f"?{number} illegal move\n", flush=True)
                continue
            taken.append(arguments[1].upper())
        elif name == "kgs-genmove_cleanup":
            answer = f"D{len(taken)}" if fault == "passes early" else "pass"
            taken.append(answer)
        elif name == "genmove":
            if fault == "dies":
                print("assertion failed:\tmoves > 0\n", file=sys.stderr)
                sys.exit(1)
            if fault == "hangs":
                time.sleep(600)
            points = (f"{column}{row}" for row in range(1, size + 1) for column in COLUMNS[:size])
            answer = next(point for point in points if point not in taken)
            taken.append(answer)
            if fault == "shouts":
                answer = answer.lower()
            if fault.startswith("passes"):
                taken[-1] = answer = "pass"
            if fault in ("resign", "RESIGN"):
                taken.pop()
                answer = fault
            if fault == "occupied":
                answer = taken[0]
            if fault == "nonsense":
                answer = "banana"
            if fault == "error":
                print(f"?{number} out of memory\n", flush=True)
                continue
            if fault == "closes":
                os.close(1)
                time.sleep(600)
        if fault == "wrong number":
            number = "99"
        print(f"={number} {answer}\n", flush=True)


if __name__ == "__main__":
    main()
