"""What the page of AIR capabilities says of each shipped model is what the node writes for it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from types import MappingProxyType

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ParametricMapStorage

from ainode_conformance.check import report_violations, segmentation_violations
from ainode_conformance.violation import Severity
from ainode_dicom_sr.report import measurement_report
from ainode_models.package import ModelPackage
from peers.content_items import content_below
from peers.dicom_sources import EQUIPMENT, failed, findings, label_map, refused, series
from peers.documents import page, table
from peers.shipped_models import Written, absent, found, measured_only, shipped, undetermined

CAPABILITIES = "conformance/air-capabilities.md"
STATEMENT = "conformance/ihe-integration-statement.md"
PACKAGES = {package.manifest.name: package for package in shipped()}
CLASSIFIER, SEGMENTER = PACKAGES["chest-xray-demo"], PACKAGES["brain-tumour-demo"]
CLASSIFIERS = [name for name, package in PACKAGES.items() if package.manifest.classes]
SEGMENTERS = [name for name in PACKAGES if name not in CLASSIFIERS]


def code_of(ds: Dataset, keyword: str = "ConceptNameCodeSequence") -> str:
    code = ds[keyword].value[0]
    return f"({code.get('CodeValue') or code.LongCodeValue}, {code.CodingSchemeDesignator}, {code.CodeMeaning})"


def is_named(item: Dataset, *codes: str) -> bool:
    return item.ConceptNameCodeSequence[0].CodeValue in codes


def groups(written: Written) -> list[Dataset]:
    return [item for item in content_below(written.report) if is_named(item, "125007")]


def said(written: Written, *codes: str, value_type: str) -> list[Dataset]:
    """Items of the groups, by concept name, or of any name."""
    items = [item for group in groups(written) for item in group.ContentSequence if item.ValueType == value_type]
    return [item for item in items if not codes or is_named(item, *codes)]


def names_its_model(written: Written) -> bool:
    objects = [
        written.report,
        *written.pictures,
        *written.maps,
        *([written.segmentation] if written.segmentation else []),
    ]
    equipment = [ds.ContributingEquipmentSequence[0] for ds in objects]
    return {item.PurposeOfReferenceCodeSequence[0].CodeValue for item in equipment} == {"109102"} and len(
        {item.DeviceUID for item in equipment}
    ) == 1


def is_tracked(written: Written) -> bool:
    """Each group has identifier and UID; those of its segment are the same."""
    uids = {item.UID for item in said(written, "112040", value_type="UIDREF")}
    segments = {each.TrackingUID for each in written.segmentation.SegmentSequence} if written.segmentation else set()
    return len(uids) == len(said(written, "112039", value_type="TEXT")) == len(groups(written)) and segments <= uids


def refers_to(written: Written, sop_class: str) -> bool:
    references = [
        item.ReferencedSOPSequence[0] for item in content_below(written.report) if "ReferencedSOPSequence" in item
    ]
    return any(reference.ReferencedSOPClassUID == sop_class for reference in references)


PRIMITIVES: Mapping[str, Callable[[Written], bool]] = MappingProxyType(
    {
        "Identification of the algorithm": names_its_model,
        "Qualitative findings": lambda run: bool(
            said(run, "373573001", "373572006", "373068000", "52101004", "272519000", value_type="CODE")
        ),
        "Measurements": lambda run: bool(said(run, value_type="NUM")),
        "Coordinates of a measurement": lambda run: any(
            item.ValueType == "SCOORD3D" for number in said(run, value_type="NUM") for item in content_below(number)
        ),
        "Locations": lambda run: bool(said(run, value_type="SCOORD") or said(run, value_type="SCOORD3D")),
        "Regions, as voxels": lambda run: (
            run.segmentation is not None and bool(said(run, "121191", value_type="IMAGE"))
        ),
        "Parametric maps": lambda run: bool(run.maps) and not refers_to(run, ParametricMapStorage),
        "Tracking identifiers": is_tracked,
        "Image references": lambda run: bool(said(run, "121324", value_type="IMAGE")),
        "Visual explanation": lambda run: bool(said(run, "130401", value_type="IMAGE")),
        "No finding": lambda run: bool(said(run, "373572006", value_type="CODE")),
        "Observation UIDs": lambda run: all("ObservationUID" in group for group in groups(run)),
    }
)


def primitives() -> list[tuple[str, ...]]:
    """Of each result primitive, whether runs of either kind of model have it."""
    runs = [[found(package), absent(package)] for package in (SEGMENTER, CLASSIFIER)]
    return [(name, *("yes" if any(map(holds, kind)) else "no" for kind in runs)) for name, holds in PRIMITIVES.items()]


def group_columns() -> dict[str, Dataset]:
    """A group of each kind."""
    return {
        "segment, in a SEG": groups(found(SEGMENTER))[0],
        "segment, without SEG": groups(measured_only(SEGMENTER))[0],
        "absent segment": groups(absent(SEGMENTER))[0],
        "class, present": groups(found(CLASSIFIER))[0],
        "class, undetermined": groups(undetermined(CLASSIFIER))[0],
        "class, absent": groups(absent(CLASSIFIER))[0],
        "best class": groups(found(CLASSIFIER))[-1],
    }


def contents(group: Dataset) -> Iterator[tuple[str, str]]:
    """Concept and kind of each item, those below a number after a ``>``."""
    yield "template", f"TID {group.ContentTemplateSequence[0].TemplateIdentifier}"
    for item in group.ContentSequence:
        yield code_of(item), kind_of(item)
        if item.ValueType == "NUM":
            for below in item.get("ContentSequence", ()):
                yield f"> {code_of(below)} of {code_of(item)}", kind_of(below)


def kind_of(item: Dataset) -> str:
    if item.ValueType == "NUM":
        unit = item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue
        return f"NUM, {unit}"
    return f"{item.ValueType}, {item.GraphicType}" if "GraphicType" in item else str(item.ValueType)


def group_rows() -> list[tuple[str, ...]]:
    columns = [dict(contents(group)) for group in group_columns().values()]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [(name, *(column.get(name, "") for column in columns)) for name in names]


def of_group(group: Dataset, *codes: str) -> str:
    return next((code_of(item, "ConceptCodeSequence") for item in group.ContentSequence if is_named(item, *codes)), "")


def tracking(group: Dataset) -> str:
    (text,) = (item.TextValue for item in group.ContentSequence if is_named(item, "112039"))
    return str(text)


def segment_rows(package: ModelPackage) -> list[tuple[str, ...]]:
    """Codes of each segment, which are the same in report and segmentation."""
    run, negative = found(package), absent(package)
    assert run.segmentation is not None
    rows: list[tuple[str, ...]] = []
    for group, none, segment in zip(groups(run), groups(negative), run.segmentation.SegmentSequence, strict=True):
        category, finding, site = (of_group(group, code) for code in ("276214006", "121071", "363698007"))
        assert category == code_of(segment, "SegmentedPropertyCategoryCodeSequence")
        assert finding == code_of(segment, "SegmentedPropertyTypeCodeSequence") == of_group(none, "373572006")
        assert site == code_of(segment, "AnatomicRegionSequence") == of_group(none, "363698007")
        assert tracking(group) == segment.TrackingID == tracking(none)
        rows.append((str(segment.SegmentLabel), category, finding, site, tracking(group)))
    return rows


def class_rows(package: ModelPackage) -> list[tuple[str, ...]]:
    """Of each class its code, whether that is a finding, and the concepts that say what the model makes of it."""
    runs = [groups(found(package)), groups(undetermined(package)), groups(absent(package))]
    rows: list[tuple[str, ...]] = []
    for label, *each in zip(package.manifest.classes, *(run[:-1] for run in runs), strict=True):
        decisions = [decision_in(group, label.type.value) for group in each]
        finding = of_group(each[0], "121071")
        value, site = (f"({code.value}, {code.scheme}, {code.meaning})" for code in (label.type, label.anatomy))
        assert finding in ("", value)
        assert {of_group(group, "121071") for group in each[1:]} == {""}
        assert {of_group(group, "363698007") for group in each} == {site}
        rows.append((label.name, value, "yes" if finding else "no", *decisions, site, tracking(each[0])))
    return rows


def decision_in(group: Dataset, value: str) -> str:
    (name,) = (
        code_of(item)
        for item in group.ContentSequence
        if item.ValueType == "CODE"
        and not is_named(item, "121071", "363698007")
        and (item.ConceptCodeSequence[0].get("CodeValue") or item.ConceptCodeSequence[0].get("LongCodeValue")) == value
    )
    return name


def test_the_result_primitives_that_the_page_claims_are_those_that_are_written() -> None:
    stated = [(row[0], *row[3:]) for row in table(page(CAPABILITIES), "result primitive")]
    assert stated == primitives()


def test_the_page_says_what_a_group_of_each_kind_holds() -> None:
    assert table(page(CAPABILITIES), "item") == group_rows()
    (header,) = (line for line in page(CAPABILITIES).splitlines() if line.startswith("| item |"))
    assert [cell.strip() for cell in header.strip("|").split("|")][1:] == list(group_columns())


def test_the_page_says_how_each_way_in_which_a_run_can_end_is_coded() -> None:
    nothing = findings(np.zeros_like(label_map()))
    lacking = ("probability maps",)
    ways = {
        "findings": findings(),
        "nothing found": nothing,
        "findings, partial": replace(findings(), lacking=lacking),
        "nothing found, partial": replace(nothing, lacking=lacking),
        "refused": refused(),
        "failed": failed(),
    }
    made = {
        name: measurement_report(run, series(), EQUIPMENT, reference_sources=series()) for name, run in ways.items()
    }
    assert [row[:4] for row in table(page(CAPABILITIES), "run")] == [
        (name, value_of(report, "111017"), value_of(report, "111065"), report.CompletionFlag)
        for name, report in made.items()
    ]


def value_of(report: Dataset, name: str) -> str:
    """Code of the one item of a name; empty where there is none."""
    values = [item.ConceptCodeSequence[0].CodeValue for item in content_below(report) if is_named(item, name)]
    assert len(values) <= 1
    return "".join(values)


def test_the_integration_statement_claims_the_primitives_that_are_written_by_this_version() -> None:
    made = {name: "yes" if "yes" in kinds else "no" for name, *kinds in primitives()}
    for name, stated in table(page(STATEMENT), "result primitive"):
        assert stated == made[name], name
    assert table(page(STATEMENT), "vendor")[0][1:3] == ("ainode", version("ainode"))
    assert f"What ainode {version('ainode')} writes" in page(CAPABILITIES)


@pytest.mark.parametrize("name", SEGMENTERS)
def test_the_page_has_the_codes_and_tracking_of_each_segment(name: str) -> None:
    assert table(page(CAPABILITIES), f"segment of `{name}`") == segment_rows(PACKAGES[name])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_page_has_the_codes_and_tracking_of_each_class(name: str) -> None:
    assert table(page(CAPABILITIES), f"class of `{name}`") == class_rows(PACKAGES[name])


@pytest.mark.parametrize("name", PACKAGES)
def test_nothing_is_wrong_with_what_is_written_for_a_shipped_model(name: str) -> None:
    for run in (found(PACKAGES[name]), absent(PACKAGES[name])):
        made = [run.segmentation] if run.segmentation else []
        violations = [
            *report_violations(run.report, made),
            *(each for seg in made for each in segmentation_violations(seg)),
        ]
        assert [each.line() for each in violations if each.severity is not Severity.NOTE] == []
