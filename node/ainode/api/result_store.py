"""Results that can be fetched for some time, and that answer for the same input again."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from ainode.api.answers import PredictionAnswer

_ANSWER = "answer.json"
_PART = ".part"


@dataclass(frozen=True)
class Bounds:
    """How much is kept, and for how long."""

    seconds: float
    """Since a result was made, or asked for again."""
    size: int
    """Bytes of all results together; the last one may be larger."""


class ResultStore:
    """A folder for each result, named by what it was made of; it is there whole or not at all."""

    def __init__(self, folder: Path, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._folder = folder
        self._bounds = bounds
        self._clock = clock

    def get(self, result_id: str) -> PredictionAnswer | None:
        """The answer of a result that is kept."""
        path = self.file(result_id, _ANSWER)
        try:
            return PredictionAnswer.model_validate_json(path.read_bytes()) if path else None
        except (FileNotFoundError, ValidationError):  # swept away meanwhile, or written by another version
            return None

    def file(self, result_id: str, name: str) -> Path | None:
        """A file of a result that is kept."""
        folder = self._folder / result_id
        if not re.fullmatch(r"[0-9a-f]{32}", result_id) or self._age(folder) > self._bounds.seconds:
            return None
        path = folder / name
        return path if path.is_file() else None

    def used(self, result_id: str) -> None:
        """Count the time of a result anew."""
        with suppress(FileNotFoundError):
            now = self._clock()
            os.utime(self._folder / result_id, (now, now))

    def put(self, result_id: str, answer: PredictionAnswer, files: Mapping[str, bytes]) -> None:
        """Keep a result."""
        part = self._folder / f"{uuid4().hex}{_PART}"
        part.mkdir(parents=True, mode=0o700)
        try:
            for name, content in files.items():
                (part / name).write_bytes(content)
            (part / _ANSWER).write_text(answer.model_dump_json(), encoding="utf-8")
            self.remove(result_id)
            part.rename(self._folder / result_id)
            self.used(result_id)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def remove(self, result_id: str) -> None:
        """Forget a result."""
        shutil.rmtree(self._folder / result_id, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what is too old, then the oldest until the rest is small enough."""
        kept = sorted(self._kept(), key=self._age)
        size = 0
        for place, folder in enumerate(kept):
            size += _size(folder)
            if place and size > self._bounds.size:
                self.remove(folder.name)

    def _kept(self) -> Iterator[Path]:
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if self._age(folder) > self._bounds.seconds:
                shutil.rmtree(folder, ignore_errors=True)
            elif folder.suffix != _PART:
                yield folder

    def _age(self, folder: Path) -> float:
        try:
            return self._clock() - folder.stat().st_mtime
        except FileNotFoundError:
            return float("inf")


def _size(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return sum(path.stat().st_size for path in folder.iterdir())
    return 0
