"""How much memory a process used at its peak."""

from pathlib import Path


class PeakMemory:
    """Peak of the resident memory of one process from now on (proc(5): ``clear_refs``, ``VmHWM``)."""

    def __init__(self, pid: int) -> None:
        self._process = Path(f"/proc/{pid}")
        self._before = self._kilobytes("VmRSS")
        (self._process / "clear_refs").write_text("5")

    @property
    def extra_mb(self) -> float:
        """Megabytes above what it held at the beginning."""
        return (self._kilobytes("VmHWM") - self._before) * 1024 / 1e6

    def _kilobytes(self, key: str) -> int:
        lines = (self._process / "status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1])
