"""A real browser against a running stack: `make browser` starts both."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The browser of this machine; CHROMIUM names another."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise pytest.UsageError("No Chromium found. Install it (Debian: chromium) or set CHROMIUM.")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A fresh page that fails the test if its console reports an error."""
    errors: list[str] = []
    context = browser.new_context(locale="es-MX", viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    yield opened
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def base_url() -> str:
    return os.environ["PUBLIC_BASE_URL"]


@pytest.fixture(scope="session")
def simulator_url() -> str:
    return os.environ["SIMULATOR_URL"]


@pytest.fixture(scope="session")
def api(base_url: str) -> requests.Session:
    """The API as the demo tenant's owner."""
    session = requests.Session()
    pair = session.post(
        f"{base_url}/auth/login", json={"username": "demo", "password": "password"}, timeout=10
    )
    session.headers["Authorization"] = f"Bearer {pair.json()['access_token']}"
    return session


@pytest.fixture(scope="session", autouse=True)
def bot(api: requests.Session, base_url: str) -> str:
    """The address of the demonstration's bot. It is switched off: most tests want no answer."""
    (found,) = api.get(f"{base_url}/bots", timeout=10).json()["data"]
    address = f"{base_url}/bots/{found['id']}"
    api.put(address, json={"is_enabled": False}, timeout=10).raise_for_status()
    return address
