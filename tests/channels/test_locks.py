"""Changes of a channel lock the tenant first, as the rotation of its key does."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from app import db
from tests.locks import until_waiting
from tests.world import World


def test_a_verification_waits_for_a_rotation_without_holding_the_channel(world: World) -> None:
    with ThreadPoolExecutor(1) as pool:
        with db.tenant_session(world.tenant.id) as session:
            session.execute(text("select from recado.tenants for update"))
            verified = pool.submit(world.owner.post, f"/channels/{world.channel.id}/verify")
            until_waiting()
            session.execute(text("select from recado.channels for update nowait"))
        assert verified.result().status_code == 200
