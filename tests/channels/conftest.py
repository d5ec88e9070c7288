"""The simulator as a process of its own, and channels that use it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from app import config
from app.channels import cache
from app.channels.providers.twilio.client import TwilioClient
from app.config import Settings
from simulator.demo import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN

WEBHOOK_URL = "http://recado.test/webhook"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """The base URL of a running simulator; ten times faster than real time."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--inbound-url", ""]
    process = subprocess.Popen(
        [*command, "--time-scale", "0.1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "listening on" in line, line
    yield line.split()[-1]
    process.terminate()
    process.wait(timeout=10)
    process.stdout.close()


class Control:
    """The simulator's control API."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.base_url}/control{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@pytest.fixture
def control(simulator: str) -> Control:
    control = Control(simulator)
    control.call("POST", "/reset")
    return control


@pytest.fixture
def demo_credentials() -> dict[str, str]:
    return {"account_sid": DEMO_ACCOUNT_SID, "auth_token": DEMO_AUTH_TOKEN}


@pytest.fixture
def twilio(simulator: str, control: Control, demo_credentials: dict[str, str]) -> TwilioClient:
    return TwilioClient(demo_credentials, WEBHOOK_URL, timeout_seconds=5, base_url=simulator)


@pytest.fixture
def at_simulator(app: object, settings: Settings, simulator: str) -> Iterator[None]:
    """Make the app's clients call the simulator."""
    cache.forget_all()
    config.use(replace(settings, twilio_api_base_url=simulator))
    yield
    config.use(settings)
    cache.forget_all()
