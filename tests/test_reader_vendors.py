"""Reports of other vendors: all 44 files that were shown at IHE are read, and nothing in them is lost."""

import itertools
import random
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset

from ainode_dicom_sr import reader_concepts
from ainode_dicom_sr.reader import read, read_file
from ainode_dicom_sr.reader_concepts import key
from ainode_dicom_sr.reader_model import (
    Evaluation,
    Group,
    Measurement,
    ReadAlgorithm,
    ReadImage,
    ReadReport,
    ReadSegmentation,
)
from ainode_dicom_sr.reader_tree import read_tree
from ainode_models.errors import InstanceError
from ainode_models.findings import Code
from peers.content_items import coded, content_below, content_item, report_of
from peers.shared_data import shared_data
from sr_reader_table import PAGE, files_in, made, written

FINDING, FINDING_SITE, GROUP = coded("121071"), coded("363698007", "SCT"), coded("125007")


@pytest.fixture(scope="module")
def folder() -> Path:
    return shared_data("ihe-air-results")


def report(path: Path) -> ReadReport:
    reading = read_file(path)
    assert isinstance(reading, ReadReport)
    return reading


def test_the_page_says_of_each_of_the_44_files_what_is_understood(folder: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, made(folder)) == page, "make it again with benchmarks/sr_reader_table.py"
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.count("|") == 14]
    assert len(rows) == 2 + len(files_in(folder)) == 46


def items(group: Group) -> Iterator[Measurement | Evaluation]:
    for measurement in group.measurements:
        yield from _below(measurement)
    for evaluation in group.evaluations:
        yield from _below(evaluation)
    for site in group.sites:
        for modifier in site.modifiers:
            yield from _below(modifier)
    for region in chain(group.regions, *(each.regions for each in group.measurements)):
        for modifier in region.modifiers:
            yield from _below(modifier)


def _below(each: Measurement | Evaluation) -> Iterator[Measurement | Evaluation]:
    yield each
    for modifier in each.modifiers:
        yield from _below(modifier)
    for measurement in each.related if isinstance(each, Measurement) else ():
        yield from _below(measurement)


def _outside_library(ds: Dataset) -> list[Dataset]:
    library = [item for item in content_below(ds) if _name(item) == "111028"]
    inside = {id(item) for each in library for item in content_below(each)}
    return [item for item in content_below(ds) if id(item) not in inside]


def _name(item: Dataset) -> str | None:
    names = item.get("ConceptNameCodeSequence")
    return names[0].get("CodeValue") if names else None


def test_no_number_region_reference_or_tracking_uid_of_a_vendor_is_lost(folder: Path) -> None:
    read_items = 0
    for path in files_in(folder):
        with disable_value_validation():
            ds = dcmread(path)
            raw = _outside_library(ds)
        if "ContentSequence" not in ds:
            continue
        reading = report(path)
        groups = (reading.general, *reading.groups)
        numbers = [each for group in groups for each in items(group) if isinstance(each.value, float)]
        assert len(numbers) == sum(item.ValueType == "NUM" for item in raw), path.name
        regions = [
            region
            for group in groups
            for region in chain(group.regions, *(each.regions for each in group.measurements))
        ]
        assert len(regions) == sum(item.ValueType.startswith("SCOORD") for item in raw), path.name
        references = [
            *chain.from_iterable(region.images for region in regions),
            *chain.from_iterable(group.references for group in groups),
            *chain.from_iterable(each.references for group in groups for each in group.measurements),
        ]
        assert len(references) == sum(item.ValueType in ("IMAGE", "COMPOSITE") for item in raw), path.name
        tracked = {group.tracking_uid for group in groups}
        tracked |= {each.tracking_uid for group in groups for each in group.measurements}
        assert tracked - {None} == {item.UID for item in raw if _name(item) == "112040"}, path.name
        assert len(reading.groups) >= sum(_name(item) == "125007" for item in raw)
        read_items += len(raw)
    assert read_items > 1500


def test_the_samples_of_the_committee_are_understood_wholly(folder: Path) -> None:
    samples = {path.stem: report(path) for path in files_in(folder) if path.parent.name == "IHE_RAD_Tech_samples"}
    assert not any(sample.notes for sample in samples.values())
    (pneumonia,) = samples["ex322"].groups
    assert pneumonia.absent == (Code("23360400", "SCT", "Pneumonia"),)
    (site,) = pneumonia.sites
    assert (site.code, site.laterality) == (Code("39607008", "SCT", "Lung"), Code("51440002", "SCT", "Bilateral"))
    (embolism,) = samples["ex2"].groups
    assert embolism.finding == Code("55584005", "SCT", "Embolism")
    assert embolism.observation_uid
    assert [item.purpose.meaning for item in embolism.explanations if item.purpose] == ["Visual Explanation"]
    root, saliency = samples["ex321"].general, samples["ex321"].groups[0]
    assert (root.label, saliency.label) == ("Pneumonia Result", "Saliency Map")
    assert [group.path for group in samples["ex321"].groups] == ["1.9", "1.9.3"]
    assert samples["ex321"].observers[0].model == "PneumoScan CT"


def test_what_a_vendor_says_in_its_own_way_is_read(folder: Path) -> None:
    by_name = {path.parent.name: path for path in files_in(folder)}
    lesion = report(by_name["Prostate_MR"]).groups[1]
    (diameter,) = lesion.measurements
    assert (lesion.tracking_id, diameter.value, diameter.unit) == ("Lesion 1", 1.46, Code("cm", "UCUM", "Centimeter"))
    assert diameter.regions[0].graphic_type == "POLYLINE"
    assert len(diameter.regions[0].points) == 2
    morphometry = report(by_name["MR_Brain_Triage"])
    assert morphometry.summaries[0].value == "111242"
    assert morphometry.algorithms == (ReadAlgorithm("Morphometry", "36.1"), ReadAlgorithm("WMH", "4.1.6"))
    volume = morphometry.groups[1].measurements[0]
    assert [each.value for each in volume.related] == [88.0]
    fracture = report(by_name["Location-and-QualFindings-preparatory"]).groups[0]
    assert fracture.finding == Code("125605004", "SCT", "Fracture")
    assert [each.value.meaning for each in fracture.evaluations if isinstance(each.value, Code)] == ["Yes", "Outline"]
    knee = report(by_name["Incepto-sample-2"]).groups[4]
    assert [site.code.meaning.rpartition(" of ")[2] for site in knee.sites if site.code] == [
        "lateral femoral condyle",
        "lateral tibial condyle",
    ]


def test_a_segmentation_says_what_its_segments_are(folder: Path) -> None:
    (path,) = (path for path in files_in(folder) if path.name.startswith("SEG_"))
    seg = read_file(path)
    assert isinstance(seg, ReadSegmentation)
    assert (seg.segmentation_type, seg.frames) == ("BINARY", 53)
    assert [(each.number, each.label, each.algorithm_type) for each in seg.segments] == [
        (1, "Kidney", "AUTOMATIC"),
        (2, "Tumor", "AUTOMATIC"),
    ]
    assert seg.segments[0].algorithm
    assert seg.segments[0].algorithm.version == "0.5.2"
    image = read_file(next(path for path in files_in(folder) if path.name == "slice_161.dcm"))
    assert isinstance(image, ReadImage)
    assert (image.kind, image.rows) == ("Secondary Capture Image Storage", 736)


def test_what_is_not_understood_is_noted_by_its_place_and_never_by_its_value() -> None:
    name = "Example^Anna"
    odd = [
        content_item("PNAME", coded("121029", meaning="Subject Name"), PersonName=name),
        content_item(None, coded("1", "99X"), TextValue=name),
        content_item("TABLE", coded("2", "99X")),
        content_item(
            "NUM", coded("3", "99X"), content_item("CONTAINER", None, content_item("TEXT", None, TextValue=name))
        ),
        content_item("TEXT", coded("4", "99X")),
        content_item("CODE", FINDING_SITE, ConceptCodeSequence=[]),
        content_item("SCOORD", None, GraphicType="POINT", GraphicData=[1.0, 2.0, 3.0]),
        content_item(None, None, ReferencedContentItemIdentifier=[1, 2]),
    ]
    reading = read(report_of(content_item("CONTAINER", GROUP, *odd)))
    assert isinstance(reading, ReadReport)
    assert {note.path: note.reason for note in reading.notes} == {
        "1.1.1": "about who was observed: left out",
        "1.1.2": "it has no value type",
        "1.1.3": "its value type is not known",
        "1.1.4": "it has no value that can be read",
        "1.1.4.1": "nothing is known of an item in this place",
        "1.1.4.1.1": "nothing is known of an item in this place",
        "1.1.5": "it has no value that can be read",
        "1.1.6": "it has no value that can be read",
        "1.1.7": "it has no value that can be read",
        "1.1.8": "it refers to another item of the tree, which is not followed",
    }
    assert name not in repr(reading)


NAMES = [value for name, value in vars(reader_concepts).items() if name.isupper() and isinstance(value, str)]
NAMES += ["125007", "126010", "111064", "121012", "121014", "113011", "121401", "1"]
TYPES = ["CODE", "CONTAINER", "IMAGE", "NUM", "SCOORD", "TEXT", "UIDREF", "COMPOSITE", "PNAME"]


def _any_item(chance: random.Random, levels: int, marks: Iterator[int]) -> Dataset:
    """An item of any value type under any name, marked by its value, with whatever below it."""
    mark, value_type = next(marks), chance.choice(TYPES)
    measured, reference = Dataset(), Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = str(mark), [coded("1", "UCUM")]
    reference.ReferencedSOPClassUID = reference.ReferencedSOPInstanceUID = f"2.25.{mark}"
    below = [_any_item(chance, levels - 1, marks) for _ in range(chance.randrange(3))] if levels else []
    scheme = chance.choice(["DCM", "SCT", "99X"])
    return content_item(
        value_type,
        chance.choice([None, coded(chance.choice(NAMES), scheme)]),
        *below,
        ConceptCodeSequence=[coded(str(mark))],
        MeasuredValueSequence=[measured],
        ReferencedSOPSequence=[reference],
        GraphicType="POINT",
        GraphicData=[float(mark), 0.0],
        TextValue=str(mark),
        UID=f"2.25.{mark}",
        PersonName=str(mark),
    )


def test_every_item_of_any_tree_is_read_or_noted() -> None:
    for seed in range(60):
        chance, marks = random.Random(seed), itertools.count(10_000_000)
        ds = report_of(*(_any_item(chance, 4, marks) for _ in range(5)))
        reading = read(ds)
        assert isinstance(reading, ReadReport)
        noted, said, every = {note.path for note in reading.notes}, repr(reading), list(read_tree(ds).walk())
        containers = [item for item in every if item.value_type == "CONTAINER"]
        libraries = [f"{item.path}." for item in containers if key(item.name) == reader_concepts.IMAGE_LIBRARY]
        for item in every:
            if item.value is not None and item.path not in noted and not item.path.startswith(tuple(libraries)):
                mark = re.findall(r"1\d{7}", repr(item.value))[0]
                assert mark in said, (seed, item)


def test_a_concept_counts_whichever_of_its_codes_a_report_has() -> None:
    side = content_item("CODE", coded("G-C171", "SRT"), ConceptCodeSequence=[coded("G-A100", "SRT", "Right")])
    sites = [
        content_item("CODE", name, side, ConceptCodeSequence=[coded("T-28000", "SRT", "Lung")])
        for name in (coded("G-C0E3", "SRT"), coded("363698007", "DCM"), FINDING_SITE)
    ]
    found = content_item("CODE", FINDING, *sites, ConceptCodeSequence=[coded("M-1", "99X", "Thing")])
    reading = read(report_of(content_item("CONTAINER", coded("9", "99X"), found)))
    assert isinstance(reading, ReadReport)
    (group,) = reading.groups
    assert [site.laterality.meaning for site in group.sites if site.laterality] == ["Right"] * 3
    assert [note.path for note in reading.notes] == ["1.1", "1.1.1.2"]


def test_a_report_without_anything_is_read_and_an_object_without_a_class_is_refused() -> None:
    empty = Dataset()
    empty.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    reading = read(empty)
    assert isinstance(reading, ReadReport)
    assert [note.reason for note in reading.notes] == ["it has no value type", "it has no content"]
    with pytest.raises(InstanceError, match="names no SOP Class"):
        read(Dataset())
    with pytest.raises(InstanceError, match="is not DICOM"):
        read_file(b"\0" * 200)
