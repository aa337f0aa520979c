"""`python -m alphazero COMMAND` is the same as `alphazero COMMAND`."""

import sys

from alphazero.cli.main import main, read_options

__all__ = ["main", "read_options"]

if __name__ == "__main__":
    sys.exit(main())
