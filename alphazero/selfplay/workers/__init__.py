"""Executors that play a run's games: this process, Ray actors, a shared folder."""
