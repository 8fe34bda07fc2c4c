"""A system that takes HL7 v2 messages over MLLP (HL7 v2 Transport Specification: MLLP, Release 1)."""

import asyncio
import ssl
from asyncio import IncompleteReadError
from collections.abc import Sequence
from dataclasses import dataclass

from fhir.resources.R4B.bundle import Bundle
from hl7 import HL7Exception, Message, ParseException
from hl7.mllp import InvalidBlockError, open_hl7_connection
from hl7.mllp.streams import HL7StreamReader, HL7StreamWriter

from ainode.deliver.destination import Result
from ainode_fhir.bundle import as_json
from ainode_fhir.hl7v2.oru import Parties, messages
from ainode_models.errors import PeerRefused, PeerUnreachable

_TAKEN = ("AA", "CA")
_REJECTED = ("AR", "CR")
"""Table 0008; AE and CE, an error, may pass."""
_BROKEN = (OSError, TimeoutError, IncompleteReadError, InvalidBlockError, HL7Exception, ParseException, ValueError)
"""What a connection, an answer that is cut off or one that is no message can end in."""
_LONGEST_REASON = 300
_GOODBYE_S = 2.0


@dataclass(frozen=True)
class MllpPeer:
    """Address of a system."""

    name: str
    """What the settings call it."""
    host: str
    port: int
    timeout: float
    """Seconds to wait for the connection, and for each answer."""
    tls: ssl.SSLContext | None


class MllpDestination:
    """Sends the reports of a result as ORU^R01; one that is sent again has the same control id."""

    def __init__(self, peer: MllpPeer, parties: Parties) -> None:
        self._peer = peer
        self._parties = parties
        self._acknowledged = ""

    def shows(self, result: Result) -> bool:
        """Whether all of the result was acknowledged just now: HL7 v2 has no question for what a system has."""
        shown = not result.bundles or self._acknowledged == result.run_id
        self._acknowledged = ""
        return shown

    def send(self, result: Result) -> None:
        """Send the messages in their order, each when the one before is acknowledged."""
        bundles = [as_json(Bundle.model_validate_json(path.read_bytes())) for path in result.bundles]
        found = [[entry["resource"] for entry in bundle["entry"]] for bundle in bundles]
        asyncio.run(self._exchange([sent for resources in found for sent in messages(resources, self._parties)]))
        self._acknowledged = result.run_id

    def reach(self) -> None:
        """Connect and hang up; PeerUnreachable when that fails."""
        asyncio.run(self._exchange([]))

    async def _exchange(self, sent: Sequence[tuple[str, str]]) -> None:
        peer = self._peer
        try:
            async with asyncio.timeout(peer.timeout):
                reader, writer = await open_hl7_connection(peer.host, peer.port, encoding="utf-8", ssl=peer.tls)
        except _BROKEN as exc:
            raise self._unreachable("no connection", exc) from exc
        try:
            for control_id, text in sent:
                self._check(control_id, await self._asked(text, reader, writer))
        finally:
            await _hang_up(writer)

    async def _asked(self, text: str, reader: HL7StreamReader, writer: HL7StreamWriter) -> Message:
        try:
            async with asyncio.timeout(self._peer.timeout):
                writer.writeblock(text.encode())
                await writer.drain()
                answer: Message = await reader.readmessage()
        except _BROKEN as exc:
            raise self._unreachable("no acknowledgement", exc) from exc
        return answer

    def _unreachable(self, what: str, exc: Exception) -> PeerUnreachable:
        where = f"{self._peer.host}:{self._peer.port}"
        return PeerUnreachable(f"{self._peer.name}: {what} from {where} ({type(exc).__name__})")

    def _check(self, control_id: str, answer: Message) -> None:
        code, about = _text(answer, "MSA", 1), _text(answer, "MSA", 2)
        if about != control_id:
            raise PeerUnreachable(f"{self._peer.name} acknowledged another message than it was sent")
        if code in _TAKEN:
            return
        reasons = (_text(answer, "ERR", 8), _text(answer, "MSA", 3), _text(answer, "ERR", 3))
        reason = next((reason for reason in reasons if reason), "without a reason")
        error = PeerRefused if code in _REJECTED else PeerUnreachable
        raise error(f"{self._peer.name} answered {code or 'nothing'}: {reason}"[:_LONGEST_REASON])


async def _hang_up(writer: HL7StreamWriter) -> None:
    """Close, whatever the peer does: over TLS it may never say goodbye."""
    writer.close()
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await writer.wait_closed()
    except _BROKEN:
        writer.transport.abort()
        await asyncio.sleep(0)  # the socket is closed in the next turn of the loop


def _text(message: Message, segment: str, field: int) -> str:
    """A field, or nothing."""
    try:
        return str(message.segment(segment)[field])
    except (KeyError, IndexError):
        return ""
