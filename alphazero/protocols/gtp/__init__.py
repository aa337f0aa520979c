"""The Go Text Protocol, version 2: how Go programs, servers and people's boards talk to an engine.

    frame.py      a line of bytes as a command, an answer as bytes
    server.py     the threads: lines as they come, commands one after the other
    call.py       one command as its handler sees it: its arguments, and answering while it runs
    front.py      which commands there are; those that need nothing else
    table.py      the board that the commands are about: moves, komi, rules, clocks
    points.py     points of boards as GTP names them
    moves.py timing.py looking.py scoring.py files.py      commands of the standard, and near it
    analysis.py lines.py rules.py gogui.py ruler.py kata.py      commands of what is built on it

The specification is http://www.lysator.liu.se/~gunnar/gtp (draft 2). Whatever is done beyond it, or
in a way that it leaves open, some program needs. Nothing large is imported before a command needs
it: `name` and the like are answered at once.
"""
