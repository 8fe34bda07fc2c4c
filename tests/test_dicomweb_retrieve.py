"""WADO-RS: what comes back is what was stored, whole, as metadata, or frame by frame."""

from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pydicom.config
import pytest
from dicomweb_client import DICOMwebClient
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import pack_bits
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

from ainode.receive.header import Header, read_header
from ainode_models.errors import InstanceError
from ainode_orthanc.dicomweb import DicomWebClient
from ainode_orthanc.multipart import FileParts, boundary_of, read_parts
from peers.dicomweb_node import DicomWebNode, dicomweb_node
from peers.orthanc import OrthancServer
from peers.shared_data import shared_data
from peers.tiny_series import write_series

ANY_FRAMES = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
DICOM = 'multipart/related; type="application/dicom"'


@pytest.fixture(autouse=True, scope="module")
def as_served() -> Iterator[None]:
    """pydicom as ``ainode serve`` sets it up: odd values are taken without a word."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
        yield


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DicomWebNode]:
    with dicomweb_node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture(scope="module")
def files(node: DicomWebNode, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Header]:
    """Every file of the shared transfer syntaxes that is whole, each as an instance of its own, stored."""
    found: dict[Path, Header] = {}
    folder = tmp_path_factory.mktemp("own")
    for path in sorted(shared_data("transfer-syntaxes").glob("*.dcm")):
        with suppress(InstanceError, InvalidDicomError, UserWarning):  # of files that are cut short
            ds = dcmread(path)
            for name in ("StudyInstanceUID", "SeriesInstanceUID"):
                ds.setdefault(name, generate_uid(entropy_srcs=[path.name, name]))
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
            ds.save_as(folder / path.name)
            found[folder / path.name] = read_header(folder / path.name)
    node.store(*found)
    return found


def where(header: Header) -> str:
    return f"/studies/{header.study_uid}/series/{header.series_uid}/instances/{header.sop_instance_uid}"


def parts(answer: httpx.Response) -> list[tuple[str, bytes]]:
    assert answer.status_code == 200, answer.text
    read = read_parts([answer.content], boundary_of(answer.headers["content-type"]))
    return [(part.headers["content-type"], b"".join(part)) for part in read]


def test_each_frame_comes_as_it_is_stored(node: DicomWebNode, files: dict[Path, Header]) -> None:
    kinds = set()
    for path, header in files.items():
        ds = dcmread(path)
        count = int(ds.get("NumberOfFrames") or 1)
        numbers = ",".join(str(number) for number in range(1, count + 1))
        found = parts(node.get(f"{where(header)}/frames/{numbers}", accept=ANY_FRAMES))
        syntax = ds.file_meta.TransferSyntaxUID
        if syntax.is_encapsulated:
            assert [body for _, body in found] == list(generate_frames(ds.PixelData, number_of_frames=count)), path.name
        else:
            assert [body for _, body in found] == native_frames(ds), path.name
            syntax = ExplicitVRLittleEndian
        assert {kind.partition("; transfer-syntax=")[2] for kind, _ in found} == {str(syntax)}
        kinds |= {kind.partition(";")[0] for kind, _ in found}
    assert kinds == {
        *("application/octet-stream", "image/jpeg", "image/jls", "image/jp2", "image/jphc", "image/dicom-rle")
    }


def native_frames(ds: Dataset) -> list[bytes]:
    """Frames in little endian, each beginning at a byte, without the padding of the last."""
    count = int(ds.get("NumberOfFrames") or 1)
    if ds.BitsAllocated == 1:
        return [pack_bits(frame, pad=False) for frame in ds.pixel_array]
    width = ds.BitsAllocated // 8
    order = ">" if ds.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
    stored = ds.get("PixelData") or ds.get("FloatPixelData") or ds.get("DoubleFloatPixelData")
    pixels = np.frombuffer(stored, f"{order}u{width}").astype(f"<u{width}").tobytes()
    size = len(pixels) // count
    return [pixels[start : start + size] for start in range(0, size * count, size)]


def test_metadata_are_the_header_with_the_address_of_the_rest(node: DicomWebNode, files: dict[Path, Header]) -> None:
    for path, header in files.items():
        answer = node.get(f"{where(header)}/metadata", accept="application/dicom+json")
        (found,) = answer.json()
        (tag,) = [tag for tag in ("7FE00008", "7FE00009", "7FE00010") if tag in found]
        assert found.pop(tag)["BulkDataURI"] == f"{node.url}{where(header)}/bulkdata/{tag}", path.name
        bulk = {tag: found.pop(tag)["BulkDataURI"] for tag in list(found) if "BulkDataURI" in found[tag]}
        ds = dcmread(path)
        for tag, address in bulk.items():
            got = parts(node.http.get(address, headers={"accept": ANY_FRAMES}))
            assert got == [("application/octet-stream", ds[int(tag, 16)].value)]
            del ds[int(tag, 16)]
        back = Dataset.from_json(found)
        expected = [element.tag for element in ds if element.tag < 0x7FE00008]
        assert [element.tag for element in back] == expected, path.name
        if "PatientName" in ds:
            assert str(back.PatientName) == str(ds.PatientName)
        assert back.get("SpecificCharacterSet") in (None, "ISO_IR 192")


def test_bulk_data_of_the_pixels_are_its_frames(node: DicomWebNode, files: dict[Path, Header]) -> None:
    (path,) = [path for path in files if path.name == "OBXXXX1A_rle_2frame.dcm"]
    frames = parts(node.get(f"{where(files[path])}/frames/1,2", accept=ANY_FRAMES))
    assert parts(node.get(f"{where(files[path])}/bulkdata/7fe00010", accept=ANY_FRAMES)) == frames


def test_a_study_comes_whole_to_dicomweb_client_and_to_orthanc_alike(tmp_path: Path, node: DicomWebNode) -> None:
    paths = sorted(shared_data("mr-head").rglob("*.dcm"))[:5]
    node.store(*paths)
    sent = {str(dcmread(path).SOPInstanceUID): dcmread(path) for path in paths}
    study = str(dcmread(paths[0]).StudyInstanceUID)
    client = DICOMwebClient(node.url)
    assert {str(ds.SOPInstanceUID): ds for ds in client.retrieve_study(study)} == sent
    with OrthancServer(tmp_path / "o") as orthanc:
        for path in paths:
            orthanc.upload(path)
        theirs = DICOMwebClient(orthanc.dicomweb_url).retrieve_study_metadata(study)
        ours = client.retrieve_study_metadata(study)
        assert len(ours) == len(paths)
        assert metadata(ours) == metadata(theirs)


def metadata(found: list[dict[str, dict[str, object]]]) -> dict[object, dict[str, object]]:
    """Values of each instance by its UID, but for bulk data and what Orthanc writes otherwise."""
    left_out = {"00080005", "7FE00010", "00020010"}
    return {
        str(each["00080018"]["Value"]): {
            tag: element.get("Value") for tag, element in each.items() if tag not in left_out and element.get("Value")
        }
        for each in found
    }


def test_dicomweb_client_gets_the_frames_of_an_instance(node: DicomWebNode, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, images=1)
    node.store(path)
    ds = dcmread(path)
    (frame,) = DICOMwebClient(node.url).retrieve_instance_frames(
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID, frame_numbers=[1]
    )
    assert frame == ds.PixelData


def test_frames_of_single_bits_begin_at_a_byte(node: DicomWebNode, tmp_path: Path) -> None:
    """SEG of 5 x 5 pixels: the second frame begins inside a byte (PS3.5 8.1.1)."""
    (path,) = write_series(tmp_path, images=1, seed="bits")
    ds = dcmread(path)
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 5), dtype=np.uint8)
    ds.Rows = ds.Columns = 5
    ds.NumberOfFrames = 3
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    ds.PixelData = pack_bits(bits)
    ds.save_as(path)
    node.store(path)
    found = parts(node.get(f"{where(read_header(path))}/frames/3,1", accept=ANY_FRAMES))
    assert [body for _, body in found] == [pack_bits(bits[index], pad=False) for index in (2, 0)]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_frames_of_other_native_syntaxes_are_little_endian(node: DicomWebNode, tmp_path: Path, syntax: str) -> None:
    (path,) = write_series(tmp_path, images=1, seed=syntax)
    ds = dcmread(path)
    pixels = ds.PixelData
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = np.frombuffer(pixels, "<u2").astype(">u2").tobytes()
    dcmwrite(path, ds)
    node.store(path)
    header = read_header(path)
    assert parts(node.get(f"{where(header)}/frames/1", accept=ANY_FRAMES)) == [
        (f"application/octet-stream; transfer-syntax={ExplicitVRLittleEndian}", pixels)
    ]
    (found,) = node.get(f"{where(header)}/metadata").json()
    assert found["00280010"]["Value"] == [16]
    assert "BulkDataURI" in found["7FE00010"]


def test_one_instance_can_be_asked_for_as_a_plain_file(node: DicomWebNode, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, images=1, seed="plain")
    node.store(path)
    answer = node.get(where(read_header(path)), accept="application/dicom")
    assert (answer.headers["content-type"], answer.content) == ("application/dicom", path.read_bytes())
    assert dcmread(BytesIO(answer.content)) == dcmread(path)


def test_what_cannot_be_given_has_its_status(node: DicomWebNode, files: dict[Path, Header]) -> None:
    (path,) = [path for path in files if path.name == "OBXXXX1A_rle_2frame.dcm"]
    one = where(files[path])
    rle, plain = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.1"
    expected = {
        (one, f"{DICOM}; transfer-syntax={rle}"): 200,
        (one, f"{DICOM}; transfer-syntax={plain}, {DICOM}; transfer-syntax=*"): 200,
        (one, f"{DICOM}; transfer-syntax={plain}"): 406,
        (one, "image/png"): 406,
        (f"{one}/frames/1", "multipart/related; type=image/dicom-rle"): 200,
        (f"{one}/frames/1", 'multipart/related; type="application/octet-stream"'): 406,
        (f"{one}/frames/1", "multipart/related; type=image/jpeg"): 406,
        (f"{one}/frames/3", ANY_FRAMES): 404,
        (f"{one}/frames/0", ANY_FRAMES): 404,
        (f"{one}/frames/one", ANY_FRAMES): 400,
        (f"{one}/metadata", "application/dicom+xml"): 406,
        (f"{one}/bulkdata/00100010", ANY_FRAMES): 404,
        (f"{one}/rendered", "*/*"): 404,
        ("/studies/1.2.3", "*/*"): 404,
        ("/studies/1.2.3/metadata", "*/*"): 404,
    }
    assert {asked: node.get(asked[0], accept=asked[1]).status_code for asked in expected} == expected
    said = node.get(one, accept=f"{DICOM}; transfer-syntax={plain}").text
    assert rle in said
    assert "transfer-syntax=*" in said


def test_a_file_that_is_gone_from_the_disk_is_an_error_and_no_empty_study(node: DicomWebNode, tmp_path: Path) -> None:
    paths = write_series(tmp_path, images=2, seed="gone")
    before = set(node.files())
    node.store(*paths)
    (set(node.files()) - before).pop().unlink()
    assert node.get(f"/studies/{read_header(paths[0]).study_uid}").status_code == 500
    with DicomWebClient(node.url) as client:
        assert len(list(client.search_instances(read_header(paths[0]).study_uid))) == 2


def test_long_values_before_the_pixels_are_sent_only_when_asked_for(node: DicomWebNode, tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, images=1, seed="long")
    ds = dcmread(path)
    ds.add_new(0x00091001, "OB", bytes(range(256)) * 40_000)
    ds.add_new(0x00091002, "OB", bytes(range(256)) * 8)
    ds.add_new(0x00091003, "OB", bytes(range(100)))
    ds.save_as(path)
    node.store(path)
    header = read_header(path)
    (found,) = node.get(f"{where(header)}/metadata").json()
    assert "BulkDataURI" in found["00091001"]
    assert "BulkDataURI" in found["00091002"]
    assert "InlineBinary" in found["00091003"]
    ((_, body),) = parts(node.get(f"{where(header)}/bulkdata/00091001"))
    assert body == ds[0x00091001].value
    assert node.get(f"{where(header)}/frames/1", accept=ANY_FRAMES).content.count(ds.PixelData) == 1
    everything = node.search(f"/instances?SOPInstanceUID={header.sop_instance_uid}&includefield=all")[0]
    assert "00091001" not in everything


def test_a_header_nested_too_deep_is_refused_when_it_is_stored(node: DicomWebNode, tmp_path: Path) -> None:
    """pydicom, which makes the metadata, could not follow it."""
    (path,) = write_series(tmp_path, images=1, seed="deep")
    inner = b""
    for _ in range(3000):
        item = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
        inner = b"\x08\x00\x40\x11SQ\0\0" + len(item).to_bytes(4, "little") + item
    raw = path.read_bytes()
    at = raw.index(b"\x08\x00\x60\x00CS") + 10
    path.write_bytes(raw[:at] + inner + raw[at:])
    before = node.files()
    body = FileParts((path,))
    assert node.http.post(f"{node.url}/studies", content=body, headers=body.headers).status_code == 409
    assert node.files() == before
