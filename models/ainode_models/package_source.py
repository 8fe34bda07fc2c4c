"""What a package is made from: a folder or a zip, copied file by file and within bounds."""

import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ainode_models.errors import PackageError
from ainode_models.package import MANIFEST

_PIECE = 1 << 20

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Bounds:
    """The largest package that is taken."""

    files: int = 10_000
    total: int = 32 << 30
    """Unpacked bytes of all files together."""


LARGEST = Bounds()


def copy_package(source: Path, target: Path, bounds: Bounds, *, marker: str = MANIFEST) -> None:
    """Copy the package in the folder or zip ``source`` to the new folder ``target``.

    A zip may hold the package itself, or one folder with it; ``marker`` is the file that it is known by.
    Raises `PackageError` for links, special files, names that lead outside, damaged zips, and more than ``bounds``
    allow, which is counted while bytes are written.
    """
    try:
        if source.is_dir():
            _copy(_in_folder(source), target, bounds, source)
        elif source.is_file():
            with ZipFile(source) as archive:
                _copy(_in_zip(archive, source, bounds, PurePosixPath(marker)), target, bounds, source)
        else:
            raise PackageError(f"{source}: is not there; give the folder or the zip of a package")
    except OSError as exc:
        raise PackageError(f"{source}: cannot be copied: {exc.strerror} ({exc.filename})") from exc
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, zlib.error) as exc:
        raise PackageError(f"{source}: is no zip, or a damaged one ({exc}); make it again") from exc


def _copy(files: Iterator[tuple[PurePosixPath, Opener]], target: Path, bounds: Bounds, source: Path) -> None:
    left = bounds.total
    target.mkdir()
    for number, (name, opener) in enumerate(files, 1):
        if number > bounds.files:
            raise PackageError(
                f"{source}: holds more than {bounds.files} files; leave out what the model does not need"
            )
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with opener() as stream, (target / name).open("xb") as file:
            while piece := stream.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    raise PackageError(f"{source}: holds more than {bounds.total} bytes; that is no package")
                file.write(piece)


def _in_folder(source: Path) -> Iterator[tuple[PurePosixPath, Opener]]:
    for path in sorted(source.rglob("*")):
        name = PurePosixPath(path.relative_to(source).as_posix())
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            yield name, _opener(path)
        elif not stat.S_ISDIR(mode):
            raise PackageError(f"{path}: is a link or no plain file; put a copy of the file there")


def _opener(path: Path) -> Opener:
    return lambda: path.open("rb")


def _in_zip(
    archive: ZipFile, source: Path, bounds: Bounds, marker: PurePosixPath
) -> Iterator[tuple[PurePosixPath, Opener]]:
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > bounds.files:
        raise PackageError(f"{source}: holds more than {bounds.files} files; leave out what the model does not need")
    names = [_name(info, source) for info in infos]
    if len(set(names)) < len(names):
        raise PackageError(f"{source}: holds two files of one name; make it again")
    depth = len(marker.parts)
    marks = [name for name in names if name.parts[-depth:] == marker.parts and len(name.parts) <= depth + 1]
    if len(marks) != 1:
        raise PackageError(f"{source}: must hold one {marker}, at its top or in its only folder; make it so")
    top = marks[0].parents[depth - 1]
    for name, info in zip(names, infos, strict=True):
        if not name.is_relative_to(top):
            raise PackageError(f"{source}: {name} lies beside the folder of the package; leave it out")
        yield name.relative_to(top), partial(archive.open, info)


def _name(info: ZipInfo, source: Path) -> PurePosixPath:
    """The name of a member; raises `PackageError` for what no package needs."""
    name = PurePosixPath(info.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in info.filename or ":" in name.parts[0]:
        raise PackageError(
            f"{source}: {info.filename!r} leads outside the package; make the zip from inside its folder"
        )
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise PackageError(f"{source}: {info.filename!r} is a link or no plain file; put the file itself there")
    if info.flag_bits & 1 or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise PackageError(f"{source}: {info.filename!r} is encrypted, or compressed otherwise than by deflate")
    return name
