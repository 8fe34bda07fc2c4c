"""QIDO-RS: the same matches as Orthanc gives, page by page, without reading the headers of all that is held."""

from collections.abc import Iterator
from pathlib import Path

import pydicom.config
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.datadict import keyword_for_tag

from ainode.dicomweb import describer, search
from ainode.dicomweb.file_header import file_header
from ainode_orthanc.dicomweb import DicomWebClient
from peers.dicomweb_node import DicomWebNode, dicomweb_node
from peers.orthanc import OrthancServer
from peers.postgres import PostgresServer
from peers.shared_data import shared_data
from peers.tiny_series import write_series

OURS = {"RetrieveURL", "SpecificCharacterSet", "InstanceAvailability"}
"""Attributes that differ between servers by design."""


@pytest.fixture(autouse=True, scope="module")
def as_served() -> Iterator[None]:
    """pydicom as ``ainode serve`` sets it up: odd values are taken without a word."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
        yield


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Studies of several modalities by several makers."""
    chosen = sorted(shared_data("mr-head").rglob("*.dcm"))[:3] + sorted(shared_data("ct-chest").glob("*.dcm"))[:3]
    enhanced = sorted(shared_data("enhanced-mr").glob("6_*.dcm"))
    return [*chosen, *enhanced, *write_series(tmp_path_factory.mktemp("tiny"), images=2)]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, mixed: list[Path]) -> Iterator[DicomWebNode]:
    with dicomweb_node(tmp_path_factory.mktemp("node")) as node:
        node.store(*mixed)
        yield node


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, mixed: list[Path]) -> Iterator[OrthancServer]:
    with OrthancServer(tmp_path_factory.mktemp("orthanc") / "o") as orthanc:
        for path in mixed:
            orthanc.upload(path)
        yield orthanc


def values(match: dict[str, dict[str, object]]) -> dict[str, object]:
    """Values by keyword, without empty ones and those that differ by design."""
    named = {keyword_for_tag(int(tag, 16)): element.get("Value") for tag, element in match.items()}
    return {name: value for name, value in named.items() if value and name not in OURS}


def both(
    node: DicomWebNode, orthanc: OrthancServer, path: str, key: str
) -> tuple[dict[str, object], dict[str, object]]:
    """Matches of one search by their UID, here and there."""
    with DicomWebClient(orthanc.dicomweb_url) as client:
        answer = client._http.get(orthanc.dicomweb_url + path, headers={"accept": "application/dicom+json"})
    theirs = [values(match) for match in answer.json()]
    ours = [values(match) for match in node.search(path)]
    return {str(match[key]): match for match in ours}, {str(match[key]): match for match in theirs}


REQUIRED = {
    "StudyInstanceUID": (
        *("StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName", "PatientName"),
        *("PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID"),
        *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
    ),
    "SeriesInstanceUID": (
        *("Modality", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "NumberOfSeriesRelatedInstances"),
        *("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
    ),
    "SOPInstanceUID": ("SOPClassUID", "SOPInstanceUID", "InstanceNumber", "Rows", "Columns", "BitsAllocated"),
}


@pytest.mark.parametrize(
    ("path", "key"),
    [("/studies", "StudyInstanceUID"), ("/series", "SeriesInstanceUID"), ("/instances", "SOPInstanceUID")],
)
def test_matches_have_the_required_attributes_as_orthanc_has_them(
    node: DicomWebNode, orthanc: OrthancServer, path: str, key: str
) -> None:
    ours, theirs = both(node, orthanc, path, key)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 3
    for uid, match in ours.items():
        assert isinstance(match, dict)
        other = theirs[uid]
        assert isinstance(other, dict)
        assert {name: match.get(name) for name in REQUIRED[key]} == {name: other.get(name) for name in REQUIRED[key]}


@pytest.mark.parametrize(
    "query",
    [
        "PatientID=tiny-1",
        "PatientID=tiny*",
        "00100020=t?ny-1",
        "PatientName=phantom^tiny",
        "PatientName=PHAN*",
        "PatientName=*tiny",
        "StudyDate=20260102",
        "StudyDate=20260101-20260131",
        "StudyDate=-20201231",
        "StudyDate=20200101-",
        "StudyTime=030405",
        "StudyTime=030000-040000",
        "ModalitiesInStudy=MR",
        "ModalitiesInStudy=C*",
        "AccessionNumber=nothing",
        "StudyID=*",
        "StudyInstanceUID=1.2.3",
    ],
)
def test_studies_match_as_in_orthanc(node: DicomWebNode, orthanc: OrthancServer, query: str) -> None:
    ours, theirs = both(node, orthanc, f"/studies?{query}", "StudyInstanceUID")
    assert ours.keys() == theirs.keys()


def test_only_names_match_in_any_case(node: DicomWebNode) -> None:
    """PS3.4 C.2.2.2.1; Orthanc takes any case for all."""
    assert node.search("/studies?PatientID=TINY*") == []
    assert len(node.search("/studies?PatientName=pHANTOM*")) == 1


def test_searches_below_a_study_find_what_is_in_it(node: DicomWebNode, mixed: list[Path]) -> None:
    ds = dcmread(mixed[0])
    study, series = ds.StudyInstanceUID, ds.SeriesInstanceUID
    images = {str(dcmread(path).SOPInstanceUID) for path in mixed if dcmread(path).SeriesInstanceUID == series}
    found = node.search(f"/studies/{study}/series/{series}/instances")
    assert {match["00080018"]["Value"][0] for match in found} == images  # type: ignore[index]
    number = f"/studies/{study}/instances?InstanceNumber={ds.InstanceNumber}"
    assert [values(match)["SOPInstanceUID"] for match in node.search(number)] == [[ds.SOPInstanceUID]]
    assert values(node.search(f"/studies/{study}/series?Modality=MR")[0])["SeriesInstanceUID"] == [series]
    assert node.search(f"/studies/{study}/series?Modality=CT") == []
    assert node.search(f"/instances?SOPInstanceUID={ds.SOPInstanceUID}&SOPClassUID=1.2.3") == []


def test_include_field_brings_what_the_header_has(node: DicomWebNode, mixed: list[Path]) -> None:
    ds = dcmread(mixed[0])
    plain = node.search(f"/studies?StudyInstanceUID={ds.StudyInstanceUID}")[0]
    asked = node.search(f"/studies?StudyInstanceUID={ds.StudyInstanceUID}&includefield=StudyDescription,00101030")[0]
    assert values(asked).keys() - values(plain).keys() == {"StudyDescription", "PatientWeight"} & set(ds.dir())
    everything = node.search(f"/instances?SOPInstanceUID={ds.SOPInstanceUID}&includefield=all")[0]
    assert values(everything)["PixelSpacing"] == [float(step) for step in ds.PixelSpacing]
    assert "7FE00010" not in everything
    one = node.search(f"/studies/{ds.StudyInstanceUID}/instances?includefield=SliceThickness")[0]
    assert values(one)["SliceThickness"] == [float(ds.SliceThickness)]


def test_pages_say_how_many_are_left_and_join_without_a_gap(node: DicomWebNode) -> None:
    every = [values(match)["SOPInstanceUID"] for match in node.search("/instances")]
    first = node.get("/instances?limit=4")
    assert f'"There are {len(every) - 4} additional results' in first.headers["warning"]
    assert first.headers["warning"].startswith("299 ")
    pages = [node.search(f"/instances?limit=4&offset={start}") for start in range(0, len(every), 4)]
    assert [values(match)["SOPInstanceUID"] for page in pages for match in page] == every
    beyond = node.get(f"/instances?offset={len(every)}")
    assert (beyond.status_code, beyond.content) == (204, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies?PatientID=nobody", 204),
        ("/studies?limit=-1", 400),
        ("/studies?StudyDate=yesterday", 400),
        ("/studies?PatientWeight=70", 400),
        ("/series?InstanceNumber=1", 400),
        ("/studies?PatientName=*a*b*c*d*e*", 400),
        ("/studies/..%2f..%2fetc", 404),
        ("/studies/1.02/series", 400),
        ("/nothing", 404),
    ],
)
def test_what_cannot_be_searched_is_refused_with_its_status(node: DicomWebNode, path: str, status: int) -> None:
    assert node.get(path).status_code == status


def test_xml_is_refused_and_fuzzy_matching_warned_of(node: DicomWebNode) -> None:
    assert node.get("/studies", accept='multipart/related; type="application/dicom+xml"').status_code == 406
    assert "Only literal matching" in node.get("/studies?fuzzymatching=true&PatientID=tiny-1").headers["warning"]


def test_dicomweb_client_and_ours_find_all(node: DicomWebNode, mixed: list[Path]) -> None:
    images = {str(dcmread(path).SOPInstanceUID) for path in mixed}
    client = DICOMwebClient(node.url)
    assert {match["00080018"]["Value"][0] for match in client.search_for_instances()} == images
    assert len(client.search_for_studies(search_filters={"PatientID": "tiny-1"}, fields=["StudyDescription"])) == 1
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    with DicomWebClient(node.url, page=2) as ours:
        studies = [str(study.StudyInstanceUID) for study in ours.search_studies()]
        found = [str(item.SOPInstanceUID) for study in studies for item in ours.search_instances(study)]
    assert sorted(found) == sorted(images)


def test_of_many_instances_only_one_header_a_series_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = file_header

    def counted(path: Path) -> object:
        read.append(path)
        return original(path)

    monkeypatch.setattr(describer, "file_header", counted)
    monkeypatch.setattr(search, "file_header", counted)
    with dicomweb_node(tmp_path / "node") as node:
        node.store(*write_series(tmp_path / "a", images=30), *write_series(tmp_path / "b", images=30, seed="2"))
        assert len(node.search("/studies?PatientID=tiny-2")) == 1
        assert len(node.search("/series")) == 2
        assert len(read) == 2
        assert len(node.search("/instances?limit=5")) == 5
        assert len(read) == 2 + 5
        node.store(*write_series(tmp_path / "c", images=3, seed="3"))
        assert values(node.search("/studies?PatientID=tiny-3")[0])["NumberOfStudyRelatedInstances"] == [3]
        assert len(read) == 2 + 5 + 1


def test_a_corrected_study_is_found_by_what_it_says_now(tmp_path: Path) -> None:
    """Both series are sent again under their UIDs, for a patient whose name was wrong."""
    first = write_series(tmp_path / "a", images=2)
    study = str(dcmread(first[0]).StudyInstanceUID)
    second = write_series(tmp_path / "b", images=1, seed="2", study_uid=study)
    with dicomweb_node(tmp_path / "node") as node:
        node.store(*first, *second)
        assert len(node.search("/studies?PatientName=Phantom*")) == 1
        for path in (*first, *second):
            ds = dcmread(path)
            ds.PatientName = "Right^Name"
            ds.save_as(path)
            node.store(path)
            node.search("/studies")
        (found,) = node.search("/studies?PatientName=Right^Name")
        assert (values(found)["NumberOfStudyRelatedInstances"], values(found)["StudyInstanceUID"]) == ([3], [study])
        assert node.search("/studies?PatientName=Phantom*") == []
        with DicomWebClient(node.url) as client:
            sent = {b"".join(part) for part in client._retrieve(f"/studies/{study}")}
        assert sent == {path.read_bytes() for path in (*first, *second)}


def test_postgresql_matches_alike(tmp_path: Path) -> None:
    with PostgresServer() as server, dicomweb_node(tmp_path / "node", database=server.database("qido")) as node:
        node.store(*write_series(tmp_path / "in", images=2))
        for query in ("PatientID=t?ny*", "PatientName=PHANTOM^T*", "StudyDate=2025-2027", "ModalitiesInStudy=CT"):
            assert len(node.search(f"/studies?{query.replace('2025-2027', '20250101-20270101')}")) == 1
        assert node.search("/studies?PatientID=T*") == []
        assert len(node.search("/instances")) == 2
        assert len(node.search("/series?SeriesNumber=1")) == 1
