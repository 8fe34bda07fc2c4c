"""Broken reports: 500 of them, by their bytes and by their trees, end in a reading or in an error of ours."""

import copy
import random
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.reader import read, read_file
from ainode_dicom_sr.reader_findings import findings_in
from ainode_dicom_sr.reader_model import ReadObject, ReadReport
from ainode_dicom_sr.reader_table import notes, row
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.errors import InputError, InstanceError
from peers.classified import classified, radiograph_header
from peers.content_items import coded, content_below, content_item, report_of
from peers.dicom_sources import EQUIPMENT, SHAPE, failed, findings, label_map, series
from peers.mutations import Mutator

SOURCES = series(slices=8)
IMAGE = radiograph_header()
RUN = findings(label_map((8, *SHAPE[1:])))
OWN_SEG = segmentation(RUN, SOURCES, EQUIPMENT)
FILES = [
    encoded(measurement_report(RUN, SOURCES, EQUIPMENT, reference_sources=SOURCES, segmentations=[OWN_SEG])),
    encoded(measurement_report(classified(), [IMAGE], EQUIPMENT, reference_sources=[IMAGE])),
    encoded(measurement_report(failed(), SOURCES, EQUIPMENT)),
    encoded(OWN_SEG),
]
*REPORTS, SEG = (dcmread(BytesIO(file)) for file in FILES)
COUNT = 250
"""Of each kind of breakage."""


def outcome(action: Callable[[], object]) -> str:
    """How it ended; anything but an error of ours goes on to the test."""
    try:
        action()
    except InputError as error:
        assert "Anna" not in str(error)
        return type(error).__name__
    return "read"


def shown(reading: ReadObject) -> None:
    """A reading is whole: its row and notes can be made, and it can be compared."""
    assert all(isinstance(cell, str) for cell in (*row(reading), *notes(reading)))
    assert reading == reading  # noqa: PLR0124 - walks all of it
    assert not isinstance(reading, ReadReport) or not any("Anna" in note.reason for note in reading.notes)


def _shown_file(file: bytes) -> None:
    shown(read_file(file))


def _shown_tree(ds: Dataset) -> None:
    shown(read(ds))


def test_broken_bytes_are_read_or_refused() -> None:
    ends = []
    for seed in range(COUNT):
        chance = random.Random(seed)
        broken = Mutator(chance).bytes_of(chance.choice(FILES))
        ends.append(outcome(partial(_shown_file, broken)))
    assert ends.count("read") > COUNT / 3
    assert set(ends) == {"read", "InstanceError"}


def _datasets(ds: Dataset) -> list[Dataset]:
    """The data set and every item in it."""
    found = [ds]
    for one in found:
        found.extend(item for element in one if element.VR == "SQ" for item in element.value)
    return found


def _lost(chance: random.Random, ds: Dataset) -> None:
    del ds[chance.choice(list(ds.keys()))]


def _emptied(chance: random.Random, ds: Dataset) -> None:
    element = ds[chance.choice(list(ds.keys()))]
    element.value = [] if element.VR == "SQ" else None


def _wrong_vr(chance: random.Random, ds: Dataset) -> None:
    tag = chance.choice(list(ds.keys()))
    inner = Dataset()
    inner.PatientName = "Example^Anna"
    values: Sequence[tuple[str, object]] = (
        ("SQ", [inner]),
        ("OB", b"\xff\0\x01"),
        ("FD", float("nan")),
        ("US", [1, 2, 3]),
        ("UI", "not a uid"),
        ("DS", "1e400"),
        ("LO", ["Anna", "Anna"]),
        ("PN", "Example^Anna"),
        ("OW", b"Anna"),
        ("AT", 0x00100010),
    )
    vr, value = chance.choice(values)
    ds[tag] = DataElement(tag, vr, value)


def _retyped(chance: random.Random, ds: Dataset) -> None:
    kinds = ["CODE", "NUM", "TEXT", "IMAGE", "SCOORD", "SCOORD3D", "CONTAINER", "PNAME", "UIDREF", "TCOORD", "", "X"]
    ds["ValueType"] = DataElement("ValueType", "CS", chance.choice(kinds))


def _doubled(chance: random.Random, ds: Dataset) -> None:
    for element in ds:
        if element.VR == "SQ":
            element.value = [*element.value, *copy.deepcopy(list(element.value))]


def _below_itself(chance: random.Random, ds: Dataset) -> None:
    below = [copy.deepcopy(ds) for _ in range(chance.randrange(3))]
    ds["ContentSequence"] = DataElement("ContentSequence", "SQ", below)


def _exchanged(chance: random.Random, ds: Dataset) -> None:
    keywords = ["ConceptNameCodeSequence", "ConceptCodeSequence", "MeasuredValueSequence", "ReferencedSOPSequence"]
    value = chance.choice([[], [Dataset()], [coded("121071"), coded("2")], [ds]])
    keyword = chance.choice(keywords)
    ds[keyword] = DataElement(keyword, "SQ", value)


WAYS = (_lost, _emptied, _wrong_vr, _retyped, _doubled, _below_itself, _exchanged)


def _broken(chance: random.Random, whole: Dataset) -> Dataset:
    ds = copy.deepcopy(whole)
    every = _datasets(ds)
    content = list(content_below(ds))
    for _ in range(chance.choice([1, 1, 3, 9])):
        chosen = chance.choice(content if chance.random() < 0.5 and content else every)
        if len(chosen):
            chance.choice(WAYS)(chance, chosen)
    return ds


def test_broken_trees_are_read_and_made_findings_of_or_refused() -> None:
    ends = []
    for seed in range(COUNT):
        chance = random.Random(seed)
        with disable_value_validation():
            ds = _broken(chance, chance.choice(REPORTS))
        action = partial(findings_in, ds) if seed % 2 else partial(_shown_tree, ds)
        ends.append(outcome(action))
    assert set(ends) == {"read", "InputError"}


def test_broken_segmentations_give_voxels_or_an_error_of_ours() -> None:
    ends = set()
    for seed in range(30):
        chance = random.Random(seed)
        with disable_value_validation():
            ds = _broken(chance, SEG)
        ends.add(outcome(partial(findings_in, REPORTS[0], ds)))
    assert ends == {"read", "InputError"}


@pytest.mark.parametrize("levels", [60, 70, 400, 5000])
def test_a_tree_of_any_depth_is_cut_where_it_is_deeper_than_any_template(levels: int) -> None:
    ds = content_item("TEXT", coded("121106"), TextValue="the end")
    for _ in range(levels):
        ds = content_item("CONTAINER", coded("126010"), ds)
    reading = read(report_of(ds))
    assert isinstance(reading, ReadReport)
    assert reading.general.comments == (("the end",) if levels == 60 else ())
    assert [note.reason.partition(":")[0] for note in reading.notes] == ["what lies below is left out"] * (levels > 60)
    while below := ds.get("ContentSequence"):  # or Python's own stack ends when it is freed
        del ds.ContentSequence
        ds = below[0]


def test_a_file_nested_deeper_than_it_can_be_parsed_is_refused() -> None:
    item = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with pytest.raises(InstanceError, match="damaged"):
        read_file(FILES[2] + item * 5000)


def test_a_deflated_report_is_read_and_a_bomb_is_refused() -> None:
    ds = dcmread(BytesIO(FILES[0]))
    plain = read(ds)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    assert read_file(file.getvalue()) == plain
    ds.ContentSequence[-1].ContentSequence[-1].TextValue = "0" * (1 << 26)
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    with pytest.raises(InstanceError, match="longer than 64 MiB"):
        read_file(file.getvalue())
