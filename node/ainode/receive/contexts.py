"""Which SOP classes and transfer syntaxes the listener accepts (PS3.8 9.3.3, PS3.7 D.3.3)."""

from collections.abc import Iterable
from copy import copy

from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_context
from pynetdicom.pdu_primitives import SOPClassCommonExtendedNegotiation
from pynetdicom.presentation import PresentationContext

from ainode.receive.options import ListenerOptions

VERIFICATION = UID("1.2.840.10008.1.1")
STORAGE_COMMITMENT = UID("1.2.840.10008.1.20.1")
_STORAGE_SERVICE = UID("1.2.840.10008.4.2")

_CURRENT = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
_ROOT = "1.2.840.10008.5.1.4.1.1."
_RETIRED_ENDINGS = (
    *("3", "5", "6", "8", "9", "9.1", "10", "11", "12.3", "77.1", "77.2"),
    *("88.1", "88.2", "88.3", "88.4", "129"),
)
STORAGE_CLASSES = _CURRENT | {_ROOT + ending for ending in _RETIRED_ENDINGS}
"""Storage SOP classes of PS3.4 B.5, and those that PS3.6 calls retired but old archives still send."""

_BEST = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    RLELossless,
)
_ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""Accepted where no images are sent."""
TRANSFER_SYNTAXES = tuple(dict.fromkeys([*map(str, _BEST), *ALL_TRANSFER_SYNTAXES, _ENCAPSULATED_UNCOMPRESSED]))
"""Accepted for every storage SOP class, best first: of several in one context a lossless one is chosen."""
_ANY_CLASS = build_context(VERIFICATION, list(TRANSFER_SYNTAXES))


def is_stored(sop_class_uid: str, options: ListenerOptions) -> bool:
    """Whether objects of this SOP class are stored; unknown is what PS3.6 Table A-1 does not name."""
    return (
        sop_class_uid in STORAGE_CLASSES
        or sop_class_uid in options.private_sop_classes
        or (options.accept_unknown and UID(sop_class_uid).name == sop_class_uid)
    )


def supported_contexts(proposed: Iterable[str], options: ListenerOptions) -> list[PresentationContext]:
    """Verification, and what is stored, of the ``proposed`` abstract syntaxes, each with all our transfer syntaxes."""
    return [_storage_context(uid) for uid in dict.fromkeys(proposed) if uid == VERIFICATION or is_stored(uid, options)]


def _storage_context(uid: str) -> PresentationContext:
    # A copy, with the one list of transfer syntaxes: pynetdicom checks each UID that it is given, which took 30 ms for
    # the 120 SOP classes that dcmtk's storescu proposes.
    context = copy(_ANY_CLASS)
    context.abstract_syntax = UID(uid)
    return context


def commitment_contexts(proposed: Iterable[str]) -> list[PresentationContext]:
    """Storage commitment, if it is among the ``proposed`` abstract syntaxes."""
    return [build_context(STORAGE_COMMITMENT, list(PLAIN))] if STORAGE_COMMITMENT in proposed else []


def storage_services(proposed: Iterable[str], options: ListenerOptions) -> dict[UID, SOPClassCommonExtendedNegotiation]:
    """Say that SOP classes which pynetdicom does not know belong to the Storage service (PS3.7 D.3.3.6).

    Its ``UNRESTRICTED_STORAGE_SERVICE`` and ``register_uid`` would say so for the whole process.
    """
    return {
        UID(uid): _storage_service(uid)
        for uid in proposed
        if uid not in _CURRENT and uid != VERIFICATION and is_stored(uid, options)
    }


def _storage_service(uid: str) -> SOPClassCommonExtendedNegotiation:
    item = SOPClassCommonExtendedNegotiation()
    item.sop_class_uid = UID(uid)
    item.service_class_uid = _STORAGE_SERVICE
    return item
