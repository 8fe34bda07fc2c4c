"""The checker of TID 1500, UCUM and IHE AIR: nothing against our reports, every seeded defect, and others' reports."""

import re
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from typer.testing import CliRunner

from ainode_conformance import check, tid, units
from ainode_conformance.coding import is_snomed
from ainode_conformance.row import Cid, Include, Row
from ainode_conformance.slot import conditions
from ainode_conformance.templates import TEMPLATES
from ainode_conformance.violation import Severity, Violation
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.findings import Findings
from peers.classified import OPACITY, classified, not_classified, nothing_classified, radiograph_header
from peers.dicom_sources import EQUIPMENT, failed, findings, label_map, refused, series
from peers.foreign_reports import by_dcmqi, by_highdicom
from peers.heat_map import heat_map_of
from peers.prior_samples import with_prior
from peers.report_defects import DEFECTS, EVALUATIONS, GROUP, Defect, added, coded, content
from peers.shared_data import shared_data

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "conformance" / "tid-1500-checker.md").read_text(encoding="utf-8")


WAYS = ("found", "nothing", "failed", "refused", "partial", "partial, nothing")


def lacking(run: Findings) -> Findings:
    return replace(run, lacking=("probability maps, for the memory did not suffice",))


@cache
def made(kind: str) -> tuple[Dataset, tuple[Dataset, ...]]:
    """A report of ours as a reader gets it, and the segmentation that belongs to it, if any."""
    nothing = findings(np.zeros_like(label_map()))
    ways = {"found": findings(), "nothing": nothing, "failed": failed(), "refused": refused()}
    ways |= {"partial": lacking(ways["found"]), "partial, nothing": lacking(nothing)}
    run = with_prior(ways[kind.removeprefix("compared, ")]) if kind.startswith("compared") else ways[kind]
    segmentations = (segmentation(run, series(), EQUIPMENT),) if run.present else ()
    report = measurement_report(run, series(), EQUIPMENT, reference_sources=series(), segmentations=segmentations)
    return read(report), tuple(read(one) for one in segmentations)


def read(ds: Dataset) -> Dataset:
    """As a reader gets it, without what makes copies slow."""
    header = dcmread(BytesIO(encoded(ds)), stop_before_pixels=True)
    header.pop("PerFrameFunctionalGroupsSequence", None)
    return header


def of_class(run: Findings) -> Dataset:
    source = radiograph_header()
    shown = {item.number: heat_map_of(run, item, source) for item in run.classes[:1]}
    return measurement_report(run, [source], EQUIPMENT, reference_sources=[source], explanations=shown)


def told(found: list[Violation]) -> list[str]:
    return [violation.line() for violation in found if violation.severity is not Severity.NOTE]


@pytest.mark.parametrize("kind", [*WAYS, "compared, found", "compared, nothing"])
def test_nothing_is_wrong_with_our_report_of_a_segmentation_model(kind: str) -> None:
    report, segmentations = made(kind)
    assert told(check.report_violations(report, segmentations)) == []
    for one in segmentations:
        assert told(check.segmentation_violations(one)) == []


def test_nothing_is_wrong_with_our_reports_without_segmentation_or_reference_series() -> None:
    for run, sources in ((findings(), series()), (failed(), [])):
        report = measurement_report(run, series(), EQUIPMENT, reference_sources=sources)
        found = check.report_violations(report)
        assert told(found) == []
        assert {violation.rule for violation in found} <= {"TID1501.1.extra"}  # the UID of the series is an extension


@pytest.mark.parametrize(
    "run",
    [classified(), classified([OPACITY]), nothing_classified(), not_classified(), lacking(nothing_classified())],
    ids=["found", "uncertain", "nothing", "refused", "partial"],
)
def test_nothing_is_wrong_with_our_report_of_a_classifier(run: Findings) -> None:
    assert check.report_violations(of_class(run)) == []


def test_the_name_of_an_algorithm_may_be_coded_beside_its_text() -> None:
    report, segmentations = deepcopy(made("found"))
    name = Code("7", "99X", "brain-tumour-demo")
    item = content(
        "HAS CONCEPT MOD", "CODE", Code("111001", "DCM", "Algorithm Name"), ConceptCodeSequence=[coded(name)]
    )
    for container in (GROUP, EVALUATIONS):
        added(container, item)(report, Dataset())
    assert told(check.report_violations(report, segmentations)) == []


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.rule)
def test_a_seeded_defect_is_found_and_named_by_its_rule(defect: Defect) -> None:
    report, segmentations = deepcopy(made(defect.base))
    defect.change(report, segmentations[0] if segmentations else Dataset())
    found = check.report_violations(report, segmentations)
    found += [violation for one in segmentations for violation in check.segmentation_violations(one)]
    assert defect.rule in {violation.rule for violation in found}
    lines = "\n".join(violation.line() for violation in found)
    for private in ("Example", "Anna", "X-1", "1970", "A-77"):
        assert private not in lines


def test_every_rule_is_on_the_page_and_has_a_seeded_defect() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "conformance").rglob("*.py")))
    families = set(re.findall(r'"((?:AIR|CODE|IOD|UCUM)\.[a-zA-Z0-9.-]+)"', source))
    families |= {f"AIR.A1.{kind}" for kind in ("manufacturer", "model", "software", "device-uid")}
    families |= {f"AIR.A3.{kind}" for kind in ("manufacturer", "model", "version", "device-uid")}
    families |= {f"AIR.A10.{kind}" for kind in ("segment-id", "segment-uid")}
    kinds = {"missing", "multiplicity", "relationship", "value-type", "value-set", "condition", "extra"}
    seeded = {defect.rule for defect in DEFECTS}
    assert {rule for rule in seeded if not rule.startswith("TID")} == families
    assert {rule.rsplit(".", 1)[1] for rule in seeded if rule.startswith("TID")} == kinds
    assert set(re.findall(r"`((?:AIR|CODE|IOD|UCUM)\.[a-zA-Z0-9.-]+)`", PAGE)) == families
    assert set(re.findall(r"^\| `TIDn\.r\.([a-z-]+)` \|", PAGE, re.MULTILINE)) == kinds
    assert len(DEFECTS) == len({(defect.rule, defect.base) for defect in DEFECTS})


def rows(entries: tuple[Row | Include, ...]) -> Iterator[Row | Include]:
    for entry in entries:
        yield entry
        if isinstance(entry, Row):
            yield from rows(entry.rows)


def test_the_tables_agree_with_dicoms_dictionary_and_with_themselves() -> None:
    every = [(tid, entry) for tid, template in TEMPLATES.items() for entry in rows(template.rows)]
    included = {tid for _, entry in every if isinstance(entry, Include) for tid in entry.tids}
    assert included | {"1500"} == set(TEMPLATES)
    keys = {f"{tid}.{entry.row}" for tid, entry in every}
    assert len(keys) == len(every)
    ruled = [rule for template in TEMPLATES.values() for rule in template.rules]
    ruled += [rule for _, entry in every if isinstance(entry, Row) for rule in conditions(entry)]
    named = {key for rule in ruled for key in re.findall(r"'(\d{3,4}\.[0-9a-z]+)'", repr(rule))}
    assert named and named <= keys
    for _, entry in every:
        if isinstance(entry, Row):
            for wanted in (entry.name, entry.values):
                assert_known(wanted)


def assert_known(wanted: Code | Cid | None) -> None:
    if isinstance(wanted, Cid):
        assert wanted.number in (5000, 5001) or f"CID{wanted.number}" in codes.CIDs()
    elif wanted is not None and wanted.scheme_designator in ("DCM", "SCT"):
        known = getattr(codes, wanted.scheme_designator).concepts.values()
        meanings = {code.meaning.lower() for code in known if code.value == wanted.value}
        assert meanings, wanted
        assert wanted.scheme_designator == "SCT" or wanted.meaning.lower() in meanings, wanted  # SCT has synonyms


@pytest.mark.parametrize(
    ("unit", "known"),
    [
        *((unit, True) for unit in ("mL", "%", "{0:1}", "10*-6.mm2/s", "[hnsf'U]", "ppm")),
        *((unit, False) for unit in ("percent", "furlong", "cc", "mm^2", "no units", "")),
    ],
)
def test_units_are_those_of_ucum(unit: str, known: bool) -> None:
    assert units.is_ucum(unit) is known


def test_the_snomed_codes_of_dicom_have_their_check_digits() -> None:
    wrong = [code.value for code in codes.SCT.concepts.values() if not is_snomed(code)]
    assert wrong == ["115347700"]  # a slip in PS3.16 itself
    assert not is_snomed(Code("122157", "SCT", "Probability"))


def test_the_program_prints_a_line_for_each_violation_and_fails(tmp_path: Path) -> None:
    report, (seg,) = deepcopy(made("found"))
    for name, ds in (("sr.dcm", report), ("seg.dcm", seg)):
        (tmp_path / name).write_bytes(encoded(ds))
    (tmp_path / "image.txt").write_text("no DICOM", encoding="utf-8")
    report.VerificationFlag, report.PreliminaryFlag = "UNVERIFIED", "FINAL"
    (tmp_path / "warned.dcm").write_bytes(encoded(report))
    report.VerificationFlag = "VERIFIED"
    (tmp_path / "wrong.dcm").write_bytes(encoded(report))
    expected = [
        (["sr.dcm", "seg.dcm"], 0, ""),
        (["--notes", "sr.dcm"], 0, "note TID1501.1.extra at 1.8.3.9 Series Instance UID"),
        (["warned.dcm"], 0, "warning AIR.flags.preliminary at PreliminaryFlag"),
        (["--strict", "warned.dcm"], 1, "warning AIR.flags.preliminary at PreliminaryFlag"),
        (["wrong.dcm"], 1, "error AIR.flags.verified at VerificationFlag"),
        (["image.txt"], 2, "cannot be read as DICOM"),
    ]
    for words, status, line in expected:
        given = [word if word.startswith("--") else str(tmp_path / word) for word in words]
        done = CliRunner().invoke(tid.command_line, given)
        assert (done.exit_code, line in done.output) == (status, True), (words, done.output)
        assert status or line or not done.output


def test_without_the_parser_of_units_the_program_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sr.dcm").write_bytes(encoded(made("found")[0]))
    monkeypatch.setitem(sys.modules, "ucumvert", None)
    for cached in (units.is_ucum, units.parser):
        cached.cache_clear()
    done = CliRunner().invoke(tid.command_line, [str(tmp_path / "sr.dcm")])
    assert (done.exit_code, "pip install 'ainode[conformance]'" in done.output) == (2, True), done.output


def about_content(found: list[Violation]) -> set[str]:
    """Rules that an SR breaks with its content, whether it is a result of an AI or not."""
    return {one.rule for one in found if one.severity is not Severity.NOTE and not one.rule.startswith("AIR.")}


def test_what_highdicom_and_dcmqi_can_write_is_found_right(tmp_path: Path) -> None:
    sources, seg = series(), segmentation(findings(), series(), EQUIPMENT)
    foreign = by_highdicom(sources, seg)
    # highdicom 0.28.2 writes the method of a whole group with CONTAINS; DCMTK and PixelMed have HAS CONCEPT MOD.
    assert about_content(check.report_violations(foreign, [seg])) == {"TID1501.5.relationship"}
    ours = measurement_report(findings(), sources, EQUIPMENT, reference_sources=sources, segmentations=[seg])
    assert about_content(check.report_violations(by_dcmqi(ours, sources, seg, tmp_path))) == set()


@pytest.mark.filterwarnings("ignore::UserWarning")  # others' objects hold values that pydicom warns of
def test_others_reports_break_the_rules_that_the_page_lists() -> None:
    base = shared_data("ihe-air-results")
    listed = re.findall(r"^\| `([^`]+\.dcm)` \| ([^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE)
    objects = {path: dcmread(path, stop_before_pixels=True) for path in sorted(base.rglob("*.dcm"))}
    segmentations = [ds for ds in objects.values() if check.is_segmentation(ds)]
    found = []
    for path, ds in objects.items():
        violations = None
        if check.is_segmentation(ds):
            violations = check.segmentation_violations(ds)
        elif check.is_report(ds):
            violations = check.report_violations(ds, segmentations)
        if violations is not None:
            name = "/".join((path.relative_to(base).parts[-2], path.name))
            found.append((name, rules(violations, Severity.ERROR), rules(violations, Severity.WARNING)))
    assert found == listed


def rules(violations: list[Violation], severity: Severity) -> str:
    names = [violation.rule for violation in violations if violation.severity is severity]
    return ", ".join(f"{name} ({names.count(name)})" for name in sorted(set(names)))
