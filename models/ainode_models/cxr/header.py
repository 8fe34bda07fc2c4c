"""What the header says of a radiograph: whether it can be a frontal chest at all."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from ainode_models.errors import InputError
from ainode_models.radiograph import Radiograph

MODALITIES = ("CR", "DX", "RG")
"""``Modality`` (PS3.3 C.7.3.1.1.1)."""
FRONTAL: Mapping[str, str] = MappingProxyType(
    {
        "PA": "PA",
        "AP": "AP",
        "POSTERO ANTERIOR": "PA",
        "POSTEROANTERIOR": "PA",
        "POSTERIOR ANTERIOR": "PA",
        "ANTERO POSTERIOR": "AP",
        "ANTEROPOSTERIOR": "AP",
        "ANTERIOR POSTERIOR": "AP",
    }
)
"""``ViewPosition`` (PS3.3 C.8.1.2) and the meanings of CID 4010, without their punctuation."""

_CHEST = re.compile(r"\b(CHEST|THORAX|LUNGS?|TORAX|PULMON\w*)")
_FINE = re.compile(r" (VIEW|PROJECTION|ERECT|SUPINE|PORTABLE)\b")


def says_frontal_chest(image: Radiograph) -> bool:
    """Whether the header names all of modality, chest and a frontal view; False where it leaves one out.

    Raises `InputError` where it names something else.
    """
    if image.modality and image.modality.upper() not in MODALITIES:
        raise InputError(
            f"Modality is {image.modality}, but the model takes chest radiographs ({', '.join(MODALITIES)}); "
            "choose the series of the radiograph in the rule"
        )
    part, view = _plain(image.body_part), _FINE.sub("", _plain(image.view))
    if part and not _CHEST.search(part):
        raise InputError(
            f"BodyPartExamined is {image.body_part!r}, but the model takes the chest only (CHEST, THORAX, LUNG); "
            "send a chest radiograph, or correct the header"
        )
    if view and view not in FRONTAL:
        raise InputError(
            f"ViewPosition is {image.view!r}, but the model takes frontal views only (PA or AP); "
            "choose the frontal image of the study in the rule"
        )
    return bool(image.modality and part and view)


def _plain(text: str) -> str:
    return " ".join(re.split(r"[^A-Z0-9]+", text.upper())).strip()
