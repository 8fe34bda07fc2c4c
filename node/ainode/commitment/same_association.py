"""N-EVENT-REPORT on the association that the question came on, from its own thread."""

import time
from io import BytesIO
from typing import cast

from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # the names are made at import
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from ainode.commitment.verdict import Verdict
from ainode.journal.commitments import CommitmentRow
from ainode.receive.transport import BoundedSocket

_MESSAGE_ID = 1
_PAUSE_S = 0.005
_PATIENCE_S = 30.0


def report_here(
    association: Association, context_id: int, row: CommitmentRow, verdict: Verdict, *, linger_s: float
) -> bool:
    """Report when the peer stays quiet for ``linger_s``; whether it confirmed the report with Success.

    Called in the thread that serves the association, which therefore takes nothing from its queues meanwhile.
    """
    if not _stays(association, linger_s):
        return False
    association.dimse.send_msg(_message(association, context_id, row, verdict), context_id)
    return _status(association) == 0


def _stays(association: Association, seconds: float) -> bool:
    """Whether the peer neither leaves nor sends anything for so long."""
    deadline = time.monotonic() + seconds
    before = _received(association)
    while (quiet := _goes_on(association) and _received(association) == before) and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)
    return quiet and association.dimse.msg_queue.empty()


def _received(association: Association) -> int | None:
    """Bytes so far; None once the connection is gone."""
    transport = association.dul.socket
    return transport.received if isinstance(transport, BoundedSocket) else None


def _goes_on(association: Association) -> bool:
    """Whether nobody asked for the end; the next primitive, which would say so, stays where it is."""
    return association.is_established and association.dul.is_alive() and association.dul.peek_next_pdu() is None


def _message(association: Association, context_id: int, row: CommitmentRow, verdict: Verdict) -> N_EVENT_REPORT:
    (context,) = [each for each in association.accepted_contexts if each.context_id == context_id]
    syntax = context.transfer_syntax[0]
    information = verdict.event_information(row.transaction_uid)
    encoded = encode(information, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    message = N_EVENT_REPORT()
    message.MessageID = _MESSAGE_ID
    message.AffectedSOPClassUID = StorageCommitmentPushModel
    message.AffectedSOPInstanceUID = StorageCommitmentPushModelInstance
    message.EventTypeID = verdict.event_type
    message.EventInformation = BytesIO(cast(bytes, encoded))
    return message


def _status(association: Association) -> int | None:
    """Status of the answer; None when none came. What else the peer sends meanwhile is served afterwards."""
    deadline = time.monotonic() + _PATIENCE_S
    aside = []
    status = None
    while status is None and _goes_on(association) and time.monotonic() < deadline:
        item = association.dimse.get_msg(block=False)
        message = item[1]
        if message is None:
            time.sleep(_PAUSE_S)
        elif isinstance(message, N_EVENT_REPORT) and message.MessageIDBeingRespondedTo == _MESSAGE_ID:
            status = message.Status
        else:
            aside.append(item)
    for item in aside:
        association.dimse.msg_queue.put(item)
    return status
