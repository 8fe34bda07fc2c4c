"""Whether the pixels that an object announces can be there, judged without reading them."""

from collections.abc import Mapping

from pydicom.uid import UID

from ainode.receive.elements import PIXEL_DATA, Element
from ainode.receive.encoding import UNDEFINED, Encoding
from ainode_models.errors import InstanceError

_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS = (
    0x00280002,
    0x00280004,
    0x00280008,
    0x00280010,
    0x00280011,
    0x00280100,
)
_FLOAT, _DOUBLE, _PROVIDER_URL = 0x7FE00008, 0x7FE00009, 0x00287FE0
_NATIVE = (PIXEL_DATA, _FLOAT, _DOUBLE)
PIXEL_TAGS = (_SAMPLES, _PHOTOMETRIC, _FRAMES, _ROWS, _COLUMNS, _BITS, *_NATIVE, _PROVIDER_URL)
"""Elements that ``check_pixel_data`` looks at."""


def check_pixel_data(elements: Mapping[int, Element], encoding: Encoding, *, sop_class_uid: str) -> None:
    """InstanceError when an image has no pixel data, or native pixel data shorter than its frames (PS3.5 8.1)."""
    pixels = next((elements[tag] for tag in _NATIVE if tag in elements), None)
    if pixels is None:
        if _is_image(sop_class_uid) and _PROVIDER_URL not in elements:
            raise InstanceError("truncated: an image without PixelData (7FE0,0010); send the object again")
    elif pixels.length != UNDEFINED and pixels.length < (expected := _native_length(elements, encoding)):
        raise InstanceError(
            f"PixelData (7FE0,0010) has {pixels.length} bytes, but its frames need {expected}; send the object again"
        )


def _is_image(sop_class_uid: str) -> bool:
    """SOP classes whose IOD requires pixel data; of others a part may be missing without a trace."""
    name = UID(sop_class_uid).name
    return "Image Storage" in name or name in ("Segmentation Storage", "Parametric Map Storage")


def _native_length(elements: Mapping[int, Element], encoding: Encoding) -> int:
    """Bytes of all frames, uncompressed."""
    rows, columns, bits = (_number(elements, encoding, tag, 0) for tag in (_ROWS, _COLUMNS, _BITS))
    samples = _number(elements, encoding, _SAMPLES, 1)
    total = rows * columns * bits * samples * _frames(elements)
    if _PHOTOMETRIC in elements and elements[_PHOTOMETRIC].value.rstrip(b"\0 ").endswith(b"_422"):
        total = total * 2 // 3  # PS3.3 C.7.6.3.1.2: chrominance at half the horizontal rate
    return (total + 7) // 8


def _number(elements: Mapping[int, Element], encoding: Encoding, tag: int, default: int) -> int:
    value = elements[tag].value if tag in elements else b""
    return encoding.numbers("H", value[:2])[0] if len(value) >= 2 else default


def _frames(elements: Mapping[int, Element]) -> int:
    text = elements[_FRAMES].value.decode("ascii", "replace").strip("\0 ") if _FRAMES in elements else ""
    return int(text) if text.isascii() and text.isdigit() else 1
