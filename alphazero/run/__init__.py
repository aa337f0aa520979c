"""A training run: its loop, folder, evaluation, status and metrics."""
