"""Other web sites cannot read or use the simulator."""

import pytest
import requests

from simulator.demo import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN
from tests.simulator.harness import MESSAGES, Receiver, Simulator, running

AUTH = (DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN)
PATHS = ["/", "/phone/events", "/control/accounts", "/samples/photo.png", "/v1/Content", MESSAGES]


def _get(simulator: Simulator, path: str, host: str) -> requests.Response:
    url = simulator.base + path
    return requests.get(url, headers={"Host": host}, auth=AUTH, timeout=5, stream=True)


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_host_is_refused_on_every_path(simulator: Simulator, path: str) -> None:
    answer = _get(simulator, path, "evil.example:8001")
    assert answer.status_code == 403
    assert "evil.example:8001" in answer.json()["error"]
    assert "SIMULATOR_PUBLIC_URL" in answer.json()["error"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.7", "simulator", "[::1", "evil"],
)
def test_only_the_loopback_itself_is_answered(simulator: Simulator, host: str) -> None:
    assert _get(simulator, "/control/accounts", host).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8001", "[::1]:8001", "[::1]"])
@pytest.mark.parametrize("path", PATHS)
def test_the_loopback_is_answered(simulator: Simulator, path: str, host: str) -> None:
    assert _get(simulator, path, host).status_code == 200


def test_the_host_of_the_public_url_is_answered(receiver: Receiver) -> None:
    with running(receiver, public_url="https://phones.example/") as simulator:
        assert _get(simulator, "/control/accounts", "phones.example").status_code == 200
        assert _get(simulator, "/control/accounts", "other.example").status_code == 403


def test_the_page_of_another_site_cannot_use_the_control_api(simulator: Simulator) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = requests.post(simulator.base + "/control/reset", headers=headers, timeout=5)
    assert answer.status_code == 403
    assert "https://evil.example" in answer.json()["error"]
