"""Our FHIR side on a database of its own: asked in this process, or over HTTP on a free port."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import uvicorn
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from ainode_fhir.bundle import report_bundle
from ainode_fhir.server import fhir_routes
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.tables import metadata
from peers.fhir_samples import FAILED, NEGATIVE, OBJECTS, POSITIVE, STARTED, STUDY, Clock

BASE = "http://node.example/fhir"
OTHER = replace(
    STUDY,
    study_uid="1.2.826.0.1.78",
    patient_id="P-1",
    patient_name="José Anaïs Núñez-Østergaard",
    family_name="Núñez-Østergaard",
    given_names=("José", "Anaïs"),
    birth_date=date(1950, 1, 2),
    sex="M",
    accession_number="ACC-10",
    started=STARTED.replace(month=5),
)
"""A study of another patient."""
OTHERS = tuple(
    replace(item, sop_instance_uid=f"{item.sop_instance_uid}.2", series_uid=f"{item.series_uid}.2") for item in OBJECTS
)
"""What was made of it."""


def fill(engine: Engine, *, base_url: str = BASE) -> ResourceStore:
    """A store with a positive and a failed report of one patient, and a negative report of another."""
    metadata.create_all(engine)
    store = ResourceStore(engine, clock=Clock(), base_url=base_url)
    site = Site(base_url=base_url, wado_url="https://pacs.example/dicom-web")
    for findings, study, objects in ((POSITIVE, STUDY, OBJECTS), (FAILED, STUDY, ()), (NEGATIVE, OTHER, OTHERS)):
        store.apply(report_bundle(findings, study, objects, site=site))
    return store


@contextmanager
def served(store: ResourceStore) -> Iterator[TestClient]:
    """Client of a server on ``store``, in this process."""
    routes = fhir_routes(store, base_url=BASE, version="0.1.0", started=STARTED)
    with TestClient(Starlette(routes=[Mount("/fhir", routes=routes)]), base_url="http://node.example") as client:
        yield client


@contextmanager
def listening(engine: Engine) -> Iterator[str]:
    """Base URL of a server over HTTP with the reports of ``fill`` in the database of ``engine``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        routes = fhir_routes(fill(engine, base_url=url), base_url=url, version="0.1.0", started=STARTED)
        app = Starlette(routes=[Mount("/fhir", routes=routes)])
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()
