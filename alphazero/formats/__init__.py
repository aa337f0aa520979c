"""Files of games: SGF, PGN and our own text."""
