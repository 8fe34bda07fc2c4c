"""Our own reports back to findings: the FHIR resources made from them are those of the original findings."""

import random
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from ainode.cli import app
from ainode_dicom_sr.objects import encoded
from ainode_dicom_sr.reader import read, read_file
from ainode_dicom_sr.reader_findings import findings_in
from ainode_dicom_sr.reader_model import ReadReport
from ainode_dicom_sr.report import measurement_report
from ainode_dicom_sr.segmentation import segmentations
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.bundle import as_json, report_bundle
from ainode_fhir.datatypes import Json
from ainode_fhir.site import Site
from ainode_models.errors import InputError
from ainode_models.findings import (
    Agreement,
    ClassFinding,
    Code,
    Decision,
    Diameter,
    Findings,
    Outcome,
    Segment,
)
from ainode_models.tracking import label_in
from peers.classified import COVID, NORMAL, classified, not_classified, nothing_classified, radiograph_header
from peers.content_items import content_below
from peers.dicom_sources import ALGORITHM, EQUIPMENT, failed, findings, label_map, refused, series
from peers.fhir_samples import OBJECTS, STUDY
from peers.heat_map import heat_map_of
from peers.prior_samples import PRIOR, tracked, with_prior

LACKING = ("probability maps, for the memory did not suffice", "Asked for, but not made: nothing else")
REMARKS = ("In tiles of 64 voxels: the GPU's memory was too small", "Without a second opinion")


def stored(ds: Dataset) -> Dataset:
    """As an archive gives it back."""
    return dcmread(BytesIO(encoded(ds)))


def reports_of(
    run: Findings,
    sources: Sequence[Dataset],
    *,
    with_seg: bool = True,
    form: SegmentationForm = SegmentationForm.BINARY,
) -> tuple[Dataset, list[Dataset]]:
    segs = segmentations(run, sources, EQUIPMENT, form=form) if run.present and with_seg else []
    shown = {item.number: heat_map_of(run, item, sources[0]) for item in run.classes[:1]}
    sr = measurement_report(run, sources, EQUIPMENT, reference_sources=sources, segmentations=segs, explanations=shown)
    return stored(sr), list(map(stored, segs))


def resources(run: Findings) -> list[Json]:
    bundle = report_bundle(run, STUDY, OBJECTS, site=Site(), replaces="run-0")
    return [entry["resource"] for entry in as_json(bundle)["entry"]]


def assert_same_resources(back: Findings, run: Findings) -> None:
    for ours, original in zip(resources(back), resources(run), strict=True):
        assert ours == original


VOLUMES = {
    "findings": findings(),
    "one segment": findings(np.minimum(label_map(), 1)),
    "partial": replace(findings(), remarks=REMARKS),
    "lacking": replace(findings(), lacking=LACKING, remarks=REMARKS),
    "lacking, compared": with_prior(replace(findings(), lacking=LACKING[:1])),
    "lacking, none": replace(findings(np.zeros_like(label_map())), lacking=LACKING),
    "none": findings(np.zeros_like(label_map())),
    "failed": failed(),
    "refused": refused(),
    "failed of many lines": replace(failed(), failure="first: a gap\n\nThis is not all:  öäü \\ 5 µm"),
    "compared": with_prior(replace(findings(), remarks=REMARKS)),
    "compared, with nothing now": with_prior(findings(np.zeros_like(label_map()))),
    "without confidence": replace(
        findings(), segments=tuple(replace(each, confidence=None) for each in findings().segments)
    ),
}
CLASSES = {
    "classes": classified(),
    "a normal class": classified((COVID, NORMAL), Outcome.NO_FINDINGS),
    "no class": nothing_classified(),
    "no picture": not_classified(),
    "lacking heat maps": replace(classified(), lacking=("heat maps, for the model could not make them",)),
    "lacking heat maps, no class": replace(nothing_classified(), lacking=LACKING),
}


@pytest.mark.parametrize(("kind", "with_seg"), [*((kind, True) for kind in VOLUMES), ("partial", False)], ids=str)
def test_fhir_from_the_report_of_a_segmentation_is_fhir_from_its_findings(kind: str, with_seg: bool) -> None:
    run = tracked(VOLUMES[kind])
    sr, segs = reports_of(run, series(), with_seg=with_seg)
    assert_same_resources(findings_in(sr, *segs), run)
    reading = read(sr)
    assert isinstance(reading, ReadReport)
    assert reading.notes == ()


@pytest.mark.parametrize("kind", CLASSES)
def test_fhir_from_the_report_of_a_classifier_is_fhir_from_its_findings(kind: str) -> None:
    run = tracked(CLASSES[kind])
    sr, _ = reports_of(run, [radiograph_header()])
    assert_same_resources(findings_in(sr), run)
    reading = read(sr)
    assert isinstance(reading, ReadReport)
    assert reading.notes == ()
    assert sum(len(group.explanations) for group in reading.groups) == min(1, len(run.classes))


def _code(chance: random.Random) -> Code:
    scheme = chance.choice(["SCT", "NCIt", "RADLEX", "99LOCAL"])
    return Code(str(chance.randrange(10**3, 10 ** chance.randrange(5, 19))), scheme, _words(chance)[:60])


def _words(chance: random.Random) -> str:
    letters = "abc <&>'\",;.:^=+µéß漢字0 1-"
    return ("x" + "".join(chance.choices(letters, k=chance.randrange(40))) + "y").replace("  ", " ")


def _segment(chance: random.Random, number: int) -> Segment:
    voxels = chance.choice([0, 1, 99])
    length = chance.choice([None, chance.uniform(0, 10 ** chance.randrange(4))])
    return Segment(
        number=number,
        label=_words(chance),
        category=_code(chance),
        type=_code(chance),
        anatomy=_code(chance),
        color=(chance.randrange(256), 0, 9),
        tracking_id="",
        tracking_uid=f"2.25.{chance.getrandbits(100)}",
        voxels=voxels,
        volume_ml=chance.uniform(0, 10 ** chance.randrange(-3, 6)) if voxels else 0.0,
        longest_diameter=_diameter(chance, length) if voxels and length is not None else None,
        confidence=chance.choice([None, chance.random(), 0.0, 1.0, 0.99996]) if voxels else None,
        prior_volume_ml=chance.choice([None, 0.0, chance.uniform(0, 10 ** chance.randrange(-3, 6))]),
    )


def _diameter(chance: random.Random, length: float) -> Diameter:
    """Its ends known, as far as numbers of 32 bits say them, or the same, or not known."""
    start = (chance.randrange(-900, 900) / 8, -0.5, chance.randrange(-900, 900) / 8)
    return Diameter(length, start, chance.choice([(1.25, 2.0, 1000.0), start, (nan, nan, nan)]))


def _class(chance: random.Random, number: int, nets: Sequence[str]) -> ClassFinding:
    probability = chance.choice([chance.random(), chance.random() / 1000, 1 - chance.random() / 1000, 0.0, 1.0])
    return ClassFinding(
        number=number,
        label=_words(chance),
        type=_code(chance),
        anatomy=_code(chance),
        tracking_id="",
        tracking_uid=f"2.25.{chance.getrandbits(100)}",
        probability=probability,
        decision=chance.choice(list(Decision)),
        normal=chance.random() < 0.2,
        members={name: chance.random() for name in nets},
    )


def drawn(chance: random.Random) -> Findings:
    """Findings of a run, as odd as they may be."""
    offset = timezone(timedelta(minutes=chance.choice([0, -330, 60, 825])))
    started = datetime(2026, chance.randrange(1, 13), 28, 23, 59, 59, chance.choice([0, 7, 999_999]), tzinfo=offset)
    numbers = sorted(chance.sample(range(1, 256), chance.randrange(1, 12)))
    segments: tuple[Segment, ...] = ()
    classes: tuple[ClassFinding, ...] = ()
    agreement = None
    if chance.random() < 0.5:
        segments = tuple(_segment(chance, number) for number in numbers)
    else:
        nets = chance.choice([[], ["resnet50", "a net with a name longer than codes are"]])
        classes = tuple(_class(chance, number, nets) for number in numbers)
        agreement = Agreement(chance.random(), chance.random(), chance.random() / 2 if nets else 0.0)
    found = any(each.voxels for each in segments) or any(each.notable for each in classes)
    algorithm = replace(
        ALGORITHM,
        name=_words(chance)[:50],
        version=chance.choice(["1", "1.0.0-rc.1+b, 7"]),
        disclaimer=_words(chance),
        intended_use=_words(chance),
    )
    run = Findings(
        run_id=f"run {chance.getrandbits(64)}",
        outcome=Outcome.FINDINGS if found else Outcome.NO_FINDINGS,
        algorithm=algorithm,
        started_at=started,
        segments=segments,
        label_map=None,
        failure=None,
        classes=classes,
        agreement=agreement,
        remarks=tuple(_words(chance) for _ in range(chance.randrange(3))),
        prior=replace(PRIOR, version=chance.choice(["1", "1.0.0-rc.1+b, (7)"])) if segments else None,
    )
    return tracked(run)


def test_fhir_from_the_report_of_findings_drawn_at_random_is_fhir_from_the_findings() -> None:
    chance = random.Random(5)
    for _ in range(10):
        run = drawn(chance)
        sources = [radiograph_header()] if run.classes else series(slices=3)
        sr, _ = reports_of(run, sources, with_seg=False)
        assert_same_resources(findings_in(sr), run)


@pytest.mark.parametrize("syntax", ["+ti", "+tb", "+td"])
def test_a_report_that_dcmtk_has_encoded_anew_gives_the_same_findings(syntax: str, tmp_path: Path) -> None:
    run = tracked(classified())
    sr, _ = reports_of(run, [radiograph_header()])
    (tmp_path / "ours.dcm").write_bytes(encoded(sr))
    subprocess.run(["/usr/bin/dcmconv", syntax, tmp_path / "ours.dcm", tmp_path / "other.dcm"], check=True)
    assert_same_resources(findings_in(dcmread(tmp_path / "other.dcm")), run)
    assert read_file(tmp_path / "other.dcm") == read(sr)


def test_the_command_says_what_was_read_and_fails_for_what_cannot_be(tmp_path: Path) -> None:
    sr, _ = reports_of(tracked(VOLUMES["partial"]), series())
    good, bad, missing = tmp_path / "sr.dcm", tmp_path / "bad.dcm", tmp_path / "none.dcm"
    good.write_bytes(encoded(sr))
    bad.write_bytes(b"no DICOM")
    said = CliRunner().invoke(app, ["sr", *map(str, (good, bad, missing))])
    assert said.exit_code == 2
    lines = [" ".join(line.split()) for line in said.output.splitlines()]
    for line in (
        "title (template): Imaging Measurement Report (1500)",
        "state: complete, unverified, preliminary, 111242",
        "algorithm: brain-tumour-demo 1.0.0",
        "findings, absent: 2, 1",
        "measurements: 6",
        "not understood: 0",
        "the file is not DICOM, or is damaged: ask its sender for it again",
    ):
        assert line in lines
    assert "No such file" in said.output
    assert "Anna" not in said.output


@pytest.mark.parametrize("form", SegmentationForm)
def test_voxels_colours_and_label_map_come_back_with_the_segmentation(form: SegmentationForm) -> None:
    run = tracked(findings())
    sr, segs = reports_of(run, series(direction=-1), form=form)
    back = findings_in(sr, *segs)
    assert back.label_map is not None
    np.testing.assert_array_equal(back.label_map, label_map())
    for ours, original in zip(back.segments, run.segments, strict=True):
        assert (ours.voxels, ours.tracking_uid, ours.label) == (original.voxels, original.tracking_uid, original.label)
        if original.voxels:
            assert ours.category == original.category
            assert np.abs(np.subtract(ours.color, original.color)).max() <= 1
    without = findings_in(sr)
    assert without.label_map is None
    assert [each.voxels for each in without.segments] == [1, 0, 1]


def with_diameter(run: Findings, diameter: Diameter) -> Findings:
    segments = tuple(replace(each, longest_diameter=diameter) if each.voxels else each for each in run.segments)
    return replace(run, segments=segments)


@pytest.mark.parametrize("with_seg", [True, False], ids=["region", "no region"])
def test_the_ends_of_the_longest_diameter_come_back_where_they_make_a_line(with_seg: bool) -> None:
    there, here = (-12.3456, 7.5, 1000.125), (3.0, -0.0625, 8.25)
    for diameter in (Diameter(991.9, there, here), Diameter(0.0, here, here), Diameter(7.0, (nan, nan, nan), here)):
        sr, segs = reports_of(with_diameter(findings(), diameter), series("oblique"), with_seg=with_seg)
        for segment in findings_in(sr, *segs).present:
            back = segment.longest_diameter
            assert back is not None
            assert back.length_mm == diameter.length_mm
            if diameter.length_mm == 991.9:
                np.testing.assert_allclose([back.start_mm, back.end_mm], [there, here], rtol=1e-6)
            else:
                assert all(map(isnan, (*back.start_mm, *back.end_mm)))


def test_a_prior_s_tracking_identifier_names_its_label_for_any_version_of_the_model() -> None:
    assert label_in("Oedema, left, demo 0.9", "demo") == "Oedema, left"
    assert label_in("Oedema, left, other 0.9", "demo") is None
    run = findings()  # its tracking identifiers are not those of the node
    sr, segs = reports_of(run, series())
    assert [each.label for each in findings_in(sr, *segs).segments] == ["Necrosis", "Edema", "Enhancing tumour"]


def test_the_moment_is_the_same_in_the_time_zone_of_the_source() -> None:
    sources = series()
    for ds in sources:
        ds.TimezoneOffsetFromUTC = "-0500"
    back = findings_in(reports_of(findings(), sources)[0])
    assert back.started_at == findings().started_at == datetime(2026, 1, 4, 11, 22, 33, tzinfo=UTC)
    assert back.started_at.isoformat() == "2026-01-04T06:22:33-05:00"
    assert type(back.started_at) is datetime


def test_reports_that_are_not_ours_or_were_changed_are_refused() -> None:
    sr, segs = reports_of(findings(), series())
    other, _ = reports_of(replace(findings(), run_id="run-2"), series())
    (seg,) = segs
    with pytest.raises(InputError, match="no report but Segmentation Storage"):
        findings_in(seg)
    with pytest.raises(InputError, match="the segmentation is not that of run run-2"):
        findings_in(other, seg)
    with pytest.raises(InputError, match="the segmentation is not that of run run-1"):
        findings_in(sr, sr)
    sr.SOPInstanceUID = "2.25.1"
    with pytest.raises(InputError, match="its SOPInstanceUID is another's"):
        findings_in(sr)
    del other.ContributingEquipmentSequence
    with pytest.raises(InputError, match="not of ainode"):
        findings_in(other)


CHANGES = {
    "111017": "lacks its summary",
    "121106": "lacks its summary or its comments",
    "122405": "does not name its model",
    "121071": "without a finding",
    "363698007": "without a finding site",
    "118565006": "without its measurement 118565006",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_report_that_lost_an_item_is_refused(name: str) -> None:
    sr, _ = reports_of(findings(), series())
    for parent in [sr, *content_below(sr)]:
        kept = [each for each in parent.get("ContentSequence", ()) if each.ConceptNameCodeSequence[0].CodeValue != name]
        if "ContentSequence" in parent:
            parent.ContentSequence = kept
    with pytest.raises(InputError, match=CHANGES[name]):
        findings_in(sr)


@pytest.mark.parametrize("form", SegmentationForm)
def test_of_a_segmentation_on_frames_of_an_image_the_voxels_come_back_but_no_label_map(form: SegmentationForm) -> None:
    sources = enhanced_sources()
    run = tracked(findings())
    sr, segs = reports_of(run, sources, form=form)
    back = findings_in(sr, *segs)
    assert back.label_map is None
    assert [each.voxels for each in back.segments] == [each.voxels for each in run.segments]
    assert_same_resources(back, run)


def enhanced_sources() -> list[Dataset]:
    """The series as frames of one enhanced image."""
    sources = series()
    for number, ds in enumerate(sources, start=1):
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4.1", "2.25.77"
        ds.NumberOfFrames, ds.ReferencedFrameNumber = len(sources), number
    return sources
