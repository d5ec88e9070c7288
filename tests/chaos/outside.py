"""The simulator's control API, as the proof uses it."""

from collections.abc import Iterator
from typing import Any

import requests

PAGE = 20_000


class Outside:
    """Blocking; one instance per thread."""

    def __init__(self, base_url: str) -> None:
        self._base = f"{base_url}/control"
        self._http = requests.Session()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Raises requests' HTTPError for a refusal, which would be a bug of the proof."""
        answer = self._http.request(method, self._base + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def log(self, kinds: str) -> Iterator[dict[str, Any]]:
        """Return all entries of these kinds, oldest first."""
        after = 0
        while True:
            path = f"/log?kind={kinds}&after={after}&limit={PAGE}"
            items: list[dict[str, Any]] = self.call("GET", path)["items"]
            if not items:
                return
            yield from items
            after = items[-1]["n"]

    def statuses(self) -> dict[str, str]:
        """Return SID → the provider's own status of every message that a business sent."""
        found: dict[str, str] = {}
        after = 0
        while True:
            path = f"/messages?after={after}&limit={PAGE}"
            items = self.call("GET", path)["messages"]
            if not items:
                return found
            found |= {each["sid"]: each["status"] for each in items}
            after = items[-1]["seq"]

    def stop_faults(self) -> dict[str, int]:
        """End the provider's faults; return how often each was hit."""
        plan = self.call("GET", "/faults")
        self.call("DELETE", "/faults")
        struck = {each["fault"]: each["fired"] for each in plan["create"]}
        return struck | {f"callback {each['fault']}": each["fired"] for each in plan["callback"]}

    def telling(self) -> dict[str, int]:
        """Return how many messages the provider still has to report on; empty when none."""
        count: int = self.call("GET", "/counts")["background_tasks"]
        return {"receipts to come": count} if count else {}

    def add_phone(self, number: str) -> None:
        self.call("POST", "/phones", {"number": number, "name": "Chaos", "window": "open"})

    def write(self, number: str, sender: str, body: str) -> None:
        """Write as a person; the webhook is sent after this call returns."""
        self.call("POST", f"/phones/{number}/messages", {"to": f"whatsapp:{sender}", "body": body})
