"""The progress of a job as server-sent events (WHATWG HTML 9.2)."""

import time
from collections.abc import AsyncIterator, Callable

import anyio

from ainode.api.jobs import Job

_LOOK_EVERY_S = 0.1
_COMMENT_AFTER_S = 15.0
"""Proxies close connections on which nothing comes."""


async def events(job_id: str, look: Callable[[str], Job | None], root: str) -> AsyncIterator[str]:
    """An event at each change of a job, named by its state, until it has ended or is forgotten."""
    said: Job | None = None
    said_at = time.monotonic()
    while (job := look(job_id)) is not None:
        if job != said:
            said, said_at = job, time.monotonic()
            yield f"event: {job.state}\ndata: {job.answer(root).model_dump_json()}\n\n"
        elif time.monotonic() - said_at > _COMMENT_AFTER_S:
            said_at = time.monotonic()
            yield ": still here\n\n"
        if job.ended:
            return
        await anyio.sleep(_LOOK_EVERY_S)
