"""Reports in TID 1500 by other writers: highdicom with every kind of group that it knows, and dcmqi."""

import json
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from highdicom import sr
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from ainode_dicom_sr.objects import encoded
from peers.dicom_checkers import report_measurements
from peers.dicom_sources import write

_DCMQI = Path(sysconfig.get_path("scripts"))
_SQUARE = np.array([[1.0, 1], [2, 1], [2, 2], [1, 1]])
_IN_SPACE = np.hstack([_SQUARE, np.ones((4, 1))])
_AXES = np.array([[1.0, 1, 1], [2, 1, 1], [1, 2, 1], [1, 3, 1], [1, 1, 2], [1, 1, 3]])


def by_highdicom(sources: Sequence[Dataset], segmentation: Dataset) -> Dataset:
    """One report with each kind of region, and with all that may stand around and below a measurement."""
    image = sources[0]
    report = sr.MeasurementReport(
        observation_context=_context(),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[*_planar(image, segmentation), *_volumetric(image, segmentation), _plain(image)],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=sources[:3],
    )
    return sr.Comprehensive3DSR(
        evidence=[*sources, segmentation],
        content=report[0],
        series_number=1,
        series_instance_uid="2.25.11",
        sop_instance_uid="2.25.12",
        instance_number=1,
        manufacturer="highdicom",
        is_complete=True,
    )


def by_dcmqi(report: Dataset, sources: Sequence[Dataset], segmentation: Dataset, folder: Path) -> Dataset:
    """The groups with segments of ``report``, as dcmqi read them and wrote them again."""
    (folder / "seg.dcm").write_bytes(encoded(segmentation))
    (folder / "sr.dcm").write_bytes(encoded(report))
    images = write(sources, folder / "sources")
    groups = [group for group in report_measurements(folder / "sr.dcm", folder) if "ReferencedSegment" in group]
    for group in groups:
        del group["qualitativeEvaluations"]  # to the reader, whatever it has no name for
    metadata = {
        "SeriesDescription": "Measurements",
        "SeriesNumber": "5",
        "InstanceNumber": "1",
        "compositeContext": ["seg.dcm"],
        "imageLibrary": [path.name for path in images[:3]],
        "observerContext": {"ObserverType": "PERSON", "PersonObserverName": "Reader"},
        "VerificationFlag": "UNVERIFIED",
        "CompletionFlag": "COMPLETE",
        "activitySession": "1",
        "timePoint": "1",
        "Measurements": groups,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    command = {
        "--inputImageLibraryDirectory": folder / "sources",
        "--inputCompositeContextDirectory": folder,
        "--inputMetadata": folder / "metadata.json",
        "--outputDICOM": folder / "out.dcm",
    }
    words = [str(word) for option in command.items() for word in option]
    subprocess.run([_DCMQI / "tid1500writer", *words], check=True, capture_output=True, timeout=60)
    return dcmread(folder / "out.dcm")


def _tracking(number: int) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=f"2.25.{number}", identifier=f"number {number}")


def _algorithm() -> sr.AlgorithmIdentification:
    family = codes.cid7162.ArtificialIntelligence
    return sr.AlgorithmIdentification(name="a", version="1", family=family, parameters=["x", "y"])


def _site() -> sr.FindingSite:
    return sr.FindingSite(codes.SCT.Brain, laterality=codes.SCT.Left)


def _measurement(**references: Any) -> sr.Measurement:
    limit = sr.NumContentItem(
        name=codes.SCT.NormalRangeUpperLimit,
        value=5.0,
        unit=codes.UCUM.SquareMillimeter,
        relationship_type=sr.RelationshipTypeValues.HAS_PROPERTIES,
    )
    return sr.Measurement(
        name=codes.SCT.AreaOfDefinedRegion,
        value=2.0,
        unit=codes.UCUM.SquareMillimeter,
        method=Code("126410", "DCM", "SUV body weight calculation method"),
        derivation=codes.cid7464.Maximum,
        finding_sites=[_site()],
        algorithm_id=_algorithm(),
        properties=sr.MeasurementProperties(
            normality=codes.SCT.Normal,
            level_of_significance=codes.SCT.NotSignificant,
            normal_range_properties=sr.NormalRangeProperties(values=[limit], description="d", authority="a"),
            upper_measurement_uncertainty=1.0,
        ),
        **references,
    )


def _around() -> dict[str, Any]:
    offset = sr.LongitudinalTemporalOffsetFromEvent(value=5, unit=codes.UCUM.Day, event_type=codes.DCM.Baseline)
    return {
        "finding_type": codes.SCT.Neoplasm,
        "finding_category": codes.SCT.MorphologicallyAbnormalStructure,
        "finding_sites": [_site()],
        "qualitative_evaluations": [sr.QualitativeEvaluation(codes.DCM.LevelOfSignificance, codes.SCT.Significant)],
        "algorithm_id": _algorithm(),
        "session": "one",
        "time_point_context": sr.TimePointContext(
            time_point="1",
            time_point_type=codes.DCM.Posttreatment,
            time_point_order=1,
            subject_time_point_identifier="s",
            protocol_time_point_identifier="p",
            temporal_offset_from_event=offset,
        ),
    }


def _planar(image: Dataset, segmentation: Dataset) -> list[Any]:
    source = sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID)
    space = sr.ImageRegion3D(sr.GraphicTypeValues3D.POLYGON, _IN_SPACE, image.FrameOfReferenceUID)
    origin = sr.SourceImageForSegmentation(image.SOPClassUID, image.SOPInstanceUID)
    frame = sr.ReferencedSegmentationFrame(segmentation.SOPClassUID, segmentation.SOPInstanceUID, 1, 1, origin)
    regions: list[dict[str, Any]] = [
        {"referenced_region": sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, _SQUARE, source)},
        {"referenced_region": space, "geometric_purpose": codes.DCM.Outline},
        {"referenced_segment": frame},
    ]
    return [
        sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(number), measurements=[_measurement()], **region, **_around()
        )
        for number, region in enumerate(regions, start=21)
    ]


def _volumetric(image: Dataset, segmentation: Dataset) -> list[Any]:
    source = sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID)
    region = sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, _SQUARE, source)
    origins = [sr.SourceImageForSegmentation(image.SOPClassUID, image.SOPInstanceUID)]
    ellipsoid = sr.GraphicTypeValues3D.ELLIPSOID
    surface = sr.VolumeSurface(ellipsoid, _AXES[None], image.FrameOfReferenceUID, source_images=origins)
    segment = sr.ReferencedSegment(
        segmentation.SOPClassUID, segmentation.SOPInstanceUID, segment_number=1, source_images=origins
    )
    regions: list[dict[str, Any]] = [
        {"referenced_regions": [region, region]},
        {"referenced_volume_surface": surface},
        {"referenced_segment": segment},
    ]
    return [
        sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(number), measurements=[_measurement()], **region, **_around()
        )
        for number, region in enumerate(regions, start=31)
    ]


def _plain(image: Dataset) -> Any:
    source = sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID)
    path = sr.CoordinatesForMeasurement(sr.GraphicTypeValues.POLYLINE, _SQUARE[:2], source)
    images = [sr.SourceImageForMeasurement(image.SOPClassUID, image.SOPInstanceUID)]
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(41),
        source_images=[sr.SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)],
        method=codes.cid6147.concepts[min(codes.cid6147.concepts)],
        measurements=[
            _measurement(referenced_coordinates=[path], referenced_images=images, tracking_identifier=_tracking(42))
        ],
        **_around(),
    )


def _context() -> sr.ObservationContext:
    person = sr.PersonObserverIdentifyingAttributes(name="Doe^John", login_name="d", organization_name="o")
    device = sr.DeviceObserverIdentifyingAttributes(uid="2.25.51", manufacturer_name="M", model_name="N", name="n")
    specimen = sr.SubjectContextSpecimen(uid="2.25.52", identifier="1", container_identifier="c")
    return sr.ObservationContext(
        observer_person_context=sr.ObserverContext(codes.DCM.Person, person),
        observer_device_context=sr.ObserverContext(codes.DCM.Device, device),
        subject_context=sr.SubjectContext(codes.DCM.Specimen, specimen),
    )
