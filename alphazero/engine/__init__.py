"""The engine: analyse one position within limits, for whoever asks."""
