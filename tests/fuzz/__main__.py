"""`python -m tests.fuzz` beside a fresh stack: calls every operation that /openapi.json describes.

Schemathesis makes valid and invalid requests from the description. A run fails on a 5xx, and on an
answer whose status, content type or body the description does not allow. schemathesis.toml says
what is checked and what is left out; hooks.py puts the names of existing things into the requests.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"

PLATFORM = r"^/tenants(/\{tenant_id\})?$"
"""The paths that a business may not call: they are called as the platform's administrator."""


def main(options: list[str]) -> int:
    """Run Schemathesis with these options twice; return the worse exit code."""
    base_url = os.environ["PUBLIC_BASE_URL"]
    business, platform = sign_in(base_url, "demo"), sign_in(base_url, "admin")
    prepare(base_url, business, platform)
    return max(
        run(base_url, business, [f"--exclude-path-regex={PLATFORM}", *options]),
        run(base_url, platform, [f"--include-path-regex={PLATFORM}", *options]),
    )


def sign_in(base_url: str, username: str) -> requests.Session:
    """Return a client that is signed in with the demonstration's password."""
    client = requests.Session()
    body = {"username": username, "password": "password"}
    pair = client.post(f"{base_url}/auth/login", json=body, timeout=10)
    pair.raise_for_status()
    client.headers["Authorization"] = f"Bearer {pair.json()['access_token']}"
    return client


def prepare(base_url: str, business: requests.Session, platform: requests.Session) -> None:
    """Create one of each thing that may be changed and removed."""

    def create(client: requests.Session, path: str, body: dict[str, Any]) -> None:
        client.post(f"{base_url}{path}", json=body, timeout=10).raise_for_status()

    phone = {"to_number": "+15557770001"}
    create(business, "/api/send", {**phone, "body": "¡Hola!"})
    media = {"media_url": "https://example.com/menu.jpg", "body": "The menu"}
    create(business, "/api/send", {**phone, **media})
    create(business, "/api/keyword-replies", {"keywords": ["prices"], "reply": "From 3 to 9."})
    create(business, "/auth/api-keys", {"name": "Shop"})
    member = {"username": "fuzzed.member", "password": "a sentence nobody guesses"}
    create(business, "/tenants/me/users", {**member, "role": "agent"})
    credentials = {"account_sid": f"AC{'0' * 28}f022", "auth_token": "f" * 32}
    channel = {"name": "Spare", "provider": "twilio", "phone_number": "+14155550123"}
    create(business, "/channels", {**channel, "credentials": credentials})
    sender = {"name": "Bots", "provider": "twilio", "phone_number": "+14155550124"}
    create(business, "/channels", {**sender, "credentials": credentials})
    create(business, "/bots", {"name": "Orders", "twilio_phone_number": "+14155550124"})
    create(platform, "/tenants", {"name": "Fuzzed"})


def run(base_url: str, client: requests.Session, options: list[str]) -> int:
    """Run Schemathesis as this client; return its exit code."""
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), f"--config-file={CONFIGURATION}"),
        *("run", f"{base_url}/openapi.json", f"--url={base_url}"),
        f"--header=Authorization: {client.headers['Authorization']!s}",
        *options,
    ]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
