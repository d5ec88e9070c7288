"""The only outgoing HTTP client for addresses that tenants give us.

It speaks https only, resolves the name once, requires that every address of the name is public, and
connects to one of these addresses while the certificate and the Host header stay those of the name.
It follows no redirects, limits the number of bytes, and has one deadline for everything.
ALLOWED_PRIVATE_HOSTS (`host` or `host:port`) lists the operator's exceptions: these hosts may be
private and may use plain http.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from functools import cache

import httpcore2
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

# getaddrinfo has no timeout; a thread that hangs in it is abandoned.
_resolvers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="egress-resolver")


class EgressRefused(ValueError):
    """The address is not allowed. The text tells the person who gave it why."""


class EgressFailed(Exception):
    """The server did not answer in HTTP within the limits. The text may be shown to the tenant."""


@dataclass(frozen=True)
class Limits:
    """`seconds` covers resolving, connecting, sending and reading together."""

    seconds: float = 10.0
    max_bytes: int = 1_048_576


@dataclass(frozen=True)
class Fetched:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Outgoing:
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


def check_url(text: str) -> str:
    """Check the form of a URL that we or a provider may fetch, without resolving its host.

    Raises EgressRefused, a ValueError, with a sentence for the person who typed it.
    """
    return str(_parse(text.strip()))


def _parse(text: str) -> httpx2.URL:
    if len(text) > LONGEST_URL:
        raise EgressRefused(f"A URL has at most {LONGEST_URL} characters.")
    if not text.isprintable() or any(mark in text for mark in ' \\"<>'):
        raise EgressRefused(
            "Not a URL: it contains a space or another character that must be escaped."
        )
    try:
        url = httpx2.URL(text)
        port = _port(url)
    except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
        raise EgressRefused(
            "Not a URL: give one such as https://example.com/picture.jpg."
        ) from error
    if url.scheme not in DEFAULT_PORTS or not url.host:
        raise EgressRefused("Give a URL that starts with https:// and names a host.")
    if url.userinfo:
        raise EgressRefused("Leave user name and password out of the URL.")
    if _is_allowed(url.host, port):
        return url
    if port not in PORTS:
        raise EgressRefused(f"Use one of the ports {', '.join(map(str, PORTS))}.")
    if url.scheme != "https":
        raise EgressRefused("The URL must start with https://.")
    if _looks_private(url.host):
        raise EgressRefused(NOT_PUBLIC)
    return url


def _port(url: httpx2.URL) -> int:
    port = url.port or DEFAULT_PORTS.get(url.scheme, 0)
    if not 0 <= port <= 65535:
        raise ValueError("port out of range")
    return port


def _is_allowed(host: str, port: int) -> bool:
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


def fetch(outgoing: Outgoing, limits: Limits | None = None) -> Fetched:
    """Make one request and return the response, whatever its status, redirects included.

    Raises EgressRefused before anything is sent, EgressFailed afterwards.
    """
    limits = limits or Limits()
    url = _parse(outgoing.url)
    deadline = Deadline(limits.seconds)
    address = choose_address(url.host, _port(url), deadline)
    try:
        return _exchange(outgoing, url, PinnedTransport(address, deadline), limits)
    except (httpcore2.TimeoutException, httpx2.TimeoutException) as error:
        raise EgressFailed("The server took too long to answer.") from error
    except (httpcore2.NetworkError, ssl.SSLError, OSError) as error:
        raise EgressFailed("The TLS connection to the server failed.") from error
    except (httpcore2.ProtocolError, httpx2.HTTPError) as error:
        raise EgressFailed("The server did not answer in valid HTTP.") from error


def _exchange(
    outgoing: Outgoing, url: httpx2.URL, transport: "PinnedTransport", limits: Limits
) -> Fetched:
    headers = {"Accept-Encoding": "identity", "Connection": "close", **outgoing.headers}
    with httpx2.Client(transport=transport, trust_env=False, follow_redirects=False) as client:
        request = client.build_request(
            outgoing.method, url, headers=headers, content=outgoing.body, timeout=limits.seconds
        )
        response = client.send(request, stream=True)
        try:
            return Fetched(response.status_code, response.headers, _read(response, limits))
        finally:
            response.close()


def _read(response: httpx2.Response, limits: Limits) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        # A few compressed bytes can expand to gigabytes, and we asked for no compression.
        raise EgressFailed("The answer is compressed, although the request did not allow it.")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > limits.max_bytes:
            raise EgressFailed(f"The answer is larger than {limits.max_bytes} bytes.")
    return bytes(body)


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that remain. Raises EgressFailed when none do."""
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise EgressFailed("The server took too long to answer.")
        return remaining


def choose_address(host: str, port: int, deadline: Deadline) -> str:
    """Resolve the host once and return an address to connect to.

    Raises EgressRefused if any address is not public, unless the operator allows the host;
    EgressFailed if it does not resolve.
    """
    lookup = _resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = lookup.result(timeout=deadline.left())
    except (OSError, UnicodeError) as error:
        raise EgressFailed(f"The name {host} does not resolve.") from error
    except FutureTimeoutError as error:
        raise EgressFailed(f"The name {host} takes too long to resolve.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise EgressFailed(f"The name {host} does not resolve.")
    if not _is_allowed(host, port) and not all(
        is_public(ipaddress.ip_address(address.partition("%")[0])) for address in addresses
    ):
        raise EgressRefused(NOT_PUBLIC)
    return addresses[0]


class PinnedBackend(httpcore2.NetworkBackend):
    """Connects to the address that was checked, whatever host it is asked for."""

    def __init__(self, address: str, deadline: Deadline) -> None:
        self._address = address
        self._deadline = deadline
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name was resolved and checked before
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline rules
        local_address: str | None = None,
        socket_options: Iterable[tuple[int, int, int]] | None = None,  # type: ignore[override]
    ) -> httpcore2.NetworkStream:
        stream = self._sockets.connect_tcp(
            self._address, port, self._deadline.left(), local_address, socket_options
        )
        return DeadlineStream(stream, self._deadline)


class DeadlineStream(httpcore2.NetworkStream):
    """Limits each wait by the deadline, so that a response that arrives byte by byte ends with it
    too."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


@cache
def tls_context() -> ssl.SSLContext:
    """Return the shared TLS context. Loading the certificate authorities takes tens of
    milliseconds."""
    return httpx2.create_ssl_context(trust_env=False)


class _Body(httpx2.SyncByteStream):
    """The bytes of a response, as they arrive."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class PinnedTransport(httpx2.BaseTransport):
    """One connection for one request. It is never reused: a connection checked for one name must
    not serve another."""

    def __init__(self, address: str, deadline: Deadline) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(),
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=PinnedBackend(address, deadline),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        core_request = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.read(),
            extensions=request.extensions,
        )
        response = self._pool.handle_request(core_request)
        return httpx2.Response(response.status, headers=response.headers, stream=_Body(response))

    def close(self) -> None:
        self._pool.close()
