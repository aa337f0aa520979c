"""Training as `ray submit configs/cluster/aws.yaml train.py configs/go19.toml` starts it.

Ray copies this one file to the head of the cluster and runs it in the home directory there, with
its arguments joined by spaces and unquoted: what has a space or a `;` in it belongs into a file of
settings. Anywhere else `python train.py ...` is `python -m alphazero train ...`.
"""

import os
import sys
from pathlib import Path

import alphazero
from alphazero.__main__ import main

PROJECT = Path(alphazero.__file__).resolve().parent.parent  # as installed on this machine


def resolve(arguments: list[str], home: Path) -> list[str]:
    """The arguments of `train`: settings that are not here are those of the installed project, and
    on the head of a cluster, which `ray up` leaves its configuration on, all of it plays."""
    found = [
        str(PROJECT / word)
        if word.endswith(".toml") and not Path(word).exists() and (PROJECT / word).exists()
        else word
        for word in arguments
    ]
    names = {word.partition("=")[0] for word in arguments}
    if (home / "ray_bootstrap_config.yaml").exists() and not names & {"--local", "--dry-run"}:
        if "--address" not in names and "RAY_ADDRESS" not in os.environ:
            found += ["--address", "auto"]
        if not names & {"--workers", "run.workers"}:
            found += ["--workers", "auto"]
    return found


if __name__ == "__main__":
    sys.exit(main(["train", *resolve(sys.argv[1:], Path.home())]))
