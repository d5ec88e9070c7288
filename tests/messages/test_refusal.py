"""A request that waits for the provider's answer reports a refusal."""

from concurrent.futures import ThreadPoolExecutor

from tests.world import World


def send_and_wait(world: World, to: str, key: str) -> tuple[int, dict[str, object]]:
    body = {"to_number": to, "body": "hola", "use_queue": False}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.owner.post, "/api/send", body, idempotency_key=key)
        while not answer.done():
            world.deliver()
        return answer.result().status_code, answer.result().json


def test_a_refused_message_answers_422_with_cause_and_remedy(world: World) -> None:
    status, answer = send_and_wait(world, "+15550021610", "refused")
    assert (status, answer["success"]) == (422, False)
    assert answer["code"] == "refused_by_provider"
    details = answer["details"]
    assert isinstance(details, dict)
    assert details["error"]["provider_code"] == "21610"
    assert details["error"]["cause"] in str(answer["error"])
    shown = world.owner.get(f"/api/messages/{details['message_id']}").json
    assert shown["status"] == "failed"


def test_the_refusal_is_replayed_for_the_same_key(world: World) -> None:
    first = send_and_wait(world, "+15550021610", "again")
    second = send_and_wait(world, "+15550021610", "again")
    assert second[0] == first[0]
    assert second[1]["details"] == first[1]["details"]


def test_an_accepted_message_answers_200_with_the_providers_id(world: World) -> None:
    status, answer = send_and_wait(world, "+15551234567", "accepted")
    assert status == 200
    assert str(answer["message_sid"]).startswith("SM")
