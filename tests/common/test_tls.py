"""Connections are encrypted, and the server's certificate is verified: to Redis, to a provider, and
to a server that a tenant names."""

import datetime
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app import config
from app.channels.providers.twilio.transport import WatchedHttpClient
from app.common.egress import EgressFailed, Outgoing, fetch
from app.common.rate_counts import SCHEME, RateCounts
from app.config import Settings
from app.extensions import RedisHandle
from app.tasks.celery_app import VERIFIED

kombu: Any = import_module("kombu")
Ping = Callable[[str], None]


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate of 127.0.0.1; return its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


@pytest.fixture
def encrypted(settings: Settings, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return a rediss:// URL of the tests' Redis, and the certificate of its server."""
    certificate, key = make_certificate(tmp_path)
    parts = urlsplit(settings.redis_url)
    assert parts.hostname is not None
    argv = [str(certificate), str(key), parts.hostname, str(parts.port or 6379)]
    tunnel = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("tls_tunnel.py")), *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert tunnel.stdout is not None
    port = int(tunnel.stdout.readline())
    yield f"rediss://:{parts.password or ''}@127.0.0.1:{port}{parts.path}", certificate
    tunnel.kill()
    tunnel.communicate()


def ping_handle(url: str) -> None:
    handle = RedisHandle()
    handle.init(url)
    with handle.client as client:
        client.ping()


def ping_limits(url: str) -> None:
    client: Any = RateCounts(SCHEME + url).get_connection()
    with client:
        client.ping()


def ping_broker(url: str) -> None:
    with kombu.Connection(url, ssl=VERIFIED) as broker, broker.default_channel.client as client:
        client.ping()


PARTS = [ping_handle, ping_limits, ping_broker]


@pytest.mark.parametrize("ping", PARTS)
def test_every_part_reaches_redis_by_tls(encrypted: tuple[str, Path], ping: Ping) -> None:
    url, certificate = encrypted
    ping(f"{url}?ssl_ca_certs={certificate}")


@pytest.mark.parametrize("ping", PARTS)
def test_a_server_with_an_unknown_certificate_is_refused(
    encrypted: tuple[str, Path], ping: Ping
) -> None:
    url, _ = encrypted
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        ping(url)


def test_a_provider_with_an_unknown_certificate_is_refused(encrypted: tuple[str, Path]) -> None:
    url = f"https://127.0.0.1:{urlsplit(encrypted[0]).port}/"
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        WatchedHttpClient(5).request("GET", url)


def test_a_tenants_server_with_an_unknown_certificate_is_refused(
    encrypted: tuple[str, Path], settings: Settings
) -> None:
    url = f"https://127.0.0.1:{urlsplit(encrypted[0]).port}/"
    config.use(replace(settings, allowed_private_hosts=("127.0.0.1",)))
    try:
        with pytest.raises(EgressFailed, match="TLS"):
            fetch(Outgoing(url))
    finally:
        config.use(settings)
