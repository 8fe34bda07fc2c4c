"""Networks converted for OpenVINO, in the cache folder of the user, from where they are loaded in a moment.

Converting takes the framework that a network was made with, and seconds to minutes. It is done once for all that
decides what comes of it: in a process of its own, whose memory is free afterwards, or in this one, where that framework
is imported already.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from ainode_models.errors import PackageError

if TYPE_CHECKING:
    from openvino import Model

_log = logging.getLogger(__name__)

Request = Mapping[str, Any]
"""What is to be converted, in JSON."""

_FACTS = "network.json"
_KEPT_S = 90 * 86400
"""What was not read for so long is removed when something new is written: each version of a package, of nnunetv2 and of
OpenVINO leaves a folder behind."""
_DOES_NOT_FIT = 3
"""Exit code of a conversion that met a `PackageError`."""


@dataclass(frozen=True)
class Converted:
    """A folder of the cache, whole and as it was written."""

    networks: Mapping[str, Path]
    """The file ``NAME.xml`` of each network by its name; its weights lie beside it."""
    facts: Mapping[str, Any]
    """What is said of them beside, in JSON."""

    @classmethod
    def read(cls, place: Path) -> "Converted | None":
        """What lies in ``place``; None when it is not there, or not as it was written."""
        try:
            written = json.loads((place / _FACTS).read_text())
            sums = {name: _sum(place / name) for name in written["sums"]}
            facts = written["facts"]
        except (OSError, ValueError, KeyError):
            return None
        if sums != written["sums"]:
            return None
        return cls({Path(name).stem: place / name for name in sums if name.endswith(".xml")}, facts)


def place_of(*parts: str, files: Iterable[Path]) -> Path:
    """The folder for what ``parts``, the content of ``files`` and the version of OpenVINO decide."""
    words = [version("openvino"), *parts, *map(_sum, files)]
    key = hashlib.sha256(" ".join(words).encode()).hexdigest()
    return platformdirs.user_cache_path("ainode") / "openvino" / key[:32]


def write(place: Path, networks: Mapping[str, "Model"], facts: Mapping[str, Any]) -> None:
    """Put networks, with their numbers as they are, and facts into ``place``: whole or not at all."""
    import openvino

    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as name:
        made = Path(name)
        for network, model in networks.items():
            openvino.save_model(model, made / f"{network}.xml", compress_to_fp16=False)
        sums = {file.name: _sum(file) for file in sorted(made.iterdir())}
        (made / _FACTS).write_text(json.dumps({"facts": facts, "sums": sums}, indent=1))
        _put(made, place)


def _remove_unread(cache: Path, *, now: float) -> None:
    """Processes that have such a network open keep it: its files are theirs until they end."""
    for place in cache.iterdir() if cache.is_dir() else ():
        with contextlib.suppress(OSError):  # another process does the same
            if (place / _FACTS).is_file() and now - place.stat().st_mtime > _KEPT_S:
                with tempfile.TemporaryDirectory(dir=cache) as aside:
                    place.rename(Path(aside) / place.name)  # whole or not at all


@dataclass(frozen=True)
class Conversion:
    """How the networks of one package come into the cache."""

    place: Path
    """See `place_of`."""
    convert: Callable[[Request, Path], None]
    """Writes what the request asks for to the place; of a module that ends with `main`."""
    request: Request
    framework: str
    """The library that it takes."""

    def result(self) -> Converted | None:
        """What lies in the cache, converted now unless it is there; None when that failed, which is logged.

        Raises `PackageError` when the files of the package do not fit together.
        """
        with contextlib.suppress(OSError):  # where it is not there, or another user's
            os.utime(self.place)  # before it is read: nobody removes it meanwhile
        found = Converted.read(self.place)
        if found is None:
            (self._here if self.framework in sys.modules else self._apart)()
            found = Converted.read(self.place)
            _remove_unread(self.place.parent, now=time.time())
        return found

    def _here(self) -> None:
        try:
            self.convert(self.request, self.place)
        except PackageError:
            raise
        except Exception:  # noqa: BLE001 - frameworks and converters raise what they like; the framework runs it then
            _log.exception("OpenVINO's form of %s was not written", self.request)

    def _apart(self) -> None:
        asked = json.dumps({"request": self.request, "place": str(self.place)})
        command = [sys.executable, "-m", self.convert.__module__, asked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == _DOES_NOT_FIT:
            raise PackageError(done.stderr.strip().splitlines()[-1])
        if done.returncode:
            _log.error("OpenVINO's form of %s was not written: %s", self.request, done.stderr.strip())


def main(convert: Callable[[Request, Path], None]) -> int:
    """What the module of ``convert`` does as a program; exit code 3, with a sentence, for a `PackageError`."""
    asked = json.loads(sys.argv[1])
    try:
        convert(asked["request"], Path(asked["place"]))
    except PackageError as error:
        sys.stderr.write(f"\n{error}\n")
        return _DOES_NOT_FIT
    return 0


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _put(made: Path, place: Path) -> None:
    """Rename; what another process put there meanwhile is the same."""
    if place.exists() and Converted.read(place) is None:
        shutil.rmtree(place)
    try:
        made.rename(place)
    except OSError:
        if Converted.read(place) is None:
            raise
    else:
        made.mkdir()  # for the context that removes it
