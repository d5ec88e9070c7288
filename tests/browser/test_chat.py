"""The phone page as a user of WhatsApp knows it. Each test has a person of its own."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

SENDER = "+14155238886"
ACCOUNT = ("AC0000000000000000000000000000de30", "de300000000000000000000000000000")
"""Of the demonstration: what the business signs in with at the provider."""
NUMBERS = count(15557650001)


class Person:
    """A phone, as the control API and the business's API see it."""

    def __init__(self, simulator_url: str, base_url: str, api: requests.Session) -> None:
        self.number = f"+{next(NUMBERS)}"
        self._simulator, self._base_url, self._api = simulator_url, base_url, api

    def control(self, method: str, path: str = "", **data: Any) -> Any:
        url = f"{self._simulator}/control/phones/{self.number}{path}"
        answer = requests.request(method, url, json=data, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def join(self, **values: Any) -> None:
        url = f"{self._simulator}/control/phones"
        data = {"number": self.number, "window": "open", **values}
        assert requests.post(url, json=data, timeout=10).status_code == 201

    def write(self, **data: Any) -> dict[str, Any]:
        """Write as the person."""
        written: dict[str, Any] = self.control(
            "POST", "/messages", to=SENDER, **{"wait": True, **data}
        )
        return written

    def is_sent(self, **data: Any) -> str:
        """Send to the person through the service; return the message's id."""
        body = {"to_number": f"whatsapp:{self.number}", **data}
        answer = self._api.post(f"{self._base_url}/api/send", json=body, timeout=10)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["message_id"])

    def is_typed_to(self, sid: str) -> None:
        """Show the person that the business writes an answer to this message."""
        answer = requests.post(
            f"{self._simulator}/v2/Indicators/Typing.json",
            {"channel": "whatsapp", "messageId": sid},
            auth=ACCOUNT,
            timeout=10,
        )
        assert answer.ok, answer.text

    def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "/messages")["messages"]
        return found

    def statuses(self) -> list[str]:
        return [m["status"] for m in self.messages() if m["direction"] != "inbound"]

    def messages_at_the_business(self) -> list[dict[str, Any]]:
        url = f"{self._base_url}/api/messages"
        answer = self._api.get(url, params={"phone": self.number}, timeout=10)
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found


@pytest.fixture
def person(simulator_url: str, base_url: str, api: requests.Session) -> Iterator[Person]:
    someone = Person(simulator_url, base_url, api)
    someone.join()
    yield someone
    # Only a few phones are listed, so that the next test finds its own without scrolling.
    someone.control("PATCH", listed=False)


def open_phone(page: Page, simulator_url: str, person: Person) -> Locator:
    """Open the person's phone by a click in the list, and return it."""
    page.goto(simulator_url)
    page.locator(f".phone-item[data-phone='{person.number}']").click()
    phone = page.locator(f".phone[data-phone='{person.number}']")
    expect(phone.get_by_role("textbox")).to_be_visible()
    return phone


def until(page: Page, check: Callable[[], Any]) -> None:
    for _ in range(100):
        if check():
            return
        page.wait_for_timeout(100)
    raise AssertionError("the condition did not become true in time")


def formatted(page: Page, text: str) -> str:
    """Return the HTML that a text becomes."""
    script = """async (text) => {
      const { formatted } = await import("/phone/format.js");
      const node = document.createElement("p");
      node.append(...formatted(text));
      return node.innerHTML;
    }"""
    return str(page.evaluate(script, text))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _italic_ ~struck~", "<strong>bold</strong> <em>italic</em> <s>struck</s>"),
        ("```mono *x*\nspace```", "<code>mono *x*\nspace</code>"),
        ("`code`", "<code>code</code>"),
        ("*bold _both_*", "<strong>bold <em>both</em></strong>"),
        ("(*bold*), _so_!", "(<strong>bold</strong>), <em>so</em>!"),
        ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
        ("* no * bold*", "* no * bold*"),
        ("*two\nlines*", "*two\nlines*"),
        ("<b>x</b> & <script>", "&lt;b&gt;x&lt;/b&gt; &amp; &lt;script&gt;"),
        ("*<img src=x onerror=alert(1)>*", "<strong>&lt;img src=x onerror=alert(1)&gt;</strong>"),
        ("javascript:alert(1) ftp://x.example", "javascript:alert(1) ftp://x.example"),
    ],
)
def test_text_is_formatted_as_whatsapp_does(
    page: Page, simulator_url: str, text: str, html: str
) -> None:
    page.goto(simulator_url)
    assert formatted(page, text) == html


def test_links_open_elsewhere_and_end_before_punctuation(page: Page, simulator_url: str) -> None:
    page.goto(simulator_url)
    url = "https://example.com/a_b_c?x=1&amp;y=%22"
    attributes = 'target="_blank" rel="noopener noreferrer"'
    link = f'<a href="{url}" {attributes}>{url}</a>'
    assert formatted(page, "See https://example.com/a_b_c?x=1&y=%22, ok") == f"See {link}, ok"
    safe = f'<a href="http://x.example/" {attributes}>http://x.example/</a>"onclick="alert(1)'
    assert formatted(page, 'http://x.example/"onclick="alert(1)') == safe


def test_a_formatted_text_of_the_api_arrives_formatted(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    person.is_sent(body="*Pedido* listo: https://example.com/p <i>no</i>")
    row = phone.locator("li.row.theirs", has_text="Pedido listo")
    expect(row.locator("strong")).to_have_text("Pedido", timeout=10_000)
    expect(row.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")
    expect(row.locator("i")).to_have_count(0)


def test_only_what_the_person_sent_has_ticks(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    person.is_sent(body="from the business")
    until(page, lambda: person.statuses() == ["read"])
    person.write(body="from the person")
    expect(phone.locator("li.row.own .ticks")).to_have_count(1)
    expect(phone.locator("li.row.theirs", has_text="from the business")).to_be_visible()
    expect(phone.locator("li.row.theirs .ticks")).to_have_count(0)


def test_what_waits_for_the_phone_says_so_in_words(
    page: Page, simulator_url: str, person: Person
) -> None:
    person.control("PATCH", online=False)
    phone = open_phone(page, simulator_url, person)
    person.is_sent(body="wait")
    waiting = phone.locator(".waiting", has_text="aún no está en el teléfono (enviado)")
    expect(waiting).to_be_visible(timeout=10_000)
    phone.get_by_label("en línea").check()
    expect(waiting).to_have_count(0)


def test_each_side_has_one_reaction_to_a_message(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    person.is_sent(body="one")
    person.is_sent(body="two")
    for body, emoji in (("one", "👍"), ("two", "😂"), ("one", "❤️")):
        row = phone.locator("li.row.theirs", has_text=body)
        row.hover(timeout=10_000)
        row.get_by_label("Reaccionar").click()
        page.locator("#sheet").get_by_role("button", name=emoji).click()
        expect(row.locator(".reaction")).to_have_text([emoji])
    expect(phone.locator("li.row.own")).to_have_count(0)
    preview = page.locator(f".phone-item[data-phone='{person.number}'] .last-text")
    expect(preview).to_have_text("Reaccionaste ❤️")
    row = phone.locator("li.row.theirs", has_text="one")
    row.hover()
    row.get_by_label("Reaccionar").click()
    page.locator("#sheet").get_by_role("button", name="❤️").click()
    expect(row.locator(".reaction")).to_have_count(0)


def test_sample_media_of_the_phone_page_arrive(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    for name in ("Foto", "Nota de voz", "Video", "Documento", "Sticker"):
        phone.get_by_label("Adjuntar").click()
        phone.get_by_role("menuitem", name=f"{name} de muestra").click()
    expect(phone.locator("li.row.own")).to_have_count(5)
    expect(phone.locator(".bubble.bare .sticker")).to_be_visible()
    expect(phone.locator(".voice .length")).to_have_text("0:01")
    kinds = {"image", "audio", "video", "document", "sticker"}
    until(page, lambda: {m["type"] for m in person.messages_at_the_business()} == kinds)


def test_sample_media_can_be_sent_by_their_url(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    for name in ("photo.png", "voice.ogg", "sticker.webp"):
        person.is_sent(media_url=f"{simulator_url}/samples/{name}")
    until(page, lambda: person.statuses() == ["read"] * 3)
    pictures = "node => node.complete && node.naturalWidth"
    assert phone.locator(".theirs .picture").evaluate(pictures) == 240
    assert phone.locator(".theirs .bare .sticker").evaluate(pictures) == 512
    expect(phone.locator(".theirs .voice .length")).to_have_text("0:01")


def test_the_list_keeps_its_order_and_shows_the_last_message(
    page: Page, simulator_url: str, person: Person
) -> None:
    page.goto(simulator_url)
    items = page.locator(".phone-item")
    mine = page.locator(f".phone-item[data-phone='{person.number}']")
    expect(mine).to_be_visible()
    order = items.evaluate_all("all => all.map(item => item.dataset.phone)")
    assert order[0] == "+15551234567"
    person.write(body="*pregunta*, negocio")
    expect(mine.locator(".last-text")).to_have_text("pregunta, negocio")
    person.is_sent(body="respuesta")
    expect(mine.locator(".last-text")).to_have_text("respuesta", timeout=10_000)
    person.write(kind="image")
    expect(mine.locator(".last-text")).to_have_text("📷 Foto")
    assert items.evaluate_all("all => all.map(item => item.dataset.phone)") == order
    page.reload()
    expect(mine.locator(".last-text")).to_have_text("📷 Foto")
    assert items.evaluate_all("all => all.map(item => item.dataset.phone)") == order


def test_a_phone_that_does_not_read_by_itself_waits_for_the_person(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    phone.get_by_label("lee solo").uncheck()
    person.is_sent(body="read me")
    expect(phone.locator("li.row.theirs", has_text="read me")).to_be_visible(timeout=10_000)
    notice = phone.get_by_role("button", name="1 mensaje sin leer · Marcar como leído")
    expect(notice).to_be_visible()
    page.wait_for_timeout(2500)
    assert person.statuses() == ["delivered"]
    notice.click()
    until(page, lambda: person.statuses() == ["read"])
    expect(notice).to_have_count(0)


def test_opening_the_chat_reads_it(page: Page, simulator_url: str, person: Person) -> None:
    person.control("PATCH", auto_read=False)
    page.goto(simulator_url)
    person.is_sent(body="read me")
    item = page.locator(f".phone-item[data-phone='{person.number}']")
    expect(item.locator(".count")).to_have_text("1", timeout=10_000)
    assert person.statuses() == ["delivered"]
    item.click()
    until(page, lambda: person.statuses() == ["read"])
    expect(item.locator(".count")).to_have_count(0)


def test_typing_is_shown_until_the_answer_comes(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    sid = person.write(body="how much is it?")["sid"]
    person.is_typed_to(sid)
    typing = phone.get_by_text("escribiendo…")
    expect(typing).to_be_visible()
    expect(phone.locator("li.row.own .blue")).to_be_visible()
    person.is_sent(body="It is 5.")
    expect(phone.locator("li.row.theirs", has_text="It is 5.")).to_be_visible(timeout=10_000)
    expect(typing).to_be_hidden()


def test_the_window_button_shows_the_true_state(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    state = phone.locator(".window")
    expect(state).to_contain_text("Ventana de 24 horas: abierta")
    state.get_by_role("button", name="Cerrar ventana").click()
    expect(state).to_contain_text("Ventana de 24 horas: cerrada")
    expect(state.get_by_role("button", name="Abrir ventana")).to_be_focused()
    person.is_sent(body="outside")
    failed = phone.locator(".problem", has_text="63016")
    expect(failed).to_have_text(
        "No entregado (63016): Fuera de la ventana de 24 horas solo se puede enviar una plantilla.",
        timeout=10_000,
    )
    person.write(body="opens it")
    expect(state).to_contain_text("Ventana de 24 horas: abierta")
    person.control("POST", "/window", action="expire")
    expect(state).to_contain_text("Ventana de 24 horas: cerrada")
    state.get_by_role("button", name="Abrir ventana").click()
    expect(state).to_contain_text("Ventana de 24 horas: abierta")


def test_every_text_exists_in_both_languages(page: Page, simulator_url: str) -> None:
    page.goto(simulator_url)
    script = """async () => {
      const { texts } = await import("/phone/texts.js");
      const keys = (value) => Object.entries(value).flatMap(([key, item]) =>
        typeof item === "object" ? keys(item).map((inner) => `${key}.${inner}`) : [key]);
      return [keys(texts.en), keys(texts.es)];
    }"""
    english, spanish = (set(keys) for keys in page.evaluate(script))
    # Names and the vendor's errors come in English: only Spanish translates them.
    translated = {key for key in spanish if key.startswith(("names.", "errors."))}
    assert english == spanish - translated


def test_the_whole_page_changes_its_language(
    page: Page, simulator_url: str, person: Person
) -> None:
    phone = open_phone(page, simulator_url, person)
    expect(page).to_have_title("Teléfonos · simulador")
    expect(page.locator(".phone-item strong").first).to_have_text("Teléfono 1")
    page.get_by_label("Añadir un número").fill("123")
    page.get_by_role("button", name="Añadir").click()
    expect(page.get_by_role("alert").first).to_contain_text("Indica un número como")
    page.get_by_role("button", name="English").click()
    expect(page).to_have_title("Phones · simulator")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".phone-item strong").first).to_have_text("Phone 1")
    expect(phone.get_by_label("reads by itself")).to_be_visible()
    expect(phone.locator(".window")).to_contain_text("24-hour window: open")
    expect(phone.get_by_role("textbox", name="Message")).to_be_visible()
    shown = page.locator("body").inner_text()
    assert [text for text in ("Ventana", "Indica", "Añadir", "en vivo") if text in shown] == []
