"""Training as `ray submit configs/cluster/aws.yaml train.py configs/go19.toml` starts it.

Ray copies this one file to the head of the cluster and runs it in the home directory there, with
its arguments joined by spaces and unquoted: a setting with a space or a `;` in it belongs into a
file of settings. Anywhere else `python train.py ...` is `alphazero train ...`.
"""

import sys
from pathlib import Path

from alphazero.cli.main import main
from alphazero.cli.train import cluster_arguments

if __name__ == "__main__":
    sys.exit(main(["train", *cluster_arguments(sys.argv[1:], Path.home())]))
