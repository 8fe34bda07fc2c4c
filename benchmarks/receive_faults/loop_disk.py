"""An ext4 disk whose power can be cut: what was not synchronised by then is gone."""

import fcntl
import os
import struct
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_SHUTDOWN, _WITHOUT_FLUSHING_THE_LOG = 0x8004587D, 2
"""EXT4_IOC_SHUTDOWN of Linux: every write fails from here on, and nothing more reaches the disk."""


class LoopDisk:
    """A file with a file system, mounted from the start of the block to its end; takes root."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self.folder = folder
        self._image = folder.with_name(f"{folder.name}.img")
        self._megabytes = megabytes

    @staticmethod
    def obstacle() -> str | None:
        """Why no disk can be mounted here; None when it can."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                with LoopDisk(Path(folder) / "disk", megabytes=16):
                    return None
            except (OSError, subprocess.CalledProcessError) as exc:
                said = exc.stderr.strip() if isinstance(exc, subprocess.CalledProcessError) else str(exc)
                return f"no ext4 disk can be mounted here: {said}"

    def cut_power(self) -> None:
        """Let nothing more reach the disk."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING_THE_LOG))
        finally:
            os.close(descriptor)

    def restore_power(self) -> None:
        """Mount the disk as it was left; no program may use it at that moment."""
        self._run("umount", str(self.folder))
        self._mount()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as image:
            image.truncate(self._megabytes << 20)
        self._run("mkfs.ext4", "-q", str(self._image))
        self._mount()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("umount", "--lazy", str(self.folder))
        self._image.unlink()

    def _mount(self) -> None:
        self._run("mount", "-o", "loop", str(self._image), str(self.folder))

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
