"""How many cores of the machine this process may use."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cores_allowed(*, cgroups: Path = _CGROUPS, own: Path = _OWN) -> int:
    """By its affinity, and by the CPU time that it may take: a container's ``--cpus``, systemd's ``CPUQuota``.

    ``cgroups`` is where cgroup v2 is mounted (https://docs.kernel.org/admin-guide/cgroup-v2.html), ``own`` the file
    that names the group of this process. The tightest ``cpu.max`` of the group and those above it counts; libraries
    start a thread for every core that they see, and threads above the quota only wait for each other.
    """
    quotas = [quota for folder in _groups(cgroups, own) if (quota := _quota(folder / "cpu.max")) is not None]
    return max(1, min([len(os.sched_getaffinity(0)), *(math.ceil(quota) for quota in quotas)]))


def _groups(cgroups: Path, own: Path) -> list[Path]:
    """The folder of the group of this process and of those above; the last alone where a container hides the others."""
    try:
        named = [line.removeprefix("0::") for line in own.read_text().splitlines() if line.startswith("0::")]
    except OSError:
        named = []
    group = cgroups / named[0].lstrip("/") if named else cgroups
    return [folder for folder in (group, *group.parents) if folder.is_relative_to(cgroups)]


def _quota(file: Path) -> float | None:
    """Cores' worth of time, from ``MAX PERIOD`` in microseconds; None for ``max``, and where there is no such file."""
    try:
        most, period = file.read_text().split()
        return None if most == "max" else int(most) / int(period)
    except (OSError, ValueError):
        return None
