"""What the listener for orders is told: its address, its limits, and who may send."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from ainode.receive.tls import TlsFiles


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """Settings of the MLLP listener."""

    host: str
    port: int
    """TCP port; 0 takes a free one."""
    senders: tuple[str, ...]
    """IP addresses and networks that may send; nobody else may, so that an empty tuple refuses all."""
    tls: TlsFiles | None = None
    patience_s: float = 30.0
    """Seconds that one message may take to come, and an answer to go; and the TLS handshake."""
    silence_s: float = 3600.0
    """Seconds without any message after which a connection is closed."""
    most_bytes: int = 1 << 20
    """Of one message."""
    most_connections: int = 20

    def allows(self, address: str) -> bool:
        """Whether a peer at that IP address may send."""
        peer = ip_address(address.partition("%")[0])
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        return any(peer in ip_network(network, strict=False) for network in self.senders)
