"""PixelMed holds all groups of a report against one template: reports are taken apart for it, and its words weighed."""

from copy import deepcopy

import pytest
from pydicom.dataset import Dataset

from ainode_conformance.checkers.pixelmed import PixelMed, weighed
from ainode_conformance.checkers.report_parts import report_parts
from ainode_conformance.violation import Severity
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from peers.dicom_sources import EQUIPMENT, failed, findings, series

MEASUREMENTS = 8
"""Position of Imaging Measurements in the root of our report."""


def _report() -> Dataset:
    """Two groups of TID 1411, then one of TID 1501."""
    run, sources = findings(), series()
    seg = segmentation(run, sources, EQUIPMENT)
    return measurement_report(run, sources, EQUIPMENT, reference_sources=sources, segmentations=[seg])


def _templates(report: Dataset) -> list[str]:
    groups = report.ContentSequence[MEASUREMENTS - 1].ContentSequence
    return [group.ContentTemplateSequence[0].TemplateIdentifier for group in groups]


def test_each_part_has_the_groups_of_one_template_and_all_that_lies_outside_of_groups() -> None:
    report = _report()
    before = deepcopy(report)
    parts = [part.report for part in report_parts(report)]
    assert [_templates(part) for part in parts] == [["1411", "1411"], ["1501"]]
    for part in parts:
        del part.ContentSequence[MEASUREMENTS - 1]
    assert parts[0] == parts[1]
    assert report == before


def test_places_in_what_is_said_of_a_part_are_those_of_the_whole_report() -> None:
    first, second = report_parts(_report())
    assert second.in_whole("1.8.1.6: /CONTAINER (a)/TEXT") == "1.8.3.6: /CONTAINER (a)/TEXT"
    assert second.in_whole("within 1.8.1: /CONTAINER") == "within 1.8.3: /CONTAINER"
    assert second.in_whole("(1.8.1.6: TEXT) has") == "(1.8.3.6: TEXT) has"
    assert first.in_whole("1.8.2.6: /CONTAINER") == "1.8.2.6: /CONTAINER"
    for elsewhere in ("1.9.1: /CONTAINER", "1.8: /CONTAINER", "version 1.8.1 of it"):
        assert second.in_whole(elsewhere) == elsewhere


def test_a_report_of_one_template_or_without_groups_is_one_part() -> None:
    report = measurement_report(failed(), series(), EQUIPMENT)
    assert [part.report for part in report_parts(report)] == [report]
    run, sources = findings(), series()
    alone = measurement_report(run, sources, EQUIPMENT, reference_sources=sources)
    assert [_templates(part.report) for part in report_parts(alone)] == [["1501"] * 3]


def test_all_that_pixelmed_says_is_a_fault_unless_it_is_progress_or_a_warning() -> None:
    illegal = "Parent content item (1.8: CODE) has illegal relationship CONTAINS with child content item (1.8.1: CODE)"
    found = "Found Comprehensive3DSR IOD\nFound Root Template TID_1500 (MeasurementReport)\n"
    end = "Root Template Validation Complete\nIOD validation complete\n"
    assert list(weighed(found + end)) == []
    assert list(weighed(f"{illegal}\n{found}Warning: 1.8\n{end}")) == [
        (Severity.ERROR, illegal),
        (Severity.WARNING, "Warning: 1.8"),
    ]
    assert [severity for severity, _ in weighed("Found Comprehensive3DSR IOD\n")] == [Severity.ERROR]


def test_without_java_the_checker_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "scripts/install-system --conformance" in str(PixelMed().missing())
