"""Play against the engine from a checkout: `python play.py` is `alphazero play`."""

import sys

from alphazero.cli.play import main

if __name__ == "__main__":
    sys.exit(main())
