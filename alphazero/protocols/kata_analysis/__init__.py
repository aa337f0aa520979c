"""KataGo's analysis protocol, which KaTrain and programs that go through whole games speak.

    query.py    one line of JSON as a question about positions
    study.py    the position of a turn, what the engine says of it, and that as JSON
    server.py   questions as they come, answers in the order of their priority

https://github.com/lightvector/KataGo/blob/master/docs/Analysis_Engine.md
"""
