"""Threads for requests whose body is a stream: written to disk as it comes, and never held in memory."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, WouldBlock, from_thread, to_thread
from starlette.requests import Request

from ainode.dicomweb.problem import WebProblem

T = TypeVar("T")

_RETRY_SECONDS = "10"


class Workers:
    """So many requests at once, each in a thread of its own; a slow sender holds up no other and is sent away."""

    def __init__(self, *, count: int = 8, silence: float = 60.0) -> None:
        self._places = CapacityLimiter(count)
        self._threads = CapacityLimiter(count)
        self._silence = silence

    async def run(self, request: Request, work: Callable[[Iterator[bytes]], T]) -> T:
        """``work`` on the chunks of the body of ``request``.

        WebProblem 503 when all threads are taken, 408 when the sender is silent for too long.
        """
        place = object()  # taken here and now: to_thread.run_sync gives way before it takes one, and then waits for it
        try:
            self._places.acquire_on_behalf_of_nowait(place)
        except WouldBlock as exc:
            problem = "too many stores at once; try again"
            raise WebProblem(503, problem, headers={"retry-after": _RETRY_SECONDS}) from exc
        try:
            stream = aiter(request.stream())
            return await to_thread.run_sync(lambda: work(self._chunks(stream)), limiter=self._threads)
        finally:
            self._places.release_on_behalf_of(place)

    def _chunks(self, stream: AsyncIterator[bytes]) -> Iterator[bytes]:
        while (chunk := from_thread.run(self._next, stream)) is not None:
            yield chunk

    async def _next(self, stream: AsyncIterator[bytes]) -> bytes | None:
        try:
            with anyio.fail_after(self._silence):
                return await anext(stream, None)
        except TimeoutError as exc:  # an OSError, which the disk could have raised, too
            raise WebProblem(408, f"nothing came for {self._silence:g} seconds; send again") from exc
