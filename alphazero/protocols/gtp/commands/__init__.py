"""GTP's commands: functions `(session, arguments) -> text of the response`, in tables by name.

A module's COMMANDS are for every game, its GO_COMMANDS for Go. Errors are RequestError.
"""
