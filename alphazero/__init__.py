"""A self-play engine in the AlphaZero style for any two-player board game.

Read `alphazero/README.md` for the map. Nothing heavy is imported here: the command line and the
protocol front ends must answer before numba or torch are loaded.
"""

__version__ = "0.1.0"
