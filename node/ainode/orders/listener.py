"""The MLLP listener for orders (HL7 v2 Transport Specification: MLLP, Release 1), of python-hl7's streams."""

import asyncio
import ssl
import threading
from asyncio import IncompleteReadError, LimitOverrunError
from contextlib import suppress

import structlog
from hl7.mllp import start_hl7_server
from hl7.mllp.streams import CARRIAGE_RETURN, END_BLOCK, START_BLOCK, HL7StreamReader, HL7StreamWriter

from ainode.orders.intake import OrderIntake
from ainode.orders.metrics import CLOSED
from ainode.orders.options import OrderOptions
from ainode.receive.tls import TlsContext
from ainode_fhir.hl7v2.acknowledgement import MessageProblem
from ainode_models.errors import SettingsError

log = structlog.get_logger()

_END = END_BLOCK + CARRIAGE_RETURN
_BETWEEN = b"\r\n"
"""What some senders put between blocks."""
_GOODBYE_S = 2.0
_DISCARDED = 1 << 16


class OrderListener:
    """Takes messages until stopped."""

    def __init__(self, options: OrderOptions, intake: OrderIntake) -> None:
        self._options = options
        self._intake = intake
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="orders", daemon=True)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], HL7StreamWriter] = {}

    def start(self) -> None:
        """Listen; SettingsError when the address cannot be had or a certificate cannot be used."""
        tls = _ssl_context(TlsContext(self._options.tls)) if self._options.tls else None
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(tls), self._loop).result()
        except OSError as exc:
            self.stop()
            where = f"{self._options.host} port {self._options.port}"
            raise SettingsError(
                f"cannot listen for orders on {where}: {exc.strerror}; "
                "choose another port or end the program that holds it"
            ) from exc

    def stop(self) -> None:
        """Take no more connections, end those that are open; a message that was not answered is sent again."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        """The port listened on, also when the options left the choice open."""
        return self._options.port if self._server is None else int(self._server.sockets[0].getsockname()[1])

    async def _listen(self, tls: ssl.SSLContext | None) -> None:
        patience = self._options.patience_s
        more = {"ssl_handshake_timeout": patience, "ssl_shutdown_timeout": _GOODBYE_S} if tls else {}
        self._server = await start_hl7_server(
            self._connected,
            self._options.host,
            self._options.port,
            limit=self._options.most_bytes,
            ssl=tls,
            **more,
        )

    async def _end(self) -> None:
        if self._server:
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            await _some_turns()  # asyncio drops without closing what it accepted just before ``close``
            self._server.close()
        while tasks := list(self._open):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await _some_turns()  # transports close their sockets in the turns after
        await self._loop.shutdown_default_executor()

    def _connected(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        if not address or not self._options.allows(address):
            self._turn_away(writer, "stranger", address)
        elif len(self._open) >= self._options.most_connections:
            self._turn_away(writer, "crowded", address)
        else:
            task = self._loop.create_task(self._serve(reader, writer, address))
            self._open[task] = writer
            task.add_done_callback(self._open.pop)

    def _turn_away(self, writer: HL7StreamWriter, reason: str, address: str) -> None:
        CLOSED.labels(reason).inc()
        log.warning("order connection closed", reason=reason, address=address)
        writer.transport.abort()

    async def _serve(self, reader: HL7StreamReader, writer: HL7StreamWriter, address: str) -> None:
        try:
            while (block := await self._block(reader)) is not None:
                await self._send(await asyncio.to_thread(self._intake.answer, block), writer)
            writer.close()
            async with asyncio.timeout(_GOODBYE_S):
                await writer.wait_closed()
        except _Unfit as unfit:
            CLOSED.labels(unfit.reason).inc()
            log.warning("order connection closed", reason=unfit.reason, address=address)
            if unfit.beginning is not None:
                await self._refuse_long(unfit.beginning, reader, writer)
        except (IncompleteReadError, OSError, TimeoutError):
            pass  # it hung up, or does not read: whatever was not answered is sent again
        except Exception:
            log.exception("order connection failed")
        finally:
            writer.transport.abort()

    async def _block(self, reader: HL7StreamReader) -> bytes | None:
        """The next message without its frame; None at the end of the connection, or after too long a silence."""
        try:
            async with asyncio.timeout(self._options.silence_s):
                while (first := await reader.read(1)) and first in _BETWEEN:
                    pass
        except TimeoutError:
            return None
        if not first:
            return None
        if first != START_BLOCK:
            raise _Unfit("noise")
        try:
            async with asyncio.timeout(self._options.patience_s):
                block: bytes = await reader.readuntil(_END)
        except TimeoutError as exc:
            raise _Unfit("slow") from exc
        except LimitOverrunError as exc:
            raise _Unfit("long", await reader.read(1024)) from exc
        return block[: -len(_END)]

    async def _send(self, answer: bytes, writer: HL7StreamWriter) -> None:
        writer.writeblock(answer)
        async with asyncio.timeout(self._options.patience_s):
            await writer.drain()

    async def _refuse_long(self, beginning: bytes, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        """Answer, and take what still comes for a moment: a connection that is closed at once may lose the answer."""
        most = self._options.most_bytes
        problem = MessageProblem("AR", 207, f"the message is longer than {most} bytes, the most that is taken")
        with suppress(OSError, TimeoutError):
            await self._send(self._intake.refusal(beginning, problem), writer)
            async with asyncio.timeout(_GOODBYE_S):
                while await reader.read(_DISCARDED):
                    pass


class _Unfit(Exception):  # noqa: N818 - a reason, not an error of ours
    """What came is not to be answered with more than a refusal, if that."""

    def __init__(self, reason: str, beginning: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.beginning = beginning


def _ssl_context(files: TlsContext) -> ssl.SSLContext:
    """Of the files as they are now; each handshake then takes the certificate as it is at that time."""

    def renewed(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = files.current()

    context = files.current()
    context.sni_callback = renewed
    return context


async def _some_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
