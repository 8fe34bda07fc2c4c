"""WADO-RS: retrieve instances, metadata, frames and bulk data (PS3.18 10.4)."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ainode.dicomweb.file_header import transfer_syntax
from ainode.dicomweb.frames import OCTETS, PIXEL_TAGS, StoredFrames
from ainode.dicomweb.links import Links
from ainode.dicomweb.media import DICOM, JSON, MULTIPART, MediaRange, check_json, media_ranges, syntaxes
from ainode.dicomweb.metadata import bulk_value, instance_metadata
from ainode.dicomweb.problem import WebProblem
from ainode.journal.holdings import Holdings
from ainode_models.errors import InstanceError

_READ_BYTES = 256 * 1024
_PIXELS = frozenset(f"{tag:08X}" for tag in PIXEL_TAGS)
_MOST_FRAMES = 10_000


@dataclass(frozen=True)
class StoredFile:
    """One instance and its file."""

    address: str
    path: Path


@dataclass(frozen=True)
class RetrieveService:
    """``GET`` of what is stored, as it is stored; each method runs in a thread."""

    holdings: Holdings
    path_of: Callable[[str], Path]
    links: Links

    def objects(self, request: Request) -> Response:
        """The DICOM files of a study, series or instance, streamed from disk."""
        files = self._files(request)
        ranges = media_ranges(request)
        parts = [item for item in ranges if item.covers(MULTIPART) and item.part.covers(DICOM)]
        alone = [item for item in ranges if item.covers(DICOM)] if len(files) == 1 and not parts else []
        if not parts and not alone:
            raise WebProblem(406, f'objects are sent as {MULTIPART}; type="{DICOM}"')
        self._check_syntaxes(files, parts or alone)
        if alone:
            return StreamingResponse(_content(files[0].path), media_type=DICOM)
        return _multipart(((_dicom_type(file.path), _content(file.path)) for file in files), DICOM)

    def metadata(self, request: Request) -> Response:
        """The headers of a study, series or instance in DICOM JSON, one at a time."""
        files = self._files(request)
        check_json(request)
        first = instance_metadata(files[0].path, files[0].address)  # so that a failure of the only one has a status

        def body() -> Iterator[str]:
            yield "[" + json.dumps(first)
            for file in files[1:]:
                yield ",\n" + json.dumps(instance_metadata(file.path, file.address))
            yield "]"

        return StreamingResponse(body(), media_type=JSON)

    def frames(self, request: Request) -> Response:
        """Some frames of an instance (PS3.18 10.4.1.1.6), in the order of the list."""
        frames = StoredFrames.of(self._files(request)[0].path)
        numbers = _numbers(request.path_params["list"], frames.count)
        return self._frames(request, frames, numbers)

    def bulk_data(self, request: Request) -> Response:
        """One binary value of an instance; of its pixel data all frames."""
        (file,) = self._files(request)
        tag = request.path_params["tag"].upper()
        if tag in _PIXELS:
            frames = StoredFrames.of(file.path)
            return self._frames(request, frames, range(1, frames.count + 1))
        value = bulk_value(file.path, int(tag, 16)) if _is_tag(tag) else None
        if value is None:
            raise WebProblem(404, "this instance has no such bulk data")
        if not _octets_ranges(request):
            raise WebProblem(406, f'bulk data are sent as {MULTIPART}; type="{OCTETS}"')
        return _multipart([(OCTETS, iter([value]))], OCTETS)

    def _frames(self, request: Request, frames: StoredFrames, numbers: Sequence[int]) -> Response:
        ranges = media_ranges(request)
        exact = [item for item in ranges if item.covers(MULTIPART) and item.part.covers(frames.media_type)]
        # With transfer-syntax=* octets may be anything, which viewers use to ask for frames as they are.
        anything = [item for item in _octets_ranges(request) if item.parameters.get("transfer-syntax") == "*"]
        wanted = syntaxes(exact or anything)
        if not (exact or anything) or (wanted is not None and frames.wire_syntax not in wanted):
            raise WebProblem(406, f"the frames are sent as stored: {frames.media_type}, {frames.wire_syntax}")
        kind = f"{frames.media_type}; transfer-syntax={frames.wire_syntax}"
        frames.frame(numbers[0])  # so that a failure of the only one has a status
        return _multipart(((kind, iter([frames.frame(number)])) for number in numbers), frames.media_type)

    def _files(self, request: Request) -> list[StoredFile]:
        study: str = request.path_params["study"]
        series, instance = (request.path_params.get(name) for name in ("series", "instance"))
        found = [
            StoredFile(self.links.resource(study, of, sop_instance_uid=uid), self.path_of(path))
            for of, uid, path in self.holdings.instances(study, series, sop_instance_uid=instance)
        ]
        if not found:
            raise WebProblem(404, "this node has no such instances, or not yet")
        if missing := sum(not file.path.is_file() for file in found):
            raise InstanceError(f"{missing} files that the journal names are gone from the spool")
        return found

    def _check_syntaxes(self, files: Sequence[StoredFile], ranges: Sequence[MediaRange]) -> None:
        """WebProblem 406 when the client asks for another transfer syntax only: nothing is converted."""
        wanted = syntaxes(ranges)
        others = set() if wanted is None else {transfer_syntax(file.path) for file in files} - wanted
        if others:
            raise WebProblem(
                406, f"objects are sent as stored, here in {', '.join(sorted(others))}; ask for transfer-syntax=*"
            )


def _numbers(text: str, count: int) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and 0 < len(part) < 10 for part in parts) or len(parts) > _MOST_FRAMES:
        raise WebProblem(400, f"frames are a list of at most {_MOST_FRAMES} numbers from 1 on, parted by commas")
    numbers = [int(part) for part in parts]
    if min(numbers) < 1 or max(numbers) > count:
        raise WebProblem(404, f"this instance has frames 1 to {count}")
    return numbers


def _octets_ranges(request: Request) -> list[MediaRange]:
    return [item for item in media_ranges(request) if item.covers(MULTIPART) and item.part.covers(OCTETS)]


def _is_tag(text: str) -> bool:
    return len(text) == 8 and all(sign in "0123456789ABCDEF" for sign in text)


def _dicom_type(path: Path) -> str:
    return f"{DICOM}; transfer-syntax={transfer_syntax(path)}"


def _content(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            yield piece


def _multipart(parts: "Iterator[Part] | Sequence[Part]", kind: str) -> Response:
    """A multipart/related answer, made while it is sent."""
    boundary = uuid4().hex

    def body() -> Iterator[bytes]:
        for media_type, content in parts:
            yield f"--{boundary}\r\nContent-Type: {media_type}\r\n\r\n".encode("ascii", "replace")
            yield from content
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode("ascii")

    return StreamingResponse(body(), media_type=f'{MULTIPART}; type="{kind}"; boundary={boundary}')


Part = tuple[str, Iterator[bytes]]
"""Media type and content."""
