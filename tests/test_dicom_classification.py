"""What a classifier says as TID 1500 report and Secondary Capture, read by dicom3tools, dcmtk and dcmqi."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset

from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.secondary_capture import Picture, secondary_capture
from ainode_models.errors import EncodingError
from ainode_models.findings import ClassFinding, Findings, Outcome
from peers.classified import (
    COVID,
    OPACITY,
    PNEUMONIA,
    classified,
    not_classified,
    nothing_classified,
    radiograph_header,
)
from peers.dicom_checkers import assert_valid_iod, entity_warnings, report_measurements, report_text
from peers.dicom_sources import EQUIPMENT, write

SOURCE = radiograph_header()


def picture() -> NDArray[np.uint8]:
    """Without symmetry: red at the upper left, green below it."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:10, :20, 0] = pixels[20:30, :20, 1] = 255
    return pixels


def shown(run: Findings, item: ClassFinding, source: Dataset = SOURCE) -> Dataset:
    pictured = Picture(item.number, picture(), "heat map", f"Where the model looked for: {item.label}")
    return secondary_capture(run, pictured, sources=[source], equipment=EQUIPMENT)


def report(run: Findings, *explained: ClassFinding) -> Dataset:
    images = {item.number: shown(run, item) for item in explained}
    return measurement_report(run, [SOURCE], EQUIPMENT, reference_sources=[SOURCE], explanations=images)


def text_of(run: Findings, folder: Path, *explained: ClassFinding) -> str:
    path = folder / "sr.dcm"
    path.write_bytes(encoded(report(run, *explained)))
    assert_valid_iod(path)
    return report_text(path)


def group(text: str, name: str) -> str:
    """The measurement group with that in its tracking identifier, as dsrdump shows it."""
    (found,) = (part for part in text.split('CONTAINER:(125007,DCM,"Measurement Group")')[1:] if f'="{name}' in part)
    return found.split("CONTAINER")[0]


@pytest.mark.parametrize(
    "run", [classified(), nothing_classified(), not_classified()], ids=["found", "nothing", "refused"]
)
def test_every_outcome_is_a_valid_report_of_the_same_study(run: Findings, tmp_path: Path) -> None:
    explained = run.classes[:2] if run.outcome is Outcome.FINDINGS else ()
    pictures = [tmp_path / f"sc{item.number}.dcm" for item in explained]
    for path, item in zip(pictures, explained, strict=True):
        path.write_bytes(encoded(shown(run, item)))
        assert_valid_iod(path)
    text_of(run, tmp_path, *explained)
    assert entity_warnings([tmp_path / "sr.dcm", *pictures, *write([SOURCE], tmp_path / "sources")]) == []


def test_each_class_says_in_codes_whether_it_is_there_and_never_absent_when_a_human_must_decide(tmp_path: Path) -> None:
    text = text_of(classified(), tmp_path, PNEUMONIA, OPACITY)
    present, uncertain, absent = (group(text, item.tracking_id) for item in (PNEUMONIA, OPACITY, COVID))
    assert '(121071,DCM,"Finding")=(75570004,SCT,"Viral pneumonia")' in present
    assert '(373573001,SCT,"Clinical finding present")=(75570004,SCT,"Viral pneumonia")' in present
    assert '(373068000,SCT,"Undetermined")=(112001,DCM,"Opacity")' in uncertain
    assert '(373572006,SCT,"Clinical finding absent")=(882784691000119100,SCT,' in absent
    for other in (uncertain, absent):
        assert '(121071,DCM,"Finding")' not in other
        assert "373573001" not in other
    assert "373572006" not in present + uncertain
    assert text.count('(363698007,SCT,"Finding Site")=(39607008,SCT,"Lung")') == 3
    assert '(111017,DCM,"CAD Processing and Findings Summary")=(111242,DCM,' in text
    assert '(121106,DCM,"Comment")="Without a lung mask: the whole image was classified"' in text
    assert '(121106,DCM,"Comment")="Demonstration. Not for diagnostic use."' in text
    assert '(121058,DCM,"Procedure reported")=(43468-8,LN,"XR unspecified body region")' in text


def test_probabilities_of_the_whole_and_of_each_net_and_their_agreement_are_measurements(tmp_path: Path) -> None:
    (tmp_path / "sr.dcm").write_bytes(encoded(report(classified())))
    groups = report_measurements(tmp_path / "sr.dcm", tmp_path)
    values = [
        {
            (item["quantity"]["CodeMeaning"], item["units"]["CodeValue"]): item["value"]
            for item in each["measurementItems"]
        }
        for each in groups[3:]
    ]
    assert [each["TrackingUniqueIdentifier"] for each in groups[:3]] == ["2.25.71", "2.25.72", "2.25.73"]
    assert values == [
        {
            ("Certainty of Finding", "%"): "71.235",
            ("Margin between the two most probable classes", "%"): "46.235",
            ("Mean standard deviation between the nets", "%"): "7.0",
        }
    ]
    text = group(report_text(tmp_path / "sr.dcm"), PNEUMONIA.tracking_id)
    assert text.count('NUM:(122157,DCM,"Probability")=') == 3
    for line in (
        '(122157,DCM,"Probability")="71.235" (%,UCUM,"percent")',
        '(122157,DCM,"Probability")="80.0" (%,UCUM,"percent")',
        '(370129005,SCT,"Measurement Method")=(resnet50,99AINODE,"resnet50")',
        '(122157,DCM,"Probability")="62.469" (%,UCUM,"percent")',
        '(370129005,SCT,"Measurement Method")=(efficientnet_b0,99AINODE,"efficientnet_b0")',
    ):
        assert line in text
    (scheme,) = report(classified()).CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99AINODE"


def test_a_single_net_does_not_agree_with_anybody(tmp_path: Path) -> None:
    text = text_of(classified([replace(PNEUMONIA, members={}), replace(OPACITY, members={})]), tmp_path)
    assert "Mean standard deviation" not in text
    assert text.count('NUM:(122157,DCM,"Probability")=') == 2


def items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from items(item)


def test_groups_refer_to_their_image_and_to_what_explains_them_and_all_of_it_is_evidence() -> None:
    made = report(classified(), PNEUMONIA, OPACITY)
    named = [
        (item.ConceptNameCodeSequence[0].CodeValue, item) for item in items(made) if "ReferencedSOPSequence" in item
    ]
    referenced = [(code, item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for code, item in named]
    pictures = [shown(classified(), item).SOPInstanceUID for item in (PNEUMONIA, OPACITY)]
    assert [uid for code, uid in referenced if code == "130401"] == pictures
    assert [uid for code, uid in referenced if code == "121324"] == [SOURCE.SOPInstanceUID] * 4
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in made.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert evidence == {uid for _, uid in referenced}
    groups = [item for item in items(made) if item.ConceptNameCodeSequence[0].CodeValue == "125007"]
    assert len({item.ObservationUID for item in groups}) == len(groups) == 4


def test_a_refused_image_never_reads_as_a_negative_one(tmp_path: Path) -> None:
    text = text_of(not_classified(), tmp_path)
    assert '(111245,DCM,"No algorithms succeeded; without findings")' in text
    assert "\"The images were refused: ViewPosition is 'LL'" in text
    for words in ("373572006", "Measurement Group", "Probability"):
        assert words not in text


def test_the_picture_is_colour_that_says_what_it_is_made_of_and_that_nobody_can_measure_on_it(tmp_path: Path) -> None:
    image = shown(classified(), PNEUMONIA)
    assert image.SeriesDescription == "AI chest-xray-demo heat map - NOT FOR DIAGNOSTIC USE"
    assert (image.Modality, image.ConversionType) == ("OT", "WSD")
    assert list(image.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    assert (image.BurnedInAnnotation, image.LossyImageCompression) == ("NO", "00")
    assert (image.BodyPartExamined, list(image.PatientOrientation)) == ("CHEST", ["L", "F"])
    assert (image.SourceImageSequence[0].ReferencedSOPInstanceUID, image.ContentQualification) == (
        "2.25.81",
        "RESEARCH",
    )
    assert image.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert image.ContributingEquipmentSequence[0].ManufacturerModelName == "chest-xray-demo"
    assert "PixelSpacing" not in image
    path = tmp_path / "sc.dcm"
    path.write_bytes(encoded(image))
    subprocess.run(["/usr/bin/dcm2pnm", "-q", "+on", path, tmp_path / "sc.png"], check=True, capture_output=True)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "sc.png").convert("RGB")), picture())
    assert encoded(image) == encoded(shown(classified(), PNEUMONIA))


def test_what_is_not_known_of_the_source_is_not_invented_and_lossy_stays_lossy(tmp_path: Path) -> None:
    source = radiograph_header(LossyImageCompression="01", LossyImageCompressionRatio=12, BurnedInAnnotation="YES")
    source.LossyImageCompressionMethod = "ISO_10918_1"
    del source.PatientOrientation
    image = shown(classified(), PNEUMONIA, source)
    assert (image.LossyImageCompression, image.LossyImageCompressionRatio, image.BurnedInAnnotation) == (
        "01",
        12,
        "YES",
    )
    assert image.PatientOrientation is None
    (tmp_path / "sc.dcm").write_bytes(encoded(image))
    assert_valid_iod(tmp_path / "sc.dcm")
    del source.BurnedInAnnotation
    assert "BurnedInAnnotation" not in shown(classified(), PNEUMONIA, source)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (replace(classified(), agreement=None), "says how sure it is"),
        (replace(not_classified(), classes=(COVID,)), "has no classes when it failed"),
    ],
)
def test_classes_that_contradict_their_outcome_are_refused(run: Findings, words: str) -> None:
    with pytest.raises(EncodingError, match=words):
        report(run)
