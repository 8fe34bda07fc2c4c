"""pynetdicom's state machine (PS3.8 9.2), also for what its actions cannot stand."""

import queue
from collections.abc import Callable
from contextlib import suppress

import structlog
from pynetdicom.association import Association
from pynetdicom.fsm import InvalidEventError

_log = structlog.get_logger()

_TRANSPORT_CLOSED, _INVALID_PDU = "Evt17", "Evt19"  # PS3.8 Table 9-10
_ABORT_RECEIVED = "Evt16"


def keep_going(association: Association) -> None:
    """Have an association aborted when what comes makes pynetdicom fail; call it before its threads have begun.

    pynetdicom lets the exception end the thread: nobody hears that the association is over, neither the peer nor we,
    who hold the half of an object, or, when it was the other thread, a connection that no time-out ends.
    """
    _guard_actions(association)
    association.acse.negotiate_association = _or_abort(  # type: ignore[method-assign]
        association, association.acse.negotiate_association
    )
    association._run_reactor = _or_abort(association, association._run_reactor)  # type: ignore[method-assign]


def _or_abort(association: Association, part: Callable[[], None]) -> Callable[[], None]:
    def guarded() -> None:
        try:
            part()
        except Exception:  # noqa: BLE001 - the edge: whatever pynetdicom makes of it, the peer hears the end
            _tell(association)
            association.abort()

    return guarded


def _guard_actions(association: Association) -> None:
    dul = association.dul
    act = dul.state_machine.do_action

    def do_action(event: str) -> None:
        try:
            act(event)
        except InvalidEventError:  # a primitive of ours that came too late: the association is ending already
            with suppress(queue.Empty):
                dul.to_provider_queue.get(block=False)
        except Exception:
            if event in (_TRANSPORT_CLOSED, _INVALID_PDU):  # which are what we have left
                raise
            _tell(association)
            dul._kill_thread = False  # set by the action that failed
            dul.event_queue.put(_TRANSPORT_CLOSED if event == _ABORT_RECEIVED else _INVALID_PDU)

    dul.state_machine.do_action = do_action  # type: ignore[method-assign]  # pynetdicom offers no hook


def _tell(association: Association) -> None:
    _log.warning("message not understood", address=association.requestor.address, exc_info=True)
