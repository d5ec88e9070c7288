"""Each fault is applied as its plan says, and the log records it correctly."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from simulator.demo import OTRA_ACCOUNT_SID, OTRA_AUTH_TOKEN
from tests.simulator.harness import PERSON, SENDER, Receiver, Simulator, wait_until


def _create(client: Client, **values: Any) -> Any:
    return client.messages.create(**{"to": PERSON, "from_": SENDER, "body": "x", **values})


def _plan(simulator: Simulator, **plan: Any) -> None:
    simulator.control("PUT", "/faults", plan)


def _impatient(simulator: Simulator) -> Client:
    client = simulator.client()
    client.http_client = TwilioHttpClient(timeout=0.3)
    return client


def test_accept_then_500_makes_the_message(client: Client, simulator: Simulator) -> None:
    _plan(simulator, create=[{"fault": "accept_then_500", "next": 1}])
    with pytest.raises(TwilioRestException) as failed:
        _create(client)
    assert (failed.value.status, failed.value.code) == (500, 20500)
    (message,) = client.messages.list()
    (entry,) = simulator.log("create")
    assert (entry["processed"], entry["sid"]) == (True, message.sid)
    assert entry["fault"] == "accept_then_500"
    wait_until(lambda: client.messages(str(message.sid)).fetch().status == "read")
    _create(client)
    assert len(client.messages.list()) == 2


def test_accept_then_reset_makes_the_message(client: Client, simulator: Simulator) -> None:
    _plan(simulator, create=[{"fault": "accept_then_reset", "next": 1}])
    with pytest.raises(requests.ConnectionError):
        _create(client)
    assert len(client.messages.list()) == 1


def test_accept_then_hang_makes_the_message(client: Client, simulator: Simulator) -> None:
    _plan(simulator, create=[{"fault": "accept_then_hang", "next": 1, "seconds": 1}])
    with pytest.raises(requests.ReadTimeout):
        _create(_impatient(simulator))
    assert len(client.messages.list()) == 1


def test_hang_makes_no_message(client: Client, simulator: Simulator) -> None:
    _plan(simulator, create=[{"fault": "hang", "next": 1, "seconds": 1}])
    with pytest.raises(requests.ReadTimeout):
        _create(_impatient(simulator))
    assert client.messages.list() == []
    assert [e["processed"] for e in simulator.log("create")] == [False]


def test_reset_before_makes_no_message(client: Client, simulator: Simulator) -> None:
    _plan(simulator, create=[{"fault": "reset_before", "next": 1}])
    with pytest.raises(requests.ConnectionError):
        _create(client)
    assert client.messages.list() == []


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        ({"fault": "fail_500"}, 500, 20500),
        ({"fault": "expired_token"}, 401, 20003),
        ({"fault": "reject", "code": 21610}, 400, 21610),
        ({"fault": "reject", "code": 21611, "http_status": 429}, 429, 21611),
        ({"fault": "throttle", "retry_after": 7}, 429, 20429),
    ],
)
def test_refusing_faults_make_no_message(
    client: Client, simulator: Simulator, rule: dict[str, Any], status: int, code: int
) -> None:
    _plan(simulator, create=[{**rule, "next": 1}])
    with pytest.raises(TwilioRestException) as refused:
        _create(client)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert client.messages.list() == []
    (entry,) = simulator.log("create")
    assert (entry["processed"], entry["http_status"]) == (False, status)


def test_throttling_tells_when_to_come_back(simulator: Simulator) -> None:
    _plan(simulator, create=[{"fault": "throttle", "retry_after": 7}])
    answer = simulator.post(
        "/2010-04-01/Accounts/AC0000000000000000000000000000de30/Messages.json", {"To": PERSON}
    )
    assert answer.headers["Retry-After"] == "7"


def test_slow_and_latency_delay_the_answer(client: Client, simulator: Simulator) -> None:
    _plan(simulator, latency_ms=100, create=[{"fault": "slow", "seconds": 0.2, "next": 1}])
    first = simulator.post(_messages(client), _form()).elapsed.total_seconds()
    second = simulator.post(_messages(client), _form()).elapsed.total_seconds()
    assert first >= 0.3
    assert 0.1 <= second < first


def _messages(client: Client) -> str:
    return f"/2010-04-01/Accounts/{client.username}/Messages.json"


def _form() -> dict[str, str]:
    return {"To": PERSON, "From": SENDER, "Body": "x"}


def test_a_rule_strikes_by_number_and_body(client: Client, simulator: Simulator) -> None:
    _plan(simulator, create=[{"fault": "fail_500", "to": "+573001234567", "body": "boom"}])
    _create(client, body="boom")
    _create(client, to="whatsapp:+573001234567", body="quiet")
    with pytest.raises(TwilioRestException):
        _create(client, to="whatsapp:+573001234567", body="a boom b")


def test_a_rate_with_a_seed_strikes_the_same_calls(client: Client, simulator: Simulator) -> None:
    def struck() -> list[bool]:
        _plan(simulator, seed=11, create=[{"fault": "fail_500", "rate": 0.5}])
        found = []
        for _ in range(20):
            try:
                _create(client)
                found.append(False)
            except TwilioRestException:
                found.append(True)
        return found

    first = struck()
    assert first == struck()
    assert 2 < sum(first) < 18


def test_the_list_can_lag(client: Client, simulator: Simulator) -> None:
    _plan(simulator, list_lag=0.4)
    sid = str(_create(client).sid)
    assert client.messages.list() == []
    assert client.messages(sid).fetch().sid == sid
    wait_until(lambda: len(client.messages.list()) == 1)


def test_a_page_of_the_list_can_fail(client: Client, simulator: Simulator) -> None:
    for body in ("one", "boom", "three"):
        _create(client, body=body)
    _plan(simulator, list=[{"fault": "fail_500", "body": "boom"}])
    assert [each.body for each in client.messages.list(limit=1)] == ["three"]
    with pytest.raises(TwilioException):
        client.messages.list(page_size=1)


def test_the_list_of_a_message_s_media_can_fail(client: Client, simulator: Simulator) -> None:
    sids = [simulator.write(kind="image", body=body)["sid"] for body in ("boom", "quiet")]
    _plan(simulator, media=[{"fault": "fail_500", "body": "boom"}])
    with pytest.raises(TwilioException):
        client.messages(sids[0]).media.list()
    assert len(client.messages(sids[1]).media.list()) == 1
    assert [each["sid"] for each in simulator.log("media_list")][-2:] == sids


@pytest.mark.parametrize(("fault", "status"), [("fail_500", 500), ("forbidden", 403)])
def test_the_list_can_refuse(client: Client, simulator: Simulator, fault: str, status: int) -> None:
    _plan(simulator, list=[{"fault": fault, "account": client.username, "next": 1}])
    with pytest.raises(TwilioException, match=f"HTTP {status}"):
        client.messages.list()
    assert client.messages.list() == []


def test_the_list_can_hang_for_one_account_alone(client: Client, simulator: Simulator) -> None:
    _plan(simulator, list=[{"fault": "hang", "account": client.username, "seconds": 0.2}])
    with pytest.raises(requests.ConnectionError):
        client.messages.list()
    assert simulator.client(OTRA_ACCOUNT_SID, OTRA_AUTH_TOKEN).messages.list() == []


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"fault": "lost", "status": "delivered"}, ["sent", "read"]),
        ({"fault": "doubled", "status": "sent"}, ["sent", "sent", "delivered", "read"]),
        ({"fault": "reordered"}, ["delivered", "sent", "read"]),
        ({"fault": "late", "status": "sent", "seconds": 4}, ["delivered", "read", "sent"]),
    ],
)
def test_callbacks_are_disturbed(
    client: Client,
    simulator: Simulator,
    receiver: Receiver,
    rule: dict[str, Any],
    expected: list[str],
) -> None:
    _plan(simulator, callback=[rule])
    _create(client, status_callback=receiver.base + "/status")
    wait_until(lambda: len(receiver.statuses()) == len(expected))
    assert receiver.statuses() == expected


def test_a_callback_can_come_before_the_answer(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    _plan(simulator, callback=[{"fault": "early", "next": 1}])
    sid = _create(client, status_callback=receiver.base + "/status").sid
    assert receiver.statuses(sid) == ["sent"]


def test_the_account_has_a_limit_of_concurrent_calls(simulator: Simulator) -> None:
    _plan(simulator, latency_ms=300, concurrency_limit=1)
    with ThreadPoolExecutor(4) as threads:
        path = _messages(simulator.client())
        answers = list(threads.map(lambda _: simulator.post(path, _form()), range(4)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 201
    assert codes[-1] == 429


@pytest.mark.parametrize(
    "plan",
    [
        {"create": [{"fault": "nonsense"}]},
        {"create": [{"fault": "lost"}]},
        {"list": [{"fault": "throttle"}]},
        {"callback": [{"fault": "late", "secnods": 1}]},
        {"create": [{"fault": "slow", "seconds": "long"}]},
        {"unknown": 1},
    ],
)
def test_a_plan_with_a_mistake_changes_nothing(simulator: Simulator, plan: dict[str, Any]) -> None:
    _plan(simulator, list_lag=3)
    assert simulator.control("PUT", "/faults", plan, status=400)["error"]
    assert simulator.control("GET", "/faults")["list_lag"] == 3


def test_rules_can_be_added_and_cleared(client: Client, simulator: Simulator) -> None:
    simulator.control("POST", "/faults/create", {"fault": "fail_500", "next": 1})
    with pytest.raises(TwilioRestException):
        _create(client)
    (rule,) = simulator.control("GET", "/faults")["create"]
    assert (rule["fired"], rule["next"]) == (1, 0)
    simulator.control("PUT", "/latency", {"latency_ms": 5})
    simulator.control("DELETE", "/faults", status=204)
    assert simulator.control("GET", "/faults")["create"] == []
