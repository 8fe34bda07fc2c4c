"""The C-STORE and C-ECHO SCP: an object is safe on disk before its sender hears ``Success``."""

import time
from collections.abc import Callable
from functools import partial
from socket import socket
from typing import cast

from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE, SOPClassCommonExtendedNegotiation
from pynetdicom.transport import ThreadedAssociationServer

from ainode.commitment.provider import CommitmentProvider
from ainode.receive.associations import AssociationTally
from ainode.receive.contexts import VERIFICATION, commitment_contexts, storage_services, supported_contexts
from ainode.receive.doorway import Doorway
from ainode.receive.intake import Intake
from ainode.receive.options import ListenerOptions
from ainode.receive.part10 import IMPLEMENTATION_VERSION_NAME
from ainode.receive.seats import Seats
from ainode.receive.spool import Spool
from ainode.receive.statuses import Status
from ainode.receive.store_lane import StoreLane
from ainode.receive.tls import TlsContext
from ainode.receive.transport import hang_up, prepare
from ainode.receive.upper_layer import keep_going
from ainode_dicom_sr.objects import IMPLEMENTATION_CLASS_UID
from ainode_models.errors import SettingsError

# PS3.8 Table 9-21: rejected permanently, by the service user, calling AE title not recognised. The standard has
# no reason for an address, and a stranger need not learn which of the two was wrong.
_CALLER_NOT_RECOGNISED = (1, 1, 3)
# The same: rejected for now, by the presentation service of the provider, local limit exceeded.
_LOCAL_LIMIT_EXCEEDED = (2, 3, 2)

_FAREWELL_S = 1.0
_AWAITS_REQUEST, _ENDS = "Sta2", ("Sta1", "Sta13")  # PS3.8 Table 9-1 to 9-5
_NO_LIMIT = 1_000_000
_BACKLOG = 128
"""Connections that the system keeps until they are accepted; pynetdicom's five would make many wait for a second."""


class Listener:
    """Receives until stopped."""

    def __init__(
        self,
        options: ListenerOptions,
        spool: Spool,
        *,
        commitment: CommitmentProvider | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._intake = Intake(spool)
        self._commitment = commitment
        self._clock = clock
        self._ae = _application_entity(options)
        self._seats = Seats(options.max_associations, hang_up=hang_up)
        self._doorway: Doorway | None = None
        self._server: ThreadedAssociationServer | None = None
        self._tls_server: ThreadedAssociationServer | None = None

    def start(self) -> None:
        """Listen in threads of its own; SettingsError when an address cannot be had or a certificate cannot be used."""
        tls = TlsContext(self._options.tls) if self._options.tls else None
        self._doorway = Doorway(patience=self._options.acse_timeout_s)
        try:
            self._server = self._listen(self._options.port, None)
            if tls:
                self._tls_server = self._listen(self._options.tls_port, tls)
        except SettingsError:
            self.stop()
            raise

    def stop(self) -> None:
        """Take no more calls, abort those that are open, and return when their threads have ended."""
        servers = [server for server in (self._server, self._tls_server) if server]
        self._server = self._tls_server = None
        for server in servers:
            server.shutdown()
        doorway, self._doorway = self._doorway, None
        if doorway:
            doorway.close()
        for server in servers:
            for association in server.active_associations:
                _end(association)

    @property
    def port(self) -> int:
        """The port listened on, also when the options left the choice open."""
        return self._options.port if self._server is None else int(self._server.server_address[1])

    @property
    def tls_port(self) -> int:
        """The same of the port for TLS."""
        return self._options.tls_port if self._tls_server is None else int(self._tls_server.server_address[1])

    def _listen(self, port: int, tls: TlsContext | None) -> ThreadedAssociationServer:
        host = self._options.host
        try:
            server = self._ae.start_server(
                (host, port),
                block=False,
                # Storage is added for each association after its caller was checked: fails closed.
                contexts=[build_context(VERIFICATION)],
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, self._on_connected, [tls]),
                    (evt.EVT_REQUESTED, self._on_requested),
                    (evt.EVT_FSM_TRANSITION, _on_transition),
                    (evt.EVT_C_ECHO, _on_echo),
                ],
            )
        except OSError as exc:
            raise SettingsError(
                f"cannot listen on {host} port {port}: {exc.strerror}; "
                "choose another port or end the program that holds it"
            ) from exc
        assert server  # which it does not give only when it blocks
        self._put_doorway_before(server, tls=tls is not None)
        return server

    def _put_doorway_before(self, server: ThreadedAssociationServer, *, tls: bool) -> None:
        """Have pynetdicom, which spends two threads on each connection, see only those that ask for something."""
        assert self._doorway
        receive = partial(self._doorway.receive, tls=tls, let_in=server.process_request)
        server.process_request = receive  # type: ignore[method-assign]  # it offers no hook
        cast(socket, server.socket).listen(_BACKLOG)

    def _on_connected(self, event: Event, tls: TlsContext | None) -> None:
        keep_going(event.assoc)
        prepare(event.assoc, timeout_s=self._options.network_timeout_s, tls=tls)
        self._seats.arrive(event.assoc)

    def _on_requested(self, event: Event) -> None:
        assoc = event.assoc
        peer = assoc.requestor
        tally = self._tally(assoc)
        if not self._options.allows(tally.calling, peer.address):
            self._reject(assoc, tally, "caller is not in the allow-list", _CALLER_NOT_RECOGNISED)
            return
        if not self._seats.take(assoc):
            self._reject(assoc, tally, "too many associations", _LOCAL_LIMIT_EXCEEDED)
            return
        proposed = [str(context.abstract_syntax) for context in peer.requested_contexts]
        assoc.acceptor.supported_contexts = supported_contexts(proposed, self._options)
        if self._commitment:
            assoc.acceptor.supported_contexts += commitment_contexts(proposed)
            self._commitment.attach(assoc)
        self._bind(assoc, tally, storage_services(proposed, self._options))

    def _reject(self, assoc: Association, tally: AssociationTally, reason: str, answer: tuple[int, int, int]) -> None:
        tally.close("rejected", reason=reason, now=self._clock())
        assoc.acse.send_reject(*answer)
        assoc.kill()

    def _tally(self, assoc: Association) -> AssociationTally:
        request = cast(A_ASSOCIATE, assoc.requestor.primitive)
        return AssociationTally(
            calling=request.calling_ae_title.strip(),
            called=request.called_ae_title.strip(),
            address=assoc.requestor.address,
            started=self._clock(),
        )

    def _bind(
        self,
        assoc: Association,
        tally: AssociationTally,
        services: dict[UID, SOPClassCommonExtendedNegotiation],
    ) -> None:
        assoc.bind(evt.EVT_SOP_COMMON, lambda _event: services)
        lane = StoreLane(assoc, self._intake, tally)
        # Before the line is written: an object of which only a part came must be gone by then.
        assoc.bind(evt.EVT_ABORTED, lambda _event: lane.close())
        assoc.bind(evt.EVT_RELEASED, lambda _event: lane.close())
        assoc.bind(evt.EVT_RELEASED, self._on_end, [tally, "released", "by the peer"])
        assoc.bind(evt.EVT_ABORTED, self._on_end, [tally, "aborted", "by the peer, a time-out or our stop"])

    def _on_end(self, _event: Event, tally: AssociationTally, result: str, reason: str) -> None:
        tally.close(result, reason=reason, now=self._clock())


def _application_entity(options: ListenerOptions) -> AE:
    entity = AE(ae_title=options.ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.maximum_associations = _NO_LIMIT  # which would count connections that ask for nothing, too: see Seats
    entity.maximum_pdu_size = options.max_pdu
    entity.network_timeout = options.network_timeout_s
    entity.acse_timeout = options.acse_timeout_s
    entity.dimse_timeout = options.dimse_timeout_s
    return entity


def _end(association: Association) -> None:
    """Abort politely, but wait only for ourselves: an object that is being stored is stored."""
    established = association.is_established
    if established:
        association.abort(block=False)
        _let_it_be_sent(association)
    hang_up(association)
    association.kill()
    if established:
        association.join()


def _let_it_be_sent(association: Association) -> None:
    deadline = time.monotonic() + _FAREWELL_S
    while not association.dul.to_provider_queue.empty() and time.monotonic() < deadline:
        time.sleep(0.01)


def _on_transition(event: Event) -> None:
    """End an association whose request will not come: pynetdicom would keep its place until ``acse_timeout_s``."""
    if event.current_state == _AWAITS_REQUEST and event.next_state in _ENDS:
        event.assoc.dul.to_user_queue.put(None)  # what it would find in the end: no request


def _on_echo(_event: Event) -> int:
    return Status.SUCCESS.code
