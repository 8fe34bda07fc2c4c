"""One node for each folder."""

import fcntl
from pathlib import Path
from typing import TextIO

from ainode_models.errors import ConfigError


class FolderLock:
    """Held by the node that works in a folder; the system frees it when that process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None

    def take(self) -> None:
        """Hold the folder; ``ConfigError`` when another node does."""
        file = (self._folder / "node.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.close()
            raise ConfigError(
                f"another node works in {self._folder}: end it, or give this one a [node] folder of its own"
            ) from exc
        self._file = file

    def free(self) -> None:
        """Let another node have it."""
        if self._file:
            self._file.close()
