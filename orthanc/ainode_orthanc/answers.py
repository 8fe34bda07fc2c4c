"""What an HTTP answer of an archive means for the one who asked: fine, try again, or do not."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx

from ainode_models.errors import PeerRefused, PeerUnreachable

_AGAIN = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
        HTTPStatus.INSUFFICIENT_STORAGE,
    }
)
_ADVICE = {
    HTTPStatus.BAD_REQUEST: "it does not understand the request",
    HTTPStatus.UNAUTHORIZED: "it wants other credentials; check user, password or token in the settings",
    HTTPStatus.FORBIDDEN: "these credentials may not do this; ask the administrator of the archive",
    HTTPStatus.NOT_FOUND: "it does not have that; check the address if this concerns everything",
    HTTPStatus.NOT_ACCEPTABLE: "it cannot give that media type",
    HTTPStatus.CONFLICT: "it could not store the objects",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the request is larger than it allows",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "it does not take that media type",
}


def check_answer(answer: httpx.Response) -> None:
    """Return for a 2xx answer; else raise PeerUnreachable when it may be tried again, or PeerRefused.

    The message names the path but neither the query nor the body: both may hold patient data.
    """
    if answer.is_success:
        return
    status = answer.status_code
    where = f"{answer.request.method} {answer.request.url.copy_with(query=None, userinfo=b'')}"
    if status in _AGAIN:
        raise PeerUnreachable(f"{where}: the archive answered {status} {answer.reason_phrase}; trying again may help")
    advice = _ADVICE.get(HTTPStatus(status), "") if status in set(HTTPStatus) else ""
    raise PeerRefused(f"{where}: the archive answered {status} {answer.reason_phrase}: {advice}".rstrip(": "))


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn httpx's transport errors into PeerUnreachable, and an address that is none into PeerRefused."""
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as exc:
        raise PeerRefused(f"{url} is no address of an archive: {exc}; it starts with http:// or https://") from exc
    except httpx.TimeoutException as exc:
        raise PeerUnreachable(f"{url} did not answer in time ({type(exc).__name__})") from exc
    except (httpx.TransportError, httpx.DecodingError) as exc:
        raise PeerUnreachable(f"{url} cannot be reached, or broke off: {exc or type(exc).__name__}") from exc
