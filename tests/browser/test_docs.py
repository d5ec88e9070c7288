"""The page of the API's description, used as a newcomer uses it."""

from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

PHONE = "+15557659901"


@pytest.fixture
def operation(page: Page, base_url: str, api: requests.Session) -> Callable[[str], Locator]:
    """Open the page, authorized, and return an opener of the operation with a name."""
    page.goto(f"{base_url}/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.locator("#auth-bearer-value, .auth-container input").first.fill(
        str(api.headers["Authorization"]).removeprefix("Bearer ")
    )
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".btn-done").click()

    def opened(name: str) -> Locator:
        found = page.locator(".opblock").filter(
            has=page.locator(".opblock-summary-description", has_text=name)
        )
        found.locator(".opblock-summary-control").click()
        expect(found.get_by_role("button", name="Execute")).to_be_visible()
        return found

    return opened


def execute(page: Page, block: Locator) -> int:
    """Press the button; return the status of the answer."""
    with page.expect_response(lambda answer: "/api/" in answer.url) as waiting:
        block.get_by_role("button", name="Execute").click()
    return waiting.value.status


@pytest.fixture
def open_phone(simulator_url: str) -> None:
    """A phone whose 24-hour window is open."""
    data = {"number": PHONE, "window": "open"}
    answer = requests.post(f"{simulator_url}/control/phones", json=data, timeout=10)
    assert answer.status_code == 201


@pytest.mark.usefixtures("open_phone")
def test_executing_twice_sends_twice(
    page: Page, base_url: str, api: requests.Session, operation: Callable[[str], Locator]
) -> None:
    block = operation("Send a message")
    body = block.locator("textarea.body-param__text")
    body.fill(body.input_value().replace("+15551234567", PHONE))
    assert [execute(page, block), execute(page, block)] == [202, 202]
    url = f"{base_url}/api/messages"
    answer = api.get(url, params={"phone": PHONE, "direction": "outgoing"}, timeout=10)
    ids = {message["id"] for message in answer.json()["messages"]}
    assert len(ids) == 2


def test_a_list_is_asked_for_without_filters(
    page: Page, operation: Callable[[str], Locator]
) -> None:
    block = operation("List messages")
    with page.expect_request(lambda request: "/api/messages" in request.url) as waiting:
        block.get_by_role("button", name="Execute").click()
    assert waiting.value.url.partition("?")[2] in {"", "limit=50"}


def test_the_sections_begin_with_signing_in(
    page: Page, operation: Callable[[str], Locator]
) -> None:
    sections = page.locator(".opblock-tag-section h3 a").all_inner_texts()
    assert sections[:4] == ["Signing in", "Your account", "Channels", "Sending"]
    assert sections[-1] == "State of the service"
