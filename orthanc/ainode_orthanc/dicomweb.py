"""A DICOMweb client: search (QIDO-RS), retrieve (WADO-RS), store (STOW-RS) of PS3.18, streaming both ways."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from ainode_models.errors import InstanceError, PeerRefused
from ainode_orthanc.answers import check_answer, reaching
from ainode_orthanc.auth import Credentials
from ainode_orthanc.multipart import FileParts, Part, boundary_of, read_parts
from ainode_orthanc.store_answer import StoreAnswer, read_store_answer

JSON = "application/dicom+json"
DICOM_PARTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'
_SOP_INSTANCE_UID = Tag("SOPInstanceUID")
_STORE_STATUSES = frozenset({200, 202, 400, 409})
"""Statuses whose body may say what became of each instance (PS3.18 Table 10.5.3-1; Orthanc 1.10 uses 400)."""


class DicomWebClient:
    """One archive's DICOMweb service below ``root_url``, such as ``https://pacs/dicom-web``.

    All methods raise PeerUnreachable when trying again may help, PeerRefused when it will not. Safe to share
    between threads.
    """

    def __init__(
        self,
        root_url: str,
        credentials: Credentials | None = None,
        *,
        timeout_seconds: float = 60,
        connect_seconds: float = 10,
        page: int = 500,
    ) -> None:
        self.root_url = root_url.rstrip("/")
        self._page = page
        self._http = httpx.Client(
            **(credentials or Credentials()).client_arguments(),
            http2=True,
            timeout=httpx.Timeout(timeout_seconds, connect=connect_seconds),
            # Orthanc closes an idle connection after a second; a request must not meet that end.
            limits=httpx.Limits(keepalive_expiry=0.5),
        )

    def search_studies(self, query: Mapping[str, str] | None = None) -> Iterator[Dataset]:
        """Studies that match ``query`` (attribute keywords to values, ``includefield``), PS3.18 10.6."""
        return self._search("/studies", query, "StudyInstanceUID")

    def search_series(self, study_uid: str, query: Mapping[str, str] | None = None) -> Iterator[Dataset]:
        """Series of one study, with ``NumberOfSeriesRelatedInstances`` where the archive counts them."""
        return self._search(_path(study_uid) + "/series", query, "SeriesInstanceUID")

    def search_instances(
        self, study_uid: str, series_uid: str | None = None, *, query: Mapping[str, str] | None = None
    ) -> Iterator[Dataset]:
        """Instances of one study, or of one series of it."""
        return self._search(_path(study_uid, series_uid) + "/instances", query, "SOPInstanceUID")

    def retrieve_series(self, study_uid: str, series_uid: str) -> Iterator[Part]:
        """The DICOM files of a series as the archive holds them, one part each, in no certain order."""
        return self._retrieve(_path(study_uid, series_uid))

    def retrieve_instance(self, study_uid: str, series_uid: str, *, sop_instance_uid: str) -> Iterator[Part]:
        """The DICOM file of one instance: one part."""
        return self._retrieve(_path(study_uid, series_uid, sop_instance_uid))

    def store(self, paths: Sequence[Path], *, study_uid: str | None = None) -> StoreAnswer:
        """Store DICOM files in one request (PS3.18 10.5) and read what became of each.

        A refused instance is no exception, the answer has it; InstanceError for a file that is not DICOM.
        """
        if not paths:
            return StoreAnswer((), ())
        sent = [sop_instance_uid(path) for path in paths]
        body = FileParts(tuple(paths))
        url = self.root_url + _path(study_uid)
        with reaching(url):
            answer = self._http.post(url, content=body, headers=body.headers | {"Accept": JSON})
        said = _per_instance(answer) if answer.status_code in _STORE_STATUSES else None
        if said is None:
            check_answer(answer)
            raise PeerRefused(f"POST {url}: the archive did not say what became of the objects that it got")
        return read_store_answer(said, sent)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _search(self, path: str, query: Mapping[str, str] | None, key: str) -> Iterator[Dataset]:
        """Page through the matches until a page brings nothing new: archives differ in what ends a search."""
        seen: set[str] = set()
        offset = 0
        while found := self._search_page(path, query, offset=offset):
            fresh = {str(match.get(key, "")): match for match in found}
            yield from (match for uid, match in fresh.items() if uid not in seen)
            if fresh.keys() <= seen:
                return
            seen.update(fresh)
            offset += len(found)

    def _search_page(self, path: str, query: Mapping[str, str] | None, *, offset: int) -> list[Dataset]:
        url = self.root_url + path
        parameters = dict(query or {}) | {"limit": str(self._page), "offset": str(offset)}
        with reaching(url):
            answer = self._http.get(url, params=parameters, headers={"Accept": JSON})
        check_answer(answer)
        if not answer.content:  # 204: nothing matches
            return []
        try:
            return [Dataset.from_json(match) for match in answer.json()]
        except (ValueError, TypeError, AttributeError, KeyError) as exc:
            raise PeerRefused(f"GET {url}: the archive's answer is not DICOM JSON") from exc

    def _retrieve(self, path: str) -> Iterator[Part]:
        url = self.root_url + path
        # To compress, Orthanc would first make the whole answer in its memory.
        headers = {"Accept": DICOM_PARTS, "Accept-Encoding": "identity"}
        with reaching(url), self._http.stream("GET", url, headers=headers) as answer:
            check_answer(answer)
            content_type = answer.headers.get("Content-Type", "")
            if content_type.startswith("application/dicom") and "json" not in content_type:
                yield Part({"content-type": content_type}, _wire(answer, url))
            else:
                yield from read_parts(_wire(answer, url), boundary_of(content_type))


def _path(*uids: str | None) -> str:
    """Resource of a study, series or instance (PS3.18 Table 10.1.1-1); InstanceError for a UID that leads elsewhere."""
    given = [uid for uid in uids if uid is not None]
    if not all(uid.strip(".") for uid in given):
        raise InstanceError("a UID is empty or has nothing but dots")
    levels = ("/studies", "/series", "/instances")
    named = "".join(f"{level}/{quote(uid, safe='')}" for level, uid in zip(levels, given, strict=False))
    return named or levels[0]


def _wire(answer: httpx.Response, url: str) -> Iterator[bytes]:
    """The body as it arrives; its errors surface in whoever reads a part, so they are translated here."""
    with reaching(url):
        yield from answer.iter_bytes()


def sop_instance_uid(path: Path) -> str:
    """SOP Instance UID of a DICOM file, from its header alone; InstanceError when it has none."""
    try:
        with path.open("rb") as file:
            dataset = read_partial(file, stop_when=lambda tag, *_: tag > _SOP_INSTANCE_UID)
    except (InvalidDicomError, OSError, EOFError) as exc:
        raise InstanceError(f"{path.name} is not a DICOM file: {exc}") from exc
    # Where the two differ, archives go by the one inside.
    uid = dataset.get("SOPInstanceUID") or dataset.file_meta.get("MediaStorageSOPInstanceUID")
    if not uid:
        raise InstanceError(f"{path.name} has no SOP Instance UID")
    return str(uid)


def _per_instance(answer: httpx.Response) -> dict[str, Any] | None:
    """The DICOM JSON object in ``answer``, whatever its Content-Type says; None when there is none."""
    try:
        document = answer.json()
    except ValueError:
        return None
    if isinstance(document, list) and document:
        document = document[0]
    return document if isinstance(document, dict) and {"00081198", "00081199"} & document.keys() else None
