"""Every kind of result that the node can write. One line makes another."""

from dataclasses import replace

from ainode_conformance.kinds.findings import (
    always,
    broken_off,
    chest,
    many_labels,
    nothing,
    partial,
    probable,
    remarked,
    segmented,
    shown,
)
from ainode_conformance.kinds.kind import PROBABLE, Kind
from ainode_conformance.kinds.reviews import accepted, edited, rejected
from ainode_conformance.kinds.samples import classified, dicom_sources, with_prior
from ainode_dicom_sr.segmentation_form import SegmentationForm
from ainode_fhir.order import Number, Order
from ainode_fhir.site import Site
from ainode_models.findings import Algorithm, Code

_FOUND = always(dicom_sources.findings())
_CLASSIFIED = always(shown(classified.classified()))
_NO_MAPS = "probability maps, for the memory did not suffice"
_NO_HEAT = "heat maps, for the model could not make them"
_SITE = Site(
    organization="Radiology of a hospital",
    report_status="preliminary",
    base_url="https://node.example/fhir",
    node_version="0.1.0",
    patient_system="http://hospital.example/patient",
    accession_system="http://hospital.example/accession",
)
_ORDER = Order(
    status="active",
    placer=Number("PL-1", "RIS", "1.2.276.0.99"),
    filler=Number("FI-1", "RIS"),
    procedure=Code("MRHEAD", "LOCAL", "MR head"),
    priority="urgent",
    authored="2026-01-04T15:00:00+01:00",
    wanted="2026-01-05",
)
_UNCHANGED = replace(_SITE, reviewed_status="unchanged")
_PLAIN: Algorithm = replace(dicom_sources.ALGORITHM, parameters=1_234_567)
KINDS = (
    # How a run can end, of each family
    Kind("segmentation: findings", "MR axial", _FOUND),
    Kind("segmentation: nothing", "MR axial", always(nothing())),
    Kind("segmentation: remarks", "MR axial", always(replace(remarked(), algorithm=_PLAIN))),
    Kind("segmentation: 20 labels", "MR axial", always(many_labels(20))),
    Kind("segmentation: failed", "MR axial", always(dicom_sources.failed())),
    Kind("segmentation: refused", "MR axial", always(dicom_sources.refused())),
    Kind("nnU-Net tumour", "MR axial", segmented("brain-tumour-demo")),
    Kind("nnU-Net tumour: nothing", "MR axial", segmented("brain-tumour-demo", found=False)),
    Kind("nnU-Net tumour: failed", "MR axial", broken_off("brain-tumour-demo")),
    Kind("Keras tumour", "MR axial", segmented("brain-tumour-keras-demo")),
    Kind("Keras tumour: refused", "MR axial", broken_off("brain-tumour-keras-demo", refused=True)),
    Kind("nnU-Net head", "MR axial", segmented("t1-head-demo")),
    Kind("chest X-ray: finding", "DX", chest(0.9, 0.05, 0.03, 0.02)),
    Kind("chest X-ray: normal", "DX", chest(0.05, 0.05, 0.85, 0.05)),
    Kind("chest X-ray: human must", "DX", chest(0.4, 0.3, 0.2, 0.1)),
    Kind("chest X-ray: doubtful", "DX", chest(0.7, 0.1, 0.1, 0.1, doubtful=True)),
    Kind("chest X-ray: refused", "DX", broken_off("chest-xray-demo", refused=True)),
    Kind("chest X-ray: failed", "DX", broken_off("chest-xray-demo")),
    Kind("classifier: all decisions", "DX", _CLASSIFIED),
    Kind("classifier: nothing", "DX", always(shown(classified.nothing_classified()))),
    Kind("classifier: refused", "DX", always(classified.not_classified())),
    # The answer is there, and something lacks that was asked for beside it
    Kind("segmentation: partial", "MR axial", partial(_FOUND, _NO_MAPS), PROBABLE),
    Kind("segmentation: partial, nothing", "MR axial", partial(always(nothing()), _NO_MAPS), PROBABLE),
    Kind("chest X-ray: partial", "DX", partial(chest(0.9, 0.05, 0.03, 0.02), _NO_HEAT)),
    Kind("chest X-ray: partial, normal", "DX", partial(chest(0.05, 0.05, 0.85, 0.05), _NO_HEAT)),
    # Compared with a prior
    Kind("compared with a prior", "MR axial", always(with_prior(dicom_sources.findings()))),
    # Probabilities of voxels
    Kind("probabilities", "MR axial", probable(_FOUND), PROBABLE),
    Kind("probabilities of nnU-Net tumour", "MR oblique", probable(segmented("brain-tumour-demo")), PROBABLE),
    Kind("probabilities, nothing", "MR axial", probable(always(nothing())), PROBABLE),
    Kind("probabilities of 20 labels", "CT", probable(always(many_labels(20))), PROBABLE),
    Kind("probabilities on enhanced MR", "MR enhanced", probable(_FOUND), PROBABLE),
    Kind("probabilities, against the normal", "MR against the normal", probable(_FOUND), ("seg", "pm")),
    Kind("probabilities on poor headers", "MR poor header", probable(_FOUND), ("seg", "pm")),
    Kind("probabilities on lossy images", "MR lossy", probable(_FOUND), ("seg", "pm", "fhir")),
    # Sources
    Kind("on MR against the normal", "MR against the normal", _FOUND),
    Kind("on MR sagittal", "MR sagittal", _FOUND),
    Kind("on MR coronal", "MR coronal", _FOUND),
    Kind("on MR oblique", "MR oblique", _FOUND),
    Kind("on CT", "CT", _FOUND),
    Kind("on enhanced MR", "MR enhanced", _FOUND),
    Kind("on enhanced CT", "CT enhanced", _FOUND),
    Kind("on CR", "CR", _CLASSIFIED),
    Kind("on lossy images", "MR lossy", _FOUND),
    Kind("on poor headers", "MR poor header", _FOUND),
    Kind("name in Latin-1", "MR Latin-1", _FOUND),
    Kind("name in Japanese", "MR Japanese", _FOUND),
    Kind("another time zone", "MR time zone", _FOUND),
    # Options
    Kind("segmentation alone", "MR axial", _FOUND, ("seg",)),
    Kind("label map", "MR axial", _FOUND, form=SegmentationForm.LABELMAP),
    Kind("label map of 20 labels", "MR oblique", always(many_labels(20)), form=SegmentationForm.LABELMAP),
    Kind("label map on enhanced MR", "MR enhanced", _FOUND, form=SegmentationForm.LABELMAP),
    Kind("split", "MR axial", _FOUND, form=SegmentationForm.SPLIT),
    Kind("split of 20 labels", "MR oblique", always(many_labels(20)), form=SegmentationForm.SPLIT),
    Kind("split on enhanced MR", "MR enhanced", _FOUND, form=SegmentationForm.SPLIT),
    Kind("report without segmentation", "MR axial", _FOUND, ("sr",)),
    Kind("report and key images", "MR axial", _FOUND, ("sr", "sc")),
    Kind("report without heat maps", "DX", _CLASSIFIED, ("sr",)),
    Kind("page alone", "MR axial", _FOUND, ("pdf",)),
    Kind("FHIR alone", "MR axial", _FOUND, ("fhir",)),
    Kind("FHIR as the site says", "MR axial", _FOUND, ("seg", "sr", "fhir"), _SITE),
    Kind("FHIR of a failure, site", "MR axial", always(dicom_sources.failed()), ("sr", "fhir"), _SITE),
    Kind("FHIR with an order", "MR axial", _FOUND, ("sr", "fhir"), _SITE, order=_ORDER),
    Kind("replaces a result", "MR axial", _FOUND, ("seg", "sr", "fhir"), replaces=True),
    Kind("failure replaces", "MR axial", always(dicom_sources.failed()), ("sr", "fhir"), replaces=True),
    # Before the result, and after it
    Kind("announced", "MR axial", _FOUND, ("fhir",), announced=True),
    Kind("announced, poor headers", "MR poor header", _FOUND, ("fhir",), _SITE, announced=True),
    Kind("accepted", "MR axial", _FOUND, ("pdf", "fhir"), review=accepted),
    Kind("accepted, nothing", "MR axial", always(nothing()), ("fhir",), review=accepted),
    Kind("accepted, classes", "DX", _CLASSIFIED, ("fhir",), review=accepted),
    Kind("accepted, status of the site", "MR axial", _FOUND, ("fhir",), _UNCHANGED, review=accepted),
    Kind("edited", "MR axial", _FOUND, ("fhir",), review=edited),
    Kind("edited, classes", "DX", _CLASSIFIED, ("fhir",), review=edited),
    Kind("edited, compared", "MR axial", always(with_prior(dicom_sources.findings())), ("fhir",), review=edited),
    Kind("rejected", "MR axial", _FOUND, ("fhir",), review=rejected),
)
