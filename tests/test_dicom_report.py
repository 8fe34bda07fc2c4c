"""TID 1500 reports, read by dicom3tools, dcmtk, dcmqi and highdicom."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.errors import EncodingError
from ainode_models.findings import Findings, Outcome
from peers.dicom_checkers import assert_valid_iod, entity_warnings, report_measurements, report_text
from peers.dicom_sources import EQUIPMENT, failed, findings, label_map, refused, series, write

ABSENT = "373572006"


def _report(run: Findings, sources: list[Dataset] | None = None) -> Dataset:
    sources = sources or series()
    seg = segmentation(run, sources, EQUIPMENT) if run.present else None
    return measurement_report(run, sources, EQUIPMENT, reference_sources=sources, segmentations=[seg] if seg else [])


def _nothing_found() -> Findings:
    return findings(np.zeros_like(label_map()))


def _items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from _items(item)


def _codes(ds: Dataset) -> Iterator[Dataset]:
    for items in (element.value for element in ds if element.VR == "SQ"):
        for item in items:
            yield from _codes(item)
            if item.get("CodingSchemeDesignator") == "DCM":
                yield item


def _named(ds: Dataset, code: str) -> list[Dataset]:
    return [item for item in _items(ds) if item.ConceptNameCodeSequence[0].CodeValue == code]


def _text(run: Findings, folder: Path) -> str:
    path = folder / "sr.dcm"
    path.write_bytes(encoded(_report(run)))
    assert_valid_iod(path)
    return report_text(path)


@pytest.mark.parametrize("run", [findings(), _nothing_found(), failed()], ids=lambda run: run.outcome)
def test_every_outcome_is_a_valid_report_of_the_same_study(run: Findings, tmp_path: Path) -> None:
    sources = series()
    (tmp_path / "sr.dcm").write_bytes(encoded(_report(run, sources)))
    assert_valid_iod(tmp_path / "sr.dcm")
    assert entity_warnings([tmp_path / "sr.dcm", *write(sources, tmp_path / "sources")]) == []


def test_a_reader_sees_unverified_research_findings_with_their_disclaimer(tmp_path: Path) -> None:
    text = _text(findings(), tmp_path)
    for line in (
        "AI brain-tumour-demo report - NOT FOR DIAGNOSTIC USE",
        "Preliminary Flag    : PRELIMINARY",
        "Completion Flag     : COMPLETE",
        "Verification Flag   : UNVERIFIED",
        "Content Date/Time   : 2026-01-04 11:22:33",
        "# TID 1500 (DCMR)",
        '=(en-US,RFC5646,"English (United States)")',
        '(121058,DCM,"Procedure reported")=(25056-3,LN,"MRI unspecified body region")',
        '(121071,DCM,"Finding")=(6574001,SCT,"Necrosis")',
        '(121071,DCM,"Finding")=(C113842,NCIt,"Enhancing Lesion")',
        '(373572006,SCT,"Clinical finding absent")=(79654002,SCT,"Edema")',
        '(111017,DCM,"CAD Processing and Findings Summary")=(111242,DCM,"All algorithms succeeded; with findings")',
        '(121106,DCM,"Comment")="Demonstration only. Not for diagnostic use."',
    ):
        assert line in text


@pytest.mark.parametrize(
    ("of_source", "expected"), [(None, "RESEARCH"), ("PRODUCT", "RESEARCH"), ("SERVICE", "SERVICE")]
)
def test_content_is_qualified_as_research_or_as_service_where_its_source_is(
    of_source: str | None, expected: str
) -> None:
    sources = series()
    for ds in sources:
        ds.ContentQualification = of_source
    written = segmentation(findings(), sources, EQUIPMENT), _report(findings(), sources)
    assert [ds.ContentQualification for ds in written] == [expected] * 2


@pytest.mark.parametrize("with_seg", [True, False], ids=["TID 1411", "TID 1501"])
def test_the_longest_diameter_has_its_line_in_the_frame_of_reference_of_the_source(with_seg: bool) -> None:
    sources = series("oblique")
    seg = segmentation(findings(), sources, EQUIPMENT) if with_seg else None
    report = measurement_report(
        findings(), sources, EQUIPMENT, reference_sources=sources, segmentations=[seg] if seg else []
    )
    for number in _named(report, "81827009"):
        (line,) = (item for item in number.ContentSequence if item.ValueType == "SCOORD3D")
        assert (line.RelationshipType, line.GraphicType) == ("INFERRED FROM", "POLYLINE")
        assert line.ConceptNameCodeSequence[0].CodeValue == "121055"
        assert line.ReferencedFrameOfReferenceUID == sources[0].FrameOfReferenceUID
        np.testing.assert_allclose(line.GraphicData, (0, 0, 0, 41.23456, 0, 0), rtol=1e-6)
    assert len(_named(report, "121055")) == len(findings().present)


def _measured(group: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {
        (item["quantity"]["CodeMeaning"], item["units"]["CodeValue"]): float(item["value"])
        for item in group["measurementItems"]
    }


def test_dcmqi_reads_the_measurements_of_each_present_segment(tmp_path: Path) -> None:
    run, path = findings(), tmp_path / "sr.dcm"
    path.write_bytes(encoded(_report(run)))
    groups = [group for group in report_measurements(path, tmp_path) if "ReferencedSegment" in group]
    assert [group["ReferencedSegment"] for group in groups] == [1, 2]
    for group, segment in zip(groups, run.present, strict=True):
        assert group["TrackingUniqueIdentifier"] == segment.tracking_uid
        assert group["Finding"]["CodeValue"] == segment.type.value
        assert group["FindingSite"]["CodeValue"] == segment.anatomy.value
        assert group["measurementAlgorithmIdentification"]["AlgorithmVersion"] == "1.0.0"
        assert _measured(group) == {
            ("Volume", "mL"): pytest.approx(segment.volume_ml, rel=1e-4),
            ("Diameter", "mm"): 41.235,
            ("Certainty of Finding", "%"): 87.654,
        }


def test_highdicom_finds_the_segments_of_the_report_in_the_segmentation(tmp_path: Path) -> None:
    sources, path = series(), tmp_path / "sr.dcm"
    seg = highdicom.seg.Segmentation.from_dataset(segmentation(findings(), sources, EQUIPMENT))
    path.write_bytes(encoded(_report(findings(), sources)))
    content: Any = highdicom.sr.srread(path).content
    groups = content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 2
    for group in groups:
        (number,) = seg.get_segment_numbers(tracking_uid=group.tracking_uid)
        reference = group.referenced_segment
        assert reference.referenced_sop_instance_uid == seg.SOPInstanceUID
        assert reference.referenced_segment_numbers == [number]
        assert reference[-1].value == sources[0].SeriesInstanceUID


def test_the_model_is_the_same_in_the_content_tree_and_in_the_contributing_equipment() -> None:
    report = _report(findings())
    model = report.ContributingEquipmentSequence[0]
    assert model.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    for codes_in_tree, keyword in (
        (("121014", "122405"), "Manufacturer"),
        (("121015", "111001"), "ManufacturerModelName"),
        (("111003",), "SoftwareVersions"),
        (("121012",), "DeviceUID"),
    ):
        for code in codes_in_tree:
            values = {item.get("TextValue") or item.get("UID") for item in _named(report, code)}
            assert values == {model[keyword].value}, (code, keyword)
    assert report.ManufacturerModelName == EQUIPMENT.model_name != model.ManufacturerModelName


def test_every_group_has_an_observation_uid_and_every_reference_is_in_the_evidence() -> None:
    report = _report(findings())
    groups = _named(report, "125007")
    assert len({group.ObservationUID for group in groups}) == len(groups) == 3
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for one_series in study.ReferencedSeriesSequence
        for item in one_series.ReferencedSOPSequence
    }
    referenced = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in _items(report)
        if "ReferencedSOPSequence" in item
    }
    assert referenced == evidence
    assert len(evidence) == 21


def test_a_run_without_findings_says_of_each_segment_that_it_is_absent(tmp_path: Path) -> None:
    text = _text(_nothing_found(), tmp_path)
    assert text.count('(373572006,SCT,"Clinical finding absent")') == 3
    assert text.count('IMAGE:(121324,DCM,"Source image")=(MR image') == 3
    assert '(111241,DCM,"All algorithms succeeded; without findings")' in text
    assert "Completion Flag     : COMPLETE" in text
    assert '(121071,DCM,"Finding")' not in text
    assert "NUM:" not in text


def test_a_failed_run_never_reads_as_a_negative_one(tmp_path: Path) -> None:
    text = _text(failed(), tmp_path)
    assert ABSENT.encode() not in encoded(_report(failed()))
    assert '(111245,DCM,"No algorithms succeeded; without findings")' in text
    assert '"The analysis failed: the T2 series has a gap of 12 mm after slice 40"' in text
    assert "AI FAILED: brain-tumour-demo report - NOT FOR DIAGNOSTIC USE" in text
    assert "Completion Flag     : PARTIAL" in text
    assert "Measurement Group" not in text


@pytest.mark.parametrize(
    ("run", "code"), [(findings(), "111244"), (_nothing_found(), "111243")], ids=["found", "nothing"]
)
def test_a_partial_result_has_all_that_was_found_and_says_what_lacks(run: Findings, code: str, tmp_path: Path) -> None:
    lacking = "probability maps, for the memory did not suffice"
    text = _text(replace(run, lacking=(lacking,)), tmp_path)
    assert f'(111017,DCM,"CAD Processing and Findings Summary")=({code},DCM,"Not all algorithms succeeded; with' in text
    assert "Completion Flag     : PARTIAL" in text
    assert _report(replace(run, lacking=(lacking,))).CompletionFlagDescription == f"Lacks {lacking}"
    assert f'"Asked for, but not made: {lacking}"' in text
    assert "Summary of Analyses" not in text
    assert text.count("Measurement Group") == _text(run, tmp_path).count("Measurement Group") > 0


def test_refused_images_are_told_from_a_failure_in_code_and_in_words(tmp_path: Path) -> None:
    texts = {run.outcome: _text(run, tmp_path) for run in (failed(), refused())}
    assert '(111065,DCM,"Summary of Analyses")=(111224,DCM,"Failed")' in texts[Outcome.FAILED]
    assert '(111065,DCM,"Summary of Analyses")=(111225,DCM,"Not Attempted")' in texts[Outcome.REFUSED]
    assert '(111245,DCM,"No algorithms succeeded; without findings")' in texts[Outcome.REFUSED]
    assert '"The images were refused: the T1 series has slices 12 mm apart' in texts[Outcome.REFUSED]
    assert "AI REFUSED: brain-tumour-demo report - NOT FOR DIAGNOSTIC USE" in texts[Outcome.REFUSED]
    assert "Completion Flag     : PARTIAL" in texts[Outcome.REFUSED]
    assert "failed" not in texts[Outcome.REFUSED].lower()
    assert ABSENT not in texts[Outcome.REFUSED]
    assert "Measurement Group" not in texts[Outcome.REFUSED]


def test_a_failure_before_a_reference_series_was_chosen_is_reported_from_the_evidence_alone() -> None:
    report = measurement_report(failed(), series(), EQUIPMENT)
    assert report.StudyInstanceUID == series()[0].StudyInstanceUID
    assert len(_named(report, "260753009")) == 20


def test_orders_and_procedures_of_the_source_are_in_the_report(tmp_path: Path) -> None:
    sources = series()
    for ds in sources:
        order, code = Dataset(), Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "24590-2", "LN", "MR Brain"
        order.RequestedProcedureID, order.ScheduledProcedureStepID = "RP-5", "SPS-5"
        order.RequestedProcedureCodeSequence = [code]
        ds.RequestAttributesSequence = [order]
    report = _report(findings(), sources)
    (request,) = report.ReferencedRequestSequence
    assert (request.AccessionNumber, request.RequestedProcedureID) == ("A-77", "RP-5")
    assert [item.ConceptCodeSequence[0].CodeValue for item in _named(report, "121058")] == ["24590-2"]
    study_code = Dataset()
    study_code.CodeValue, study_code.CodingSchemeDesignator, study_code.CodeMeaning = "MRK", "99SITE", "MR Kopf"
    sources[0].ProcedureCodeSequence = [study_code]
    report = _report(findings(), sources)
    assert [item.ConceptCodeSequence[0].CodeValue for item in _named(report, "121058")] == ["MRK"]
    (tmp_path / "sr.dcm").write_bytes(encoded(report))
    assert_valid_iod(tmp_path / "sr.dcm")


def test_all_series_that_the_model_was_given_are_in_the_image_library() -> None:
    reference, other = series(), series()
    for number, ds in enumerate(other):
        ds.SeriesInstanceUID, ds.SOPInstanceUID = "2.25.2", f"2.25.3.{number + 1}"
    seg = segmentation(findings(), reference, EQUIPMENT)
    report = measurement_report(
        findings(), [*other, *reference], EQUIPMENT, reference_sources=reference, segmentations=[seg]
    )
    assert len(_named(report, "126200")) == 2
    assert len(_named(report, "260753009")) == 40


def test_encoding_the_same_run_twice_gives_the_same_bytes() -> None:
    assert encoded(_report(findings())) == encoded(_report(findings()))


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (replace(findings(), outcome=Outcome.NO_FINDINGS), "present segments only when there are findings"),
        (replace(_nothing_found(), outcome=Outcome.FINDINGS), "present segments only when there are findings"),
        (replace(failed(), failure=None), "states a failure when it failed"),
        (replace(_nothing_found(), failure="no"), "states a failure when it failed"),
    ],
)
def test_findings_that_contradict_their_outcome_are_refused(run: Findings, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        _report(run)


def test_without_a_segmentation_the_measurements_name_the_series_that_they_were_made_on(tmp_path: Path) -> None:
    report = measurement_report(findings(), series(), EQUIPMENT, reference_sources=series())
    path = tmp_path / "sr.dcm"
    path.write_bytes(encoded(report))
    assert_valid_iod(path)
    groups = [group for group in report_measurements(path, tmp_path) if "measurementItems" in group]
    measured = [set(_measured(group)) for group in groups if group["measurementItems"]]
    assert measured == [{("Volume", "mL"), ("Diameter", "mm"), ("Certainty of Finding", "%")}] * 2
    text = report_text(path)
    assert "Referenced Segment" not in text
    assert text.count('IMAGE:(121324,DCM,"Source image")=(MR image') == 3
    assert text.count('(121071,DCM,"Finding")') == 2


def test_a_segmentation_without_findings_is_refused() -> None:
    seg = segmentation(findings(), series(), EQUIPMENT)
    with pytest.raises(EncodingError, match="has a segmentation only when"):
        measurement_report(_nothing_found(), series(), EQUIPMENT, reference_sources=series(), segmentations=[seg])


def test_every_code_of_dicom_has_the_meaning_that_ps3_16_gives_it() -> None:
    meanings = {code.value: code.meaning for code in (getattr(codes.DCM, name) for name in codes.DCM.dir())}
    written = {item.CodeValue: item.CodeMeaning for item in _codes(_report(findings()))}
    assert len(written) > 20
    assert written == {value: meanings[value] for value in written}


def test_the_summary_codes_are_those_of_cid_6047() -> None:
    for run in (findings(), _nothing_found(), failed()):
        (summary,) = _named(_report(run), "111017")
        value = summary.ConceptCodeSequence[0]
        known = {code.value: code.meaning for code in (getattr(codes.cid6047, name) for name in codes.cid6047.dir())}
        assert known[value.CodeValue] == value.CodeMeaning
