"""Results from sources with poor headers, foreign character sets and time zones."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentation
from ainode_models.findings import Findings
from peers.dicom_checkers import assert_valid_iod, entity_warnings
from peers.dicom_sources import EQUIPMENT, findings, series, write


def _results(run: Findings, sources: list[Dataset], folder: Path) -> list[Path]:
    seg = segmentation(run, sources, EQUIPMENT)
    report = measurement_report(run, sources, EQUIPMENT, reference_sources=sources, segmentations=[seg])
    paths = [folder / "seg.dcm", folder / "sr.dcm"]
    for ds, path in zip((seg, report), paths, strict=True):
        path.write_bytes(encoded(ds))
    return paths


def _read_from_disk(sources: list[Dataset], folder: Path) -> list[Dataset]:
    return [dcmread(path) for path in write(sources, folder)]


def test_missing_and_empty_attributes_of_patient_and_study_make_valid_results(tmp_path: Path) -> None:
    sources = series()
    for ds in sources:
        for keyword in ("StudyID", "AccessionNumber", "PatientBirthDate", "StudyTime", "ReferringPhysicianName"):
            del ds[keyword]
        del ds.SliceThickness
        ds.PatientName, ds.PatientSex, ds.SeriesNumber = None, "", None
    for path in _results(findings(), sources, tmp_path):
        assert_valid_iod(path)
        assert dcmread(path).PatientID == "X-1"


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.filterwarnings("ignore:The value length")
def test_values_that_break_their_vr_are_left_out_and_identity_is_kept(tmp_path: Path) -> None:
    sources = series()
    for ds in sources:
        ds.PatientAge, ds.PatientSex, ds.PatientBirthDate, ds.StudyTime = "42", "U", "1970.01.01", "25:00"
        ds.PatientName, ds.PatientID = "Jane_Doe", "X" * 70
    for path in _results(findings(), sources, tmp_path):
        ds = dcmread(path)
        assert (str(ds.PatientName), ds.PatientID) == ("Jane_Doe", "X" * 70)
        assert "PatientAge" not in ds
        assert (ds.PatientSex, ds.PatientBirthDate, ds.StudyTime) == ("", "", "")


def test_a_procedure_code_with_the_oid_of_its_scheme_is_repaired_and_a_private_one_left_out(tmp_path: Path) -> None:
    sources = series()
    for ds in sources:
        ds.ProcedureCodeSequence = [_code("42274-1", "2.16.840.1.113883.6.1"), _code("1", "1.2.3.4.5.6.7.8.9.10")]
    for path in _results(findings(), sources, tmp_path):
        assert_valid_iod(path)
        (code,) = dcmread(path).ProcedureCodeSequence
        assert (code.CodeValue, code.CodingSchemeDesignator) == ("42274-1", "LN")


def _code(value: str, scheme: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodeMeaning = value, "A procedure"
    code.add(DataElement("CodingSchemeDesignator", "SH", scheme, validation_mode=IGNORE))
    return code


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "Ødegård^Åse=山田^太郎"),
        ("ISO_IR 144", "Иван^Жанна"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    ],
)
def test_names_survive_in_the_character_set_of_the_source(
    character_set: str | list[str], name: str, tmp_path: Path
) -> None:
    sources = series()
    for ds in sources:
        ds.SpecificCharacterSet, ds.PatientName, ds.StudyDescription = character_set, name, name.partition("^")[0]
    files = _read_from_disk(sources, tmp_path / "sources")
    for path in _results(findings(), files, tmp_path):
        ds = dcmread(path)
        assert ds.PatientName == name
        assert ds.StudyDescription == name.partition("^")[0]
        assert ds.SpecificCharacterSet == character_set
        assert_valid_iod(path)
        assert entity_warnings([path, tmp_path / "sources" / "0000.dcm"]) == []


def test_our_own_texts_beyond_ascii_make_the_object_utf_8_and_keep_the_names(tmp_path: Path) -> None:
    run = findings()
    first = replace(run.segments[0], label="Nekröse")
    sources = series()
    for ds in sources:
        ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 100", "Müller^Jürgen"
    files = _read_from_disk(sources, tmp_path / "sources")
    seg_path, sr_path = _results(replace(run, segments=(first, *run.segments[1:])), files, tmp_path)
    for path in (seg_path, sr_path):
        assert dcmread(path).SpecificCharacterSet == "ISO_IR 192"
        assert dcmread(path).PatientName == "Müller^Jürgen"
        assert_valid_iod(path)
    assert dcmread(seg_path).SegmentSequence[0].SegmentLabel == "Nekröse"


def test_dates_and_times_are_in_the_time_zone_of_the_source(tmp_path: Path) -> None:
    sources = series()
    for ds in sources:
        ds.TimezoneOffsetFromUTC = "-1200"
    for path in _results(findings(), sources, tmp_path):
        ds = dcmread(path)
        assert ds.TimezoneOffsetFromUTC == "-1200"
        assert (ds.ContentDate, ds.ContentTime) == ("20260103", "232233")


def test_encoding_leaves_the_source_headers_as_they_are() -> None:
    sources, untouched = series(), series()
    segmentation(findings(), sources, EQUIPMENT)
    measurement_report(
        findings(),
        sources,
        EQUIPMENT,
        reference_sources=sources,
        segmentations=[segmentation(findings(), sources, EQUIPMENT)],
    )
    assert sources == untouched
