"""The command line of the package, as `python -m alphazero`."""

import sys

from alphazero.cli.main import main, read_options

__all__ = ["main", "read_options"]

if __name__ == "__main__":
    sys.exit(main())
