"""The main use as two people see it: one at the API, one at the phone."""

import requests
from playwright.sync_api import Page, expect


def open_phone(page: Page, simulator_url: str) -> None:
    page.goto(simulator_url)
    expect(page.get_by_role("textbox", name="Mensaje")).to_be_visible()


def test_a_message_of_the_api_appears_on_the_phone_and_is_read(
    page: Page, api: requests.Session, base_url: str, simulator_url: str
) -> None:
    open_phone(page, simulator_url)
    body = "¡Hola desde la API! <b>sin HTML</b> 🎉"
    sent = api.post(
        f"{base_url}/api/send",
        json={"to_number": "whatsapp:+15551234567", "body": body},
        timeout=10,
    ).json()
    row = page.locator("li.row", has_text=body)
    expect(row).to_be_visible(timeout=10_000)
    for _ in range(50):
        shown = api.get(f"{base_url}/api/messages/{sent['message_id']}", timeout=10).json()
        if shown["status"] == "read":
            break
        page.wait_for_timeout(100)
    assert shown["status"] == "read"


def test_a_person_writes_and_the_keyword_reply_arrives(page: Page, simulator_url: str) -> None:
    open_phone(page, simulator_url)
    page.get_by_role("textbox", name="Mensaje").fill("hello")
    page.keyboard.press("Enter")
    expect(page.locator("li.row.own", has_text="hello").last).to_be_visible()
    expect(page.locator("li.row.theirs", has_text="Thanks for writing").last).to_be_visible(
        timeout=10_000
    )


def test_a_person_asks_and_the_bot_looks_the_order_up(
    page: Page, api: requests.Session, bot: str, simulator_url: str
) -> None:
    api.put(bot, json={"is_enabled": True}, timeout=10).raise_for_status()
    open_phone(page, simulator_url)
    page.get_by_role("textbox", name="Mensaje").fill("where is order 1042?")
    page.keyboard.press("Enter")
    answer = page.locator("li.row.theirs", has_text="shipped").last
    expect(answer).to_be_visible(timeout=15_000)
    expect(answer).to_contain_text("1042")
    api.put(bot, json={"is_enabled": False}, timeout=10).raise_for_status()


def test_the_api_page_describes_every_call_without_an_outside_host(
    page: Page, base_url: str
) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(f"{base_url}/docs")
    expect(page.get_by_text("/api/send", exact=True)).to_be_visible(timeout=10_000)
    assert hosts == {base_url.split("/")[2]}
