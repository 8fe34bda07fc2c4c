"""What the listener is told: its address, its limits, and who may call."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ainode.receive.tls import TlsFiles
from ainode_models.errors import SettingsError

ANY_TITLE = "*"


@dataclass(frozen=True)
class Caller:
    """One peer that may open an association: title and address must both agree."""

    ae_title: str
    """Calling AE Title, or ``*`` for any."""
    address: str
    """IPv4 or IPv6 address or network in CIDR form, for example ``10.1.2.0/24``."""

    def __post_init__(self) -> None:
        try:
            ip_network(self.address, strict=False)
        except ValueError as exc:
            raise SettingsError(
                f"caller {self.ae_title!r}: {self.address!r} is no IP address or network; write 10.1.2.0/24"
            ) from exc

    def allows(self, ae_title: str, address: str) -> bool:
        """Whether a peer of that title at that address is meant; spaces around a title do not count (PS3.5 6.2)."""
        known = self.ae_title in (ANY_TITLE, ae_title.strip())
        return known and _address(address) in ip_network(self.address, strict=False)


@dataclass(frozen=True)
class ListenerOptions:
    """Settings of the C-STORE and C-ECHO SCP."""

    ae_title: str
    """Our own AE title; what the peer calls us by is logged but not checked."""
    host: str
    """Address to listen on."""
    port: int
    """TCP port; 0 takes a free one."""
    callers: tuple[Caller, ...]
    """Peers that may call; nobody else may, so that an empty tuple refuses all."""
    max_associations: int = 32
    """Associations at one time; the next is rejected as a transient local limit (PS3.8 9.3.4)."""
    max_pdu: int = 262_144
    """Largest PDU that we ask peers to send, bytes (PS3.8 D.1)."""
    network_timeout_s: float = 60.0
    """Silence after which an association is aborted, seconds."""
    acse_timeout_s: float = 30.0
    """Wait for the association request, seconds."""
    dimse_timeout_s: float = 30.0
    """Wait for the rest of a DIMSE message, seconds."""
    accept_unknown: bool = False
    """Store SOP classes that neither the standard nor ``private_sop_classes`` names."""
    private_sop_classes: tuple[str, ...] = ()
    """UIDs of private SOP classes to store as well."""
    tls_port: int = 0
    """TCP port for TLS, beside ``port``; used when ``tls`` is given, and 0 takes a free one."""
    tls: TlsFiles | None = None
    """Certificates; None for no TLS."""

    def allows(self, ae_title: str, address: str) -> bool:
        """Whether a caller with this AE title at this IP address may open an association."""
        return any(caller.allows(ae_title, address) for caller in self.callers)


def _address(text: str) -> IPv4Address | IPv6Address:
    """Address of a peer; an IPv4 peer of a dual-stack socket shows as ``::ffff:a.b.c.d``."""
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address
