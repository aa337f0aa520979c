"""The Go Text Protocol, version 2, with the extensions that GUIs and servers use.

    codec.py            a line of bytes as a command, a response as bytes
    arguments.py        the arguments of a command
    session.py          game, engine and clocks of a conversation; the reply to a command
    server.py           commands from lines, run one after the other
    commands/           what each command does
    analyze_format.py   lines of a live analysis

The specification is http://www.lysator.liu.se/~gunnar/gtp (draft 2). Everything beyond it, or
chosen where it leaves a choice, is there because some program needs it. Nothing large is imported
before a command needs it, so that `name` and the like are answered at once.
"""
