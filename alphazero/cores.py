"""The machine: its cores, its shared memory for Ray, folders that outlive a Ray job."""

import os
import shutil
import sys
from pathlib import Path

OBJECT_STORE_BYTES = 512 << 20  # chunks and weights in transit; Ray would take 30 % of the memory
SMALLEST_OBJECT_STORE = 80 << 20  # Ray refuses less than 75 MiB
JOB_FOLDER = "working_dir_files"  # where Ray unpacks what `ray job submit --working-dir` sent


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def object_store_bytes() -> int:
    """Shared memory for Ray's object store: `OBJECT_STORE_BYTES`, or half of a smaller /dev/shm."""
    shared_memory = Path("/dev/shm")
    free = shutil.disk_usage(shared_memory).free if shared_memory.exists() else sys.maxsize
    return max(SMALLEST_OBJECT_STORE, min(OBJECT_STORE_BYTES, free // 2))


def lasting(path: Path) -> Path:
    """Make a path absolute and outlive a Ray job: one inside the temporary folder that the job's
    files were unpacked into is moved below the home directory."""
    path = path.expanduser().absolute()
    if JOB_FOLDER not in path.parts:
        return path
    package = path.parts.index(JOB_FOLDER) + 1  # followed by the name of the package
    return Path.home().joinpath(*path.parts[package + 1 :])
