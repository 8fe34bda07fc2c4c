"""An association with a PACS, as its client."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.sop_class import LabelMapSegmentationStorage  # type: ignore[attr-defined]  # the names are made at import

from ainode_dicom_sr.objects import IMPLEMENTATION_CLASS_UID, implementation_version_name
from ainode_models.errors import PeerRefused, PeerUnreachable

_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


@dataclass(frozen=True)
class Peer:
    """Address of an application entity."""

    name: str
    """What the settings call it."""
    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    """AE title of this node."""
    timeout: float
    """Seconds to wait for each answer."""


@contextmanager
def association(
    peer: Peer, sop_classes: Sequence[str], *, roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = ()
) -> Iterator[Association]:
    """Established association that accepts all of ``sop_classes`` uncompressed; ``roles`` are proposed with them.

    Label Map Segmentation Storage may be accepted in RLE Lossless instead.

    Raises ``PeerUnreachable`` when there is none to be had, ``PeerRefused`` when a SOP class is rejected.
    """
    ae = AE(ae_title=peer.calling_ae_title)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = implementation_version_name()
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = peer.timeout
    for uid in sop_classes:
        compressed = (RLELossless,) if uid == LabelMapSegmentationStorage else ()
        ae.add_requested_context(uid, [*compressed, *_UNCOMPRESSED])
    assoc = ae.associate(peer.host, peer.port, ae_title=peer.ae_title, ext_neg=list(roles))
    try:
        # First: an association of which every context is rejected is not established either.
        names = [UID(context.abstract_syntax or "") for context in assoc.rejected_contexts]
        rejected = ", ".join(f"{uid.name} ({uid})" for uid in names)
        if rejected:
            raise PeerRefused(f"{peer.name} does not accept SOP class {rejected}")
        if not assoc.is_established:
            where = f"{peer.ae_title} at {peer.host}:{peer.port}"
            raise PeerUnreachable(
                f"{peer.name}: no association with {where}; is it running, and does it know this node?"
            )
        yield assoc
    except RuntimeError as exc:  # pynetdicom's word for a request on an association that has ended
        raise PeerUnreachable(f"{peer.name} ended the association between two requests") from exc
    finally:
        assoc.release()
