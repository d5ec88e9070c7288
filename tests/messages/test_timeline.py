"""A message's steps are known as long as the message is, though its events go before it."""

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


def test_without_its_events_a_timeline_is_made_from_attempts_and_times(world: World) -> None:
    message_id = world.send()
    world.deliver()
    message = world.wait_for(message_id, "read")
    before = timeline(world, message_id)
    world.sql("delete from recado.events")
    after = timeline(world, message_id)
    assert names(after)[0] == "queued"
    assert sorted(names(after)) == [
        "attempt accepted by the provider",
        "attempt started",
        "delivered",
        "queued",
        "read",
        "sent",
    ]
    shapes = [{frozenset(step) for step in steps} for steps in (before, after)]
    assert shapes[0] == shapes[1]
    assert {each["message_sid"] for each in after} == {None, message.provider_message_id}


def test_without_its_events_a_refusal_still_names_cause_and_remedy(world: World) -> None:
    message_id = world.send(to_number="+15550021610")
    world.deliver()
    world.sql("delete from recado.events")
    steps = timeline(world, message_id)
    assert {"queued", "failed"} <= set(names(steps))
    for step in steps:
        if step["step"] in {"failed", "attempt refused by the provider"}:
            assert step["error"]["cause"]
            assert step["error"]["remedy"]


def test_when_only_the_oldest_events_are_gone_no_step_is_missing_or_doubled(world: World) -> None:
    message_id = world.send()
    world.deliver()
    world.wait_for(message_id, "read")
    before = timeline(world, message_id)
    world.sql("delete from recado.events where type = 'message.queued'")
    after = names(timeline(world, message_id))
    assert set(names(before)) <= set(after)
    assert len(after) == len(set(after))


def test_with_its_events_a_timeline_has_no_step_that_did_not_happen(world: World) -> None:
    """A message that was delivered before it was said to be sent was never said to be sent."""
    message_id = world.send()
    world.deliver()
    world.wait_for(message_id, "read")
    world.sql("delete from recado.events where type = 'message.sent'")
    assert "sent" not in names(timeline(world, message_id))


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
