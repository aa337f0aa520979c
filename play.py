"""Play against the engine, or watch it play: `python play.py --game connect4 --vs-human`."""

import sys

from alphazero.cli.play import main

if __name__ == "__main__":
    sys.exit(main())
