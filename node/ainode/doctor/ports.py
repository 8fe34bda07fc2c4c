"""Own ports: does the node listen there, or could it?"""

import errno
import socket
from collections.abc import Callable, Iterator

import httpx
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # the names are made at import

from ainode.doctor.finding import Finding, failed, ok, warning
from ainode.settings import Settings
from ainode.settings.agreement import LOOPBACK

_PATIENCE_S = 5.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as the settings have it
_EXPLAINED = "docs/operations.md says what each means"
_OCCUPIED = "end the program that holds it, or choose another port"


def check_ports(settings: Settings) -> Iterator[Finding]:
    """DICOM with and without TLS, HTTP, and HL7 v2 where orders are taken."""
    dicom, web = settings.dicom, settings.web
    title = f"DICOM port {dicom.port}, AE {dicom.ae_title}"
    yield _port(title, dicom.host, dicom.port, lambda host: _echo(title, host, settings))
    if dicom.tls_port:
        name = f"DICOM TLS port {dicom.tls_port}"
        yield _port(name, dicom.host, dicom.tls_port, lambda _host: ok(name, "a program listens"))
    name = f"HTTP port {web.port}"
    yield _port(name, web.host, web.port, lambda host: _health(name, host, web.port))
    orders = settings.orders
    if orders.port:
        name = f"HL7 port {orders.port}, for orders"
        yield _port(name, orders.host, orders.port, lambda _host: ok(name, "a program listens"))
        if not orders.sender and orders.host not in LOOPBACK:
            advice = "name those who may send in [[orders.sender]]"
            yield warning("who may send orders", "only this machine, although the node listens for others", advice)
    if not dicom.caller and dicom.host not in LOOPBACK:
        advice = "name those who may send in [[dicom.caller]]"
        yield warning("who may send", "only this machine, although the node listens for others", advice)


def _port(check: str, host: str, port: int, ask: Callable[[str], Finding]) -> Finding:
    here = _ANY.get(host, host)
    try:
        socket.create_connection((here, port), timeout=_PATIENCE_S).close()
    except OSError:
        return _could_listen(check, host, port)
    return ask(here)


def _could_listen(check: str, host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as exc:
        why = "the port is in use, and nobody answers" if exc.errno == errno.EADDRINUSE else str(exc.strerror)
        return failed(check, f"cannot listen on {host}: {why.partition(' (while')[0]}", _OCCUPIED)
    return warning(check, "free: the node does not run", "start it with ainode serve")


def _echo(check: str, host: str, settings: Settings) -> Finding:
    """C-ECHO to ourselves; a node that does not let this machine in says so in the words of DICOM."""
    entity = AE(ae_title=settings.dicom.ae_title)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = _PATIENCE_S
    entity.add_requested_context(Verification)
    association = entity.associate(host, settings.dicom.port, ae_title=settings.dicom.ae_title)
    if association.is_established:
        status = association.send_c_echo()
        association.release()
        if status.get("Status") == 0:
            return ok(check, "answers C-ECHO")
        return failed(check, "does not answer C-ECHO", "look into the log of the node")
    if association.is_rejected:
        return ok(check, "listens; this machine is not among those that may call")
    return failed(check, "a program listens that does not speak DICOM", _OCCUPIED)


def _health(check: str, host: str, port: int) -> Finding:
    shown = f"[{host}]" if ":" in host else host
    try:
        answer = httpx.get(f"http://{shown}:{port}/health", timeout=_PATIENCE_S, trust_env=False)
        body = answer.json()
        status, parts = body["status"], body["parts"]
    except (httpx.HTTPError, ValueError, TypeError, KeyError):
        return failed(check, "a program listens that is not this node", _OCCUPIED)
    unwell = "; ".join(f"{name}: {state}" for name, state in parts.items() if state != "ok")
    if status == "failing":
        return failed(check, f"the node is not well: {unwell}", f"look into its log; {_EXPLAINED}")
    return warning(check, f"the node warns: {unwell}", _EXPLAINED) if unwell else ok(check, "the node is well")
