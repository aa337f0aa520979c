"""Players meet: who is stronger, and by how much. Start reading in `match.py`."""
