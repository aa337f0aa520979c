"""The Universal Chess Interface: how chess programs, servers and people's boards talk to an engine.

    words.py      lines as words, `go`, `position` and `setoption` taken apart
    options.py    the options there are, and what they are set to
    front.py      the conversation: what is answered at once, what has to wait its turn
    control.py    what may still be said to a search: to stop, that the expected move was made
    desk.py       what is done in turn: positions, options, games, searches
    board.py      the position, by the moves that programs send
    thinking.py   one `go`: book and search, within its limits
    timing.py     how long to think about a move
    lines.py      what a search has found, as `info` lines
    main.py       the streams

The specification is the text of April 2006 by S. Meyer-Kahlen; where it leaves something open, this
engine does what Stockfish and lc0 do. Nothing large is imported before `isready` or a position: the
options are listed at once.
"""
