"""Torch networks: what they look like, how their weights travel, how they evaluate positions."""
