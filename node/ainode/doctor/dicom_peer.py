"""Asking peers over DIMSE: an association for what the node will need, and C-ECHO on it. No object is sent."""

from collections.abc import Sequence

from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # the names are made at import

from ainode.deliver.association import Peer, association
from ainode.doctor.finding import Finding, failed, ok
from ainode_models.errors import PeerRefused, PeerUnreachable


def ask(check: str, peer: Peer, also: Sequence[str] = ()) -> Finding:
    """C-ECHO; failed, too, when the peer does not take the SOP classes ``also``."""
    where = f"{peer.ae_title} at {peer.host}:{peer.port}"
    try:
        with association(peer, [Verification, *also]) as assoc:
            status = assoc.send_c_echo().get("Status")
    except PeerUnreachable:
        return failed(check, f"no association with {where}", "is it running, and does it know this node's AE title?")
    except PeerRefused as exc:
        return failed(check, str(exc), "have the peer accept it from this node")
    if status != 0:
        return failed(check, f"{where} does not answer C-ECHO with success", "look into its log")
    return ok(check, f"{where} answers C-ECHO")
