"""The business API: orders, appointments, faults, and its document."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

from simulator.business.data import DEMO_KEY
from tests.simulator.harness import Simulator

KEY = "business-test-key"
ACCOUNT = f"/business/accounts/{KEY}"
BOOKING = {
    "phone": "+15551234567",
    "service": "Haircut",
    "starts_at": "2027-01-20T15:00:00Z",
}

Business = Callable[..., requests.Response]


@pytest.fixture
def business(simulator: Simulator) -> Business:
    simulator.control("PUT", ACCOUNT, {})

    def call(method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {KEY}", **options.pop("headers", {})}
        options.setdefault("timeout", 5)
        url = f"{simulator.base}/business{path}"
        return requests.request(method, url, headers=headers, allow_redirects=False, **options)

    return call


def break_it(simulator: Simulator, **fault: Any) -> None:
    simulator.control("PUT", f"{ACCOUNT}/faults", {"rules": [fault]})


def test_an_order_is_looked_up(business: Business) -> None:
    order = business("GET", "/orders/1042").json()
    assert (order["number"], order["status"], order["total"]) == ("1042", "shipped", "31.00")
    assert business("GET", "/orders/1042?phone=%2B15551234567").json() == order
    for path in ("/orders/9999", "/orders/1042?phone=%2B573001234567"):
        missing = business("GET", path)
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_orders_of_a_phone(business: Business) -> None:
    for phone in ("%2B15551234567", "+15551234567", "15551234567"):
        orders = business("GET", f"/orders?phone={phone}").json()["orders"]
        assert [order["number"] for order in orders] == ["1042", "1045"]
    assert business("GET", "/orders").status_code == 422
    assert business("GET", "/orders?phone=abc").status_code == 422


def test_an_appointment_is_booked_and_cancelled(business: Business) -> None:
    made = business("POST", "/appointments", json=BOOKING)
    assert (made.status_code, made.json()["status"]) == (201, "booked")
    path = f"/appointments/{made.json()['id']}"
    assert business("DELETE", f"{path}?phone=%2B573001234567").status_code == 404
    for _ in range(2):
        assert business("DELETE", path).json()["status"] == "cancelled"
    listed = business("GET", "/appointments?phone=%2B15551234567").json()["appointments"]
    assert [(each["id"], each["status"]) for each in listed] == [
        ("AP-1", "booked"),
        (made.json()["id"], "cancelled"),
    ]


def test_an_idempotency_key_books_once(business: Business) -> None:
    headers = {"Idempotency-Key": "turn-1"}
    first = business("POST", "/appointments", json=BOOKING, headers=headers)
    again = business("POST", "/appointments", json=BOOKING, headers=headers)
    assert again.json() == first.json()
    assert (first.headers.get("Idempotency-Replayed"), again.status_code) == (None, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = business("POST", "/appointments", json={**BOOKING, "service": "x"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")
    without = business("POST", "/appointments", json=BOOKING)
    assert without.json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    "change",
    [
        {"phone": "12"},
        {"phone": None},
        {"starts_at": "soon"},
        {"starts_at": "2027-01-20T15:00:00"},
        {"service": " "},
        {"note": 1},
        {"colour": "red"},
    ],
)
def test_a_wrong_booking_is_refused(business: Business, change: dict[str, Any]) -> None:
    refused = business("POST", "/appointments", json={**BOOKING, **change})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid")


def test_keys(simulator: Simulator, business: Business) -> None:
    url = f"{simulator.base}/business/orders/1042"
    assert requests.get(url, timeout=5).status_code == 401
    assert requests.get(url, headers={"X-API-Key": "no"}, timeout=5).status_code == 401
    demo = requests.get(url, headers={"X-API-Key": DEMO_KEY}, timeout=5)
    assert (demo.status_code, demo.headers["X-Simulator"]) == (200, "recado")
    assert business("POST", "/appointments", data="{").status_code == 400


def test_accounts_do_not_see_each_other(simulator: Simulator, business: Business) -> None:
    business("POST", "/appointments", json=BOOKING)
    demo = simulator.control("GET", f"/business/accounts/{DEMO_KEY}")
    assert len(demo["appointments"]) == 2
    assert len(simulator.control("GET", ACCOUNT)["appointments"]) == 3
    order = {**demo["orders"][0], "number": "7"}
    simulator.control("PUT", ACCOUNT, {"orders": [order], "appointments": []})
    assert business("GET", "/orders/7").json() == order
    assert business("GET", "/orders/1042").status_code == 404
    simulator.control("PUT", ACCOUNT, {"orders": [{"number": "7"}]}, status=400)
    simulator.control("PUT", ACCOUNT, {"colour": "red"}, status=400)
    listed = simulator.control("GET", "/business/accounts")["accounts"]
    assert {account["key"] for account in listed} == {DEMO_KEY, KEY}
    simulator.control("DELETE", ACCOUNT)
    assert business("GET", "/orders/7").status_code == 401


def test_failing_after_the_work(simulator: Simulator, business: Business) -> None:
    break_it(simulator, fault="fail_after", next=1, method="POST")
    headers = {"Idempotency-Key": "turn-2"}
    assert business("GET", "/orders/1042").status_code == 200
    assert business("POST", "/appointments", json=BOOKING, headers=headers).status_code == 500
    again = business("POST", "/appointments", json=BOOKING, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert len(simulator.control("GET", ACCOUNT)["appointments"]) == 3


def test_failing_before_the_work(simulator: Simulator, business: Business) -> None:
    break_it(simulator, fault="fail_before", path="/appointments")
    assert business("POST", "/appointments", json=BOOKING).status_code == 500
    simulator.control("DELETE", f"{ACCOUNT}/faults")
    assert len(simulator.control("GET", ACCOUNT)["appointments"]) == 2


def test_answers_that_cannot_be_used(simulator: Simulator, business: Business) -> None:
    break_it(simulator, fault="malformed")
    with pytest.raises(requests.JSONDecodeError):
        business("GET", "/orders/1042").json()
    break_it(simulator, fault="huge", bytes=2_000_000)
    assert len(business("GET", "/orders/1042").content) > 2_000_000
    break_it(simulator, fault="redirect", location="http://10.0.0.1/")
    moved = business("GET", "/orders/1042")
    assert (moved.status_code, moved.headers["Location"]) == (302, "http://10.0.0.1/")
    break_it(simulator, fault="throttle", retry_after=3)
    assert business("GET", "/orders/1042").headers["Retry-After"] == "3"


def test_connections_that_fail(simulator: Simulator, business: Business) -> None:
    for fault in ("cut", "cut_after"):
        break_it(simulator, fault=fault)
        with pytest.raises(requests.ConnectionError):
            business("POST", "/appointments", json=BOOKING)
    assert len(simulator.control("GET", ACCOUNT)["appointments"]) == 3
    for fault in ("hang", "hang_after", "slow"):
        break_it(simulator, fault=fault, seconds=0.5)
        with pytest.raises(requests.ReadTimeout):
            business("POST", "/appointments", json=BOOKING, timeout=0.2)
    assert len(simulator.control("GET", ACCOUNT)["appointments"]) == 5


@pytest.mark.parametrize(
    "rule", [{}, {"fault": "x"}, {"fault": "slow", "seconds": -1}, {"fault": "slow", "x": 1}]
)
def test_a_wrong_fault_is_refused(simulator: Simulator, business: Business, rule: Any) -> None:
    simulator.control("PUT", f"{ACCOUNT}/faults", {"rules": [rule]}, status=400)


def test_the_log(simulator: Simulator, business: Business) -> None:
    break_it(simulator, fault="fail_after")
    business("POST", "/appointments", json=BOOKING, headers={"Idempotency-Key": "k"})
    business("GET", "/orders?phone=%2B15551234567")
    log = simulator.control("GET", f"/business/log?key={KEY}")
    booked, listed = log["items"]
    assert (booked["method"], booked["path"], booked["body"]) == (
        *("POST", "/business/appointments"),
        BOOKING,
    )
    assert (booked["headers"]["idempotency-key"], booked["done"]) == ("k", True)
    assert (booked["http_status"], booked["fault"]) == (201, "fail_after")
    assert listed["query"] == {"phone": "+15551234567"}
    assert "authorization" not in booked["headers"]
    page = simulator.control("GET", f"/business/log?after={booked['n']}&limit=1")
    assert [entry["n"] for entry in page["items"]] == [listed["n"]]
    simulator.control("DELETE", "/business/log")
    assert simulator.control("GET", "/business/log")["items"] == []


def test_the_document_is_valid_and_complete(simulator: Simulator) -> None:
    document = requests.get(f"{simulator.base}/business/openapi.json", timeout=5).json()
    OpenAPIV31SpecValidator(document).validate()
    operations = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert operations == {
        *("list_orders", "get_order"),
        *("list_appointments", "book_appointment", "cancel_appointment"),
    }
