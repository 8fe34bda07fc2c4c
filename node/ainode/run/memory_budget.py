"""How much memory the models' processes may hold, and how much they do."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/memory.max")
"""The limit of a container, as the container sees it (cgroup v2)."""


@dataclass(frozen=True)
class Held:
    """Memory of one model's process, bytes."""

    machine: int = 0
    """Resident memory."""
    gpu: int = 0
    """What torch holds of the GPU, as the process said after its last call."""
    gpu_total: int = 0
    """All that this GPU has; 0 without one."""


@dataclass(frozen=True)
class MemoryBudget:
    """What all processes together may hold, of the machine's memory and of the GPU's, each by itself."""

    limit: float = 0.7
    """Bytes; up to 1 a share."""

    def holds(self, processes: Iterable[Held]) -> bool:
        """Whether ``processes`` fit in, all together."""
        all_held = list(processes)
        gpu_total = max((held.gpu_total for held in all_held), default=0)
        return sum(held.machine for held in all_held) <= self.of(machine_memory()) and (
            sum(held.gpu for held in all_held) <= self.of(gpu_total)
        )

    def of(self, total: int) -> float:
        """Bytes of a memory of ``total`` bytes that may be held."""
        return self.limit * total if self.limit <= 1 else self.limit


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container that it is in."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(_CGROUP.read_text()))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return physical


def resident_memory(pid: int) -> int:
    """Bytes that a process holds; 0 when it has ended, or where there is no ``/proc``."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
