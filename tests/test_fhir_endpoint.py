"""An ImagingStudy lists the results of all runs beside the images, and where they are fetched, if that is known."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from ainode.peers import wado_url
from ainode.settings import Archive, Destination, Settings
from ainode.settings.sections import Fhir, Web
from ainode_fhir.bundle import report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from ainode_fhir.store import ResourceStore
from ainode_fhir.study import ResultObject
from ainode_fhir.tables import metadata
from peers.fhir_checks import R4Checker
from peers.fhir_samples import OBJECTS, POSITIVE, STUDY, Clock, resources
from peers.fhir_service import served

WADO = "https://pacs.example/dicom-web"
SITE = Site(wado_url=WADO)
LATER = replace(POSITIVE, run_id="run-later")
OTHER_OBJECTS = (
    ResultObject("PM", "1.2.840.10008.5.1.4.1.1.30", "2.25.81", "2.25.82"),
    ResultObject("PM", "1.2.840.10008.5.1.4.1.1.30", "2.25.83", "2.25.82"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ResourceStore]:
    engine = create_engine(f"sqlite:///{tmp_path / 'fhir.db'}")
    metadata.create_all(engine)
    yield ResourceStore(engine, clock=Clock())
    engine.dispose()


def study_in(store: ResourceStore) -> Json:
    with served(store) as client:
        (entry,) = client.get("/fhir/ImagingStudy").json()["entry"]
    body: Json = entry["resource"]
    return body


def test_the_objects_of_a_run_are_series_of_the_study_made_by_the_model(store: ResourceStore) -> None:
    store.apply(report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE))
    study = study_in(store)
    assert [series["uid"] for series in study["series"]] == ["1.2.826.0.1.77.1", "2.25.42", "2.25.52"]
    assert [each["code"] for each in study["modality"]] == ["MR"]
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (3, 3)
    image, seg, _ = study["series"]
    assert "performer" not in image
    assert seg["performer"][0]["actor"]["display"] == "brain-tumour-demo 1.0.2"
    assert seg["instance"] == [
        {"uid": "2.25.41", "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.66.4"}}
    ]


def test_results_of_several_runs_stay_in_the_list_in_whatever_order_they_are_written(tmp_path: Path) -> None:
    bundles = [
        report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE),
        report_bundle(LATER, STUDY, OTHER_OBJECTS, site=SITE),
    ]
    found = []
    for number, order in enumerate((bundles, bundles[::-1], [*bundles, *bundles])):
        engine = create_engine(f"sqlite:///{tmp_path / str(number)}.db")
        metadata.create_all(engine)
        store = ResourceStore(engine, clock=Clock())
        for bundle in order:
            store.apply(bundle)
        found.append({key: value for key, value in study_in(store).items() if key != "meta"})
        engine.dispose()
    assert found[0] == found[1] == found[2]
    assert [series["uid"] for series in found[0]["series"]] == ["1.2.826.0.1.77.1", "2.25.42", "2.25.52", "2.25.82"]
    assert found[0]["numberOfInstances"] == 5


def test_images_that_are_not_in_the_study_any_more_leave_the_list_though_results_stay(store: ResourceStore) -> None:
    store.apply(report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE))
    corrected = replace(STUDY, series=(replace(STUDY.series[0], uid="1.2.826.0.1.77.9"),))
    store.apply(report_bundle(LATER, corrected, OTHER_OBJECTS, site=SITE))
    uids = [series["uid"] for series in study_in(store)["series"]]
    assert uids == ["1.2.826.0.1.77.9", "2.25.42", "2.25.52", "2.25.82"]


def test_the_endpoint_of_a_study_is_found_searched_and_included(store: ResourceStore) -> None:
    store.apply(report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE))
    with served(store) as client:
        found = client.get("/fhir/ImagingStudy?_include=ImagingStudy:endpoint").json()["entry"]
        endpoint = found[1]["resource"]
        same = client.get(f"/fhir/ImagingStudy?endpoint={endpoint['id']}").json()
        typed = client.get("/fhir/Endpoint?connection-type=dicom-wado-rs&status=active").json()
    assert found[0]["resource"]["endpoint"] == [{"reference": f"Endpoint/{endpoint['id']}", "display": "WADO-RS"}]
    assert (endpoint["address"], endpoint["payloadMimeType"]) == (WADO, ["application/dicom"])
    assert same["total"] == typed["total"] == 1


def test_without_a_known_address_there_is_no_endpoint() -> None:
    bundle = report_bundle(POSITIVE, STUDY, OBJECTS, site=Site())
    assert resources(bundle, "Endpoint") == []
    assert "endpoint" not in resources(bundle, "ImagingStudy")[0]


def test_the_study_and_the_endpoint_are_valid_r4(r4: R4Checker) -> None:
    bundle = report_bundle(POSITIVE, STUDY, OBJECTS, site=SITE)
    bodies = {kind: resources(bundle, kind)[0] for kind in ("ImagingStudy", "Endpoint")}
    assert r4.errors(bodies) == []


@pytest.mark.parametrize(
    ("archives", "public", "said", "known"),
    [
        ({"pacs": WADO}, "https://node.example", "", WADO),
        ({"pacs": WADO}, "https://node.example", "https://viewer.example/wado", "https://viewer.example/wado"),
        ({"pacs": "http://127.0.0.1:8042/dicom-web"}, "", "", "http://127.0.0.1:8042/dicom-web"),
        ({"pacs": "http://127.0.0.1:8042/dicom-web"}, "https://node.example", "", None),
        ({"pacs": "http://orthanc:8042/dicom-web"}, "https://node.example", "", None),
        ({"pacs": WADO, "second": "https://two.example/dicom-web"}, "https://node.example", "", None),
        ({}, "", "", None),
    ],
    ids=[
        "the archive",
        "as it is set",
        "all on one machine",
        "this machine's own",
        "no dot",
        "two archives",
        "no archive",
    ],
)
def test_the_address_is_that_of_the_archive_or_none(
    archives: dict[str, str], public: str, said: str, known: str | None
) -> None:
    settings = replace(
        Settings(),
        web=Web(public_url=public),
        fhir=Fhir(wado_url=said),
        archive=tuple(Archive(name=name, dicomweb=url) for name, url in archives.items()),
        destination=tuple(Destination(name=f"to-{name}", kind="stow", archive=name) for name in archives),
    )
    assert wado_url(settings) == known
