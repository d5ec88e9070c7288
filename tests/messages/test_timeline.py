"""A message's timeline needs none of its events."""

from typing import Any
from uuid import UUID

from app.models import Tenant
from tests.factories import ApiClient, create_message
from tests.world import World


def timeline(world: World, message_id: Any) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]]
    steps = world.owner.get(f"/api/messages/{message_id}/timeline").json["steps"]
    assert [each["at"] for each in steps] == sorted(each["at"] for each in steps)
    return steps


def names(steps: list[dict[str, Any]]) -> list[str]:
    return [each["step"] for each in steps]


def test_a_timeline_is_made_from_attempts_and_times(world: World) -> None:
    message_id = world.send()
    world.deliver()
    message = world.wait_for(message_id, "read")
    world.sql("delete from recado.events")
    steps = timeline(world, message_id)
    assert names(steps)[0] == "queued"
    assert sorted(names(steps)) == [
        "attempt accepted by the provider",
        "attempt started",
        "delivered",
        "queued",
        "read",
        "sent",
    ]
    assert {each["message_sid"] for each in steps} == {None, message.provider_message_id}


def test_a_refusal_names_cause_and_remedy(world: World) -> None:
    message_id = world.send(to_number="+15550021610")
    world.deliver()
    steps = timeline(world, message_id)
    assert {"queued", "failed"} <= set(names(steps))
    for step in steps:
        if step["step"] in {"failed", "attempt refused by the provider"}:
            assert step["error"]["cause"]
            assert step["error"]["remedy"]


def test_an_incoming_message_was_received(signed_in: ApiClient, tenant: Tenant) -> None:
    heard: dict[str, Any] = {"direction": "incoming", "status": "received", "due_at": None}
    message = create_message(tenant.id, **heard)
    found = signed_in.get(f"/api/messages/{message.id}/timeline").json
    assert [each["step"] for each in found["steps"]] == ["received"]
    assert UUID(found["message"]["id"]) == message.id


def test_a_canceled_message_was_queued_and_canceled(signed_in: ApiClient, tenant: Tenant) -> None:
    message = create_message(tenant.id, status="canceled")
    found = signed_in.get(f"/api/messages/{message.id}/timeline").json
    assert [each["step"] for each in found["steps"]] == ["queued", "canceled"]
