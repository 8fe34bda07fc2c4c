"""pynetdicom's state machine (PS3.8 9.2), also for what its actions cannot stand."""

import queue
from contextlib import suppress

import structlog
from pynetdicom.association import Association
from pynetdicom.fsm import InvalidEventError

_log = structlog.get_logger()

_TRANSPORT_CLOSED, _INVALID_PDU = "Evt17", "Evt19"  # PS3.8 Table 9-10
_ABORT_RECEIVED = "Evt16"


def keep_going(association: Association) -> None:
    """Abort an association when one of its PDUs makes an action fail, before its thread has begun.

    pynetdicom lets the exception end the thread: nobody hears that the association is over, neither the peer nor we,
    who hold the half of an object.
    """
    dul = association.dul
    act = dul.state_machine.do_action

    def do_action(event: str) -> None:
        try:
            act(event)
        except InvalidEventError:  # a primitive of ours that came too late: the association is ending already
            with suppress(queue.Empty):
                dul.to_provider_queue.get(block=False)
        except Exception as exc:
            if event in (_TRANSPORT_CLOSED, _INVALID_PDU):  # which are what we have left
                raise
            _log.warning("message not understood", address=association.requestor.address, error=type(exc).__name__)
            dul._kill_thread = False  # noqa: SLF001 - set by the action that failed
            dul.event_queue.put(_TRANSPORT_CLOSED if event == _ABORT_RECEIVED else _INVALID_PDU)

    dul.state_machine.do_action = do_action  # type: ignore[method-assign]  # pynetdicom offers no hook
