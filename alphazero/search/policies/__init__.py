"""How a search chooses: PUCT, Gumbel, RAVE."""
