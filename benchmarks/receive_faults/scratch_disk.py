"""A small disk that may be filled and made read-only while it is used."""

import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class ScratchDisk:
    """A tmpfs, mounted from the start of the block to its end; takes root."""

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self.folder = folder
        self._megabytes = megabytes
        self._ballast = folder / "ballast"

    @staticmethod
    def obstacle() -> str | None:
        """Why no disk can be mounted here; None when it can."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                with ScratchDisk(Path(folder), megabytes=1):
                    return None
            except (OSError, subprocess.CalledProcessError) as exc:
                said = exc.stderr.strip() if isinstance(exc, subprocess.CalledProcessError) else str(exc)
                return f"no tmpfs can be mounted here: {said}"

    def fill(self, *, but: int = 0) -> None:
        """Take all the room but ``but`` bytes, which others may be filling at the same time."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (1 << 20, 1 << 12):
                while self.room() >= but + size:
                    os.write(descriptor, bytes(size))
        except OSError:
            pass  # full, which was the purpose
        finally:
            os.close(descriptor)

    def room(self) -> int:
        """Bytes that are free."""
        there = os.statvfs(self.folder)
        return there.f_bavail * there.f_frsize

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink()

    def read_only(self, *, seconds: float) -> bool:
        """Make it so in a moment without a file that is open for writing; whether there was one within ``seconds``."""
        deadline = time.monotonic() + seconds
        while self._mount("-o", "remount,ro", check=False).returncode:
            if time.monotonic() > deadline:
                return False
        return True

    def writable(self) -> None:
        """End ``read_only``."""
        self._mount("-o", "remount,rw")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={self._megabytes}m,mode=0700", "tmpfs")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=True)

    def _mount(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["mount", *arguments, str(self.folder)], capture_output=True, text=True, check=check, timeout=30
        )
