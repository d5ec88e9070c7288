"""Which addresses we may send requests to: public ones, by https, on the ports of web servers.

ALLOWED_PRIVATE_HOSTS (`host` or `host:port`) lists the operator's exceptions: these hosts may be
private and may use plain http.
"""

import ipaddress
import socket

import httpx2

from app import config

LONGEST_URL = 2000
DEFAULT_PORTS = {"http": 80, "https": 443}
PRIVATE_NAMES = ("localhost", "local", "internal", "lan", "home.arpa", "intranet", "localdomain")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
NEVER_PUBLIC = (
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("3fff::/20"),
)
"""Reserved by the IANA (protocol assignments, 6to4 relays, documentation), whatever the Python
version says of them."""

PORTS = (80, 443, 8080, 8443)
"""The ports of web servers. Others belong to mail, databases and the like, which must not be
reached through us."""

NOT_PUBLIC = "It points to a private address. Give an address that is reachable from the internet."

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class EgressRefused(ValueError):
    """The address is not allowed. The text tells the person who gave it why."""


def check_url(text: str) -> str:
    """Check the form of a URL that we or a provider may fetch, without resolving its host.

    Raises EgressRefused, a ValueError, with a sentence for the person who typed it.
    """
    return str(parse(text.strip()))


def parse(text: str) -> httpx2.URL:
    if len(text) > LONGEST_URL:
        raise EgressRefused(f"A URL has at most {LONGEST_URL} characters.")
    if not text.isprintable() or any(mark in text for mark in ' \\"<>'):
        raise EgressRefused(
            "Not a URL: it contains a space or another character that must be escaped."
        )
    try:
        url = httpx2.URL(text)
        port = port_of(url)
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise EgressRefused(
            "Not a URL: give one such as https://example.com/picture.jpg."
        ) from error
    if url.scheme not in DEFAULT_PORTS or not url.host:
        raise EgressRefused("Give a URL that starts with https:// and names a host.")
    if url.userinfo:
        raise EgressRefused("Leave user name and password out of the URL.")
    if is_allowed(url.host, port):
        return url
    if port not in PORTS:
        raise EgressRefused(f"Use one of the ports {', '.join(map(str, PORTS))}.")
    if url.scheme != "https":
        raise EgressRefused("The URL must start with https://.")
    if _looks_private(url.host):
        raise EgressRefused(NOT_PUBLIC)
    return url


def port_of(url: httpx2.URL) -> int:
    port = url.port or DEFAULT_PORTS.get(url.scheme, 0)
    if not 0 <= port <= 65535:
        raise ValueError("port out of range")
    return port


def is_allowed(host: str, port: int) -> bool:
    """Return whether the operator lists this host in ALLOWED_PRIVATE_HOSTS."""
    allowed = {entry.lower() for entry in config.current().allowed_private_hosts}
    bracketed = f"[{host}]" if ":" in host else host
    return bool(allowed & {host.lower(), bracketed.lower(), f"{bracketed.lower()}:{port}"})


def _looks_private(host: str) -> bool:
    """Return whether the host is a literal address that is not public, or a name that is never
    public."""
    bare = host.rstrip(".").lower()
    address = literal_address(bare)
    if address is not None:
        return not is_public(address)
    return "." not in bare or any(
        bare == name or bare.endswith(f".{name}") for name in PRIVATE_NAMES
    )


def literal_address(host: str) -> Ip | None:
    """Return the address that a host spells out, in any form that a resolver accepts (`127.1`)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if host.rpartition(".")[2].isdecimal() or host.rpartition(".")[2].startswith("0x"):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return None


def is_public(address: Ip) -> bool:
    """Return whether the address is reachable from the internet and means the same host everywhere.

    An IPv6 address that embeds an IPv4 address is as public as that one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour or address.teredo or address.is_site_local or address in V4_COMPATIBLE:
            return False
    if any(address in network for network in NEVER_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)
