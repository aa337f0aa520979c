"""The Universal Chess Interface: how chess programs, servers and GUIs talk to an engine.

    codec.py        commands taken apart, `info` lines written
    options.py      the options: declarations and values
    server.py       the conversation: what is answered at once, and what waits its turn
    board.py        the position, by the moves that programs send
    go_command.py   one `go`: book and search, within its limits

The specification is the text of April 2006 by S. Meyer-Kahlen; where it leaves something open, this
engine does what Stockfish and lc0 do. Nothing large is imported before `isready` or a position: the
options are listed at once.
"""
