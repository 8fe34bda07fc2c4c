"""Which values may appear in an explanation: logs and screens must hold no patient data.

The attributes listed describe the equipment and the acquisition, not the patient; ``SeriesDescription`` and
``ProtocolName`` are free text (PS3.15 Table E.1-1 has them cleaned), yet without them no rule can be understood.
"""

import re

from ainode.route.attribute import Attribute, Value

_SHOWN = frozenset(
    re.findall(
        r"\w+",
        """
        ASLContext AcquisitionContrast AcquisitionMatrix AcquisitionNumber AcquisitionType AngioFlag BitsAllocated
        BitsStored ComplexImageComponent DiffusionDirectionality DiffusionGradientOrientation EffectiveEchoTime
        FrameAcquisitionNumber FrameReferenceTime InversionTimes NominalCardiacTriggerDelayTime
        NominalPercentageOfCardiacPhase TemporalPositionIndex TriggerTime VelocityEncodingDirection
        BodyPartExamined Columns ContrastBolusAgent ContrastBolusRoute ConversionType ConvolutionKernel
        DiffusionBValue EchoNumbers EchoTime EchoTrainLength FieldOfViewShape FilterType FlipAngle FrameLaterality
        FrameType ImageLaterality ImageType ImagedNucleus ImagesInAcquisition InstanceNumber InversionTime KVP
        Laterality LossyImageCompression MRAcquisitionType MagneticFieldStrength Manufacturer ManufacturerModelName
        Modality NumberOfAverages NumberOfFrames NumberOfTemporalPositions PatientPosition
        PhotometricInterpretation PixelBandwidth PixelPresentation PixelSpacing PresentationIntentType ProtocolName
        ReconstructionDiameter RepetitionTime RescaleIntercept RescaleSlope RescaleType Rows SOPClassUID
        SamplesPerPixel ScanOptions ScanningSequence SequenceName SequenceVariant SeriesDescription SeriesNumber
        SliceThickness SpacingBetweenSlices TemporalPositionIdentifier ViewPosition VolumetricProperties
        """,
    )
)
_PERSONAL_VRS = frozenset({"PN", "DA", "DT", "TM", "UI", "AS"})
_PERSONAL_NAME = re.compile(r"Patient|Person|Physician|Operator|Address|Telephone|Number$|Name$|IDs?$|Identifier")
_LONGEST = 48


def shows_value(attribute: Attribute) -> bool:
    """Whether a value of this attribute may be shown."""
    return attribute.label in _SHOWN


def shows_wish(attribute: Attribute) -> bool:
    """Whether what the rule wants may be shown: beside "fits" it would tell the value of a personal attribute."""
    personal = attribute.vr in _PERSONAL_VRS or _PERSONAL_NAME.search(attribute.label)
    return shows_value(attribute) or not personal


def shown(values: tuple[Value, ...]) -> str:
    """Values of an attribute that ``shows_value``, for people: ``'MR'``, ``0.5, 0.5``."""
    return ", ".join(_one(value) for value in values)


def _one(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "...")
