"""A system that takes HL7 v2 messages over MLLP: python-hl7's server, with answers that a test chooses."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import hl7
from hl7.mllp import start_hl7_server
from hl7.mllp.streams import HL7StreamReader, HL7StreamWriter


@dataclass
class MllpReceiver:
    """Acknowledges with AA, except where ``answers`` says otherwise."""

    port: int = 0
    answers: list[str] = field(default_factory=list)
    """For the next messages: a code with a reason behind a space, or ``cut``, ``silence``, ``other``, ``noise``."""
    messages: list[hl7.Message] = field(default_factory=list)
    """All that came."""

    async def serve(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        """Answer what comes on one connection."""
        try:
            while True:
                message = await reader.readmessage()
                self.messages.append(message)
                await self._answer(message, self.answers.pop(0) if self.answers else "AA", writer)
        except (asyncio.IncompleteReadError, OSError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()  # TLS would wait for the other side's goodbye
        finally:
            writer.close()

    async def _answer(self, message: hl7.Message, answer: str, writer: HL7StreamWriter) -> None:
        code, _, reason = answer.partition(" ")
        about = "another" if code == "other" else str(message.segment("MSH")[10])
        ack = f"MSH|^~\\&|||||20260101||ACK^R01^ACK|1|P|2.5.1\rMSA|{'AA' if code == 'other' else code}|{about}\r"
        ack += f"ERR|||207^Application internal error^HL70357|E||||{reason}\r" if reason else ""
        if code == "silence":
            await asyncio.sleep(3600)
        elif code == "cut":
            writer.write(b"\x0b" + ack[:20].encode())
            raise ConnectionError
        elif code == "noise":
            writer.writeblock(b"HTTP/1.1 400 Bad Request")
        else:
            writer.writeblock(ack.encode())
        await writer.drain()


@contextmanager
def mllp_receiver(tls: ssl.SSLContext | None = None) -> Iterator[MllpReceiver]:
    """A receiver on a free port."""
    receiver, ready, loop = MllpReceiver(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        server = await start_hl7_server(receiver.serve, "127.0.0.1", 0, encoding="utf-8", ssl=tls)
        receiver.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        await _some_turns()  # asyncio drops without closing what it accepted just before ``close``
        server.close()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _some_turns()  # transports close their sockets in the turns after

    thread = threading.Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    try:
        assert ready.wait(30)
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _some_turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
