"""Architectures of networks."""
