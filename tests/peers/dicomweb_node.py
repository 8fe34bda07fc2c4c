"""The DICOMweb side of a node behind a real server, with spool and journal in a folder."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import sqlalchemy as sa

from ainode.dicomweb import services
from ainode.journal.database import open_database
from ainode.journal.instances import InstanceJournal, InstanceRow
from ainode.receive.indexer import Indexer
from ainode.receive.spool import Spool
from ainode.settings import Dicomweb, Settings, Web
from ainode.web.server import build_app
from ainode_orthanc.dicomweb import DicomWebClient
from peers.orthanc import free_port
from peers.web import serving


@dataclass(frozen=True)
class DicomWebNode:
    """What is served, and what lies behind it."""

    root: str
    spool: Spool
    journal: InstanceJournal
    engine: sa.Engine
    http: httpx.Client

    @property
    def url(self) -> str:
        """Root of DICOMweb."""
        return f"{self.root}/dicom-web"

    def index(self) -> None:
        """Read the headers of all that was stored, as the node does a moment later."""
        indexer = Indexer(self.journal, self.spool)
        while indexer.step():
            pass

    def refusals(self) -> list[InstanceRow]:
        """What was stored but cannot be used."""
        return self.journal.refusals()

    def files(self) -> list[Path]:
        """Every file below the spool, half-written ones too."""
        return sorted(path for path in self.spool.folder.rglob("*") if path.is_file())

    def store(self, *paths: Path) -> None:
        """Store files by our own client, and index them."""
        with DicomWebClient(self.url) as client:
            answer = client.store(paths)
        assert answer.complete, answer
        self.index()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Answer to a plain GET below DICOMweb's root; headers with ``_`` for ``-``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.get(self.url + path, headers=named)

    def search(self, path: str) -> list[dict[str, dict[str, object]]]:
        """Matches of a search in DICOM JSON."""
        answer = self.get(path, accept="application/dicom+json")
        assert answer.status_code in (200, 204), answer.text
        found: list[dict[str, dict[str, object]]] = answer.json() if answer.content else []
        return found


@contextmanager
def dicomweb_node(
    folder: Path, *, database: str | None = None, spool: type[Spool] = Spool, limits: Dicomweb | None = None
) -> Iterator[DicomWebNode]:
    """A node that only serves DICOMweb and uploads."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_database(database or f"sqlite:///{folder / 'journal.sqlite'}")
    journal, store = InstanceJournal(engine, time.time), spool(folder / "spool")
    port = free_port()
    settings = Settings(web=Web(public_url=f"http://127.0.0.1:{port}"), dicomweb=limits or Dicomweb(enabled=True))
    describing = services.describer(settings, engine, store)
    routes = services.routes(settings, engine, store, journal=journal, describing=describing)
    try:
        with (
            serving(build_app(health=dict, fhir=[], more=routes), port=port) as root,
            httpx.Client(trust_env=False, timeout=30) as http,
        ):
            yield DicomWebNode(root, store, journal, engine, http)
    finally:
        engine.dispose()
