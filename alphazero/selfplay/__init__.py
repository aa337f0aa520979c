"""Self-play: games played by the search, here, on Ray actors or by contributors."""
