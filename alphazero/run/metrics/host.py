"""Host metrics: processor, memory and disk; what the system does not tell is left out."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")  # Linux only


class HostMetrics:
    """Load since the last `measure`, and amounts, named as in `METRICS`."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """`folder` is on the disk to measure."""
        self.folder = folder
        self.clock = clock
        self._seen = self._counters()

    def measure(self) -> dict[str, float]:
        """Return the metrics."""
        before, self._seen = self._seen, self._counters()
        (then, process, busy, total), now = before, self._seen
        found = {"system/process_cpu": (now[1] - process) / max(now[0] - then, 1e-9)}
        if now[3] > total:
            found["system/cpu"] = (now[2] - busy) / (now[3] - total)
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            memory = meminfo()
            found["system/memory"] = 1 - memory["MemAvailable"] / memory["MemTotal"]
            pages = int((PROC / "self" / "statm").read_text().split()[1])
            found["system/process_memory"] = float(pages * os.sysconf("SC_PAGE_SIZE"))
        with contextlib.suppress(OSError):
            found["system/disk_free"] = float(shutil.disk_usage(self.folder).free)
        return found

    def _counters(self) -> tuple[float, float, float, float]:
        """Read (time, CPU seconds of this process, busy ticks and all ticks of all cores)."""
        busy = total = 0.0
        with contextlib.suppress(OSError, ValueError, IndexError):
            line = (PROC / "stat").read_text().partition("\n")[0]
            ticks = [float(part) for part in line.split()[1:9]]
            total, busy = sum(ticks), sum(ticks) - ticks[3] - ticks[4]  # idle, waiting for disks
        return self.clock(), time.process_time(), busy, total


def meminfo() -> dict[str, int]:
    """Read the machine's memory, in kB by Linux's names."""
    lines = (PROC / "meminfo").read_text().splitlines()
    return {line.partition(":")[0]: int(line.split()[1]) for line in lines}
