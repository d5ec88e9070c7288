"""Which media URLs the vendor could fetch."""

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

from simulator.settings import Settings

_OWN_FILES: Final = re.compile(r"/(samples|media)/[\w-]+(\.\w+)?")


def is_fetchable(settings: Settings, url: str) -> bool:
    """Return False for a loopback host, which the vendor cannot reach from the internet.

    The simulator's own samples and media are the exception: they stand for files on the internet.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or " " in url:
            return False
        return not is_loopback(parts.hostname) or _is_own_file(settings, parts)
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Return whether the host is this machine, in any spelling that a resolver accepts."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _is_short_loopback(name)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = mapped or address
    return address.is_loopback or address.is_unspecified


def _is_short_loopback(name: str) -> bool:
    """Return whether this is a loopback address in a form such as `127.1` or `0x7f000001`."""
    if not name[:1].isdigit():
        return False
    try:
        return is_loopback(socket.inet_ntoa(socket.inet_aton(name)))
    except OSError:
        return False


def _is_own_file(settings: Settings, parts: SplitResult) -> bool:
    listens = parts.scheme == "http" and (parts.port or 80) == settings.port
    is_own = listens or f"{parts.scheme}://{parts.netloc}" == settings.base_url
    return is_own and _OWN_FILES.fullmatch(parts.path) is not None
