"""The commands of the command line, a file for each idea: start reading in `main.py`."""
