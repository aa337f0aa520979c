"""The command line, `alphazero COMMAND`: start reading in `main.py`."""
