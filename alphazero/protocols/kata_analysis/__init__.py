"""KataGo's analysis protocol, spoken by KaTrain and by programs that go through whole games.

    codec.py    a line as an object, analyses as answers
    query.py    the fields of a query, checked
    job.py      one turn of a query: its position, the search, the answer
    server.py   queries as they come, jobs in the order of their priority

https://github.com/lightvector/KataGo/blob/master/docs/Analysis_Engine.md
"""
