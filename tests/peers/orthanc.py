"""Debian's real Orthanc as a peer: an archive with DIMSE, DICOMweb and REST on free ports."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ainode_orthanc.server import LocalOrthanc
from peers.plain_http import request


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class OrthancServer(LocalOrthanc):
    """An Orthanc for tests; ``stop``, ``kill`` and ``restart`` keep its storage and ports.

    Example: ``with OrthancServer(tmp_path / "orthanc", modalities={"node": ("AINODE", port)}) as orthanc:``
    """

    def __init__(
        self,
        folder: Path,
        *,
        ae_title: str = "ORTHANC",
        modalities: Mapping[str, tuple[str, int]] | None = None,
        users: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self._auth = next(iter((users or {}).items()), None)
        super().__init__(
            folder,
            http_port=free_port(),
            dicom_port=free_port(),
            ae_title=ae_title,
            overrides={
                "StableAge": 1,
                "SyncStorageArea": False,
                "DicomModalities": {
                    name: [title, "127.0.0.1", port] for name, (title, port) in (modalities or {}).items()
                },
                "AuthenticationEnabled": bool(users),
                "RegisteredUsers": dict(users or {}),
            }
            | dict(overrides or {}),
        )

    def __exit__(self, *_: object) -> None:
        self.kill()  # Nobody needs what is stored any more, and an orderly end takes three seconds.

    def rest(self, method: str, path: str, **options: Any) -> Any:
        """Answer of Orthanc's own REST API as parsed JSON; raises on an error status."""
        answer = request(method, f"{self.url}{path}", auth=self._auth, timeout=60, **options)
        answer.raise_for_status()
        return answer.json()

    def instances(self) -> tuple[str, ...]:
        """SOP Instance UIDs of everything that Orthanc holds, sorted."""
        found = self.find("Instance", {})
        return tuple(sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in found))

    def find(self, level: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Resources of ``level`` (Patient, Study, Series, Instance) whose DICOM tags match ``query``."""
        body = {"Level": level, "Query": dict(query), "Expand": True}
        found = self.rest("POST", "/tools/find", json=body)
        assert isinstance(found, list)
        return found

    def file_of(self, sop_instance_uid: str) -> bytes:
        """The stored DICOM file of one instance."""
        (instance,) = self.find("Instance", {"SOPInstanceUID": sop_instance_uid})
        answer = request("GET", f"{self.url}/instances/{instance['ID']}/file", auth=self._auth, timeout=60)
        return answer.raise_for_status().content

    def upload(self, path: Path) -> str:
        """Store one DICOM file over REST; gives Orthanc's own id of the instance."""
        return str(self.rest("POST", "/instances", content=path.read_bytes())["ID"])
