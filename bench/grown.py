"""A large database: a year of conversations of several tenants, written by SQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.world import BenchChannel, World

SHARES = (0.5, 0.25, 0.15, 0.1)
"""The share of each tenant in all messages."""

IN_A_CONVERSATION = 20
AT_ONCE = 50_000

WORDS = [
    "hola",
    "gracias",
    "pedido",
    "factura",
    "entrega",
    "mañana",
    "domicilio",
    "precio",
    "horario",
    "cita",
    "urgente",
    "cambio",
    "devolución",
    "tarjeta",
    "cuenta",
    "correo",
    "llamada",
    "número",
    "dirección",
    "pago",
    "recibo",
    "envío",
    "talla",
    "color",
    "disponible",
    "confirmar",
    "cancelar",
    "información",
    "ayuda",
    "problema",
]

PEOPLE = """
    with person as (
        insert into recado.contacts (tenant_id, id, name, profile_name, attributes)
        select %(tenant_id)s, gen_random_uuid(), '', '', '{}' from generate_series(1, %(count)s)
        returning id
    ), numbered as (
        select id, '+1557' || (%(first)s + row_number() over ())::text as number from person
    ), alias as (
        insert into recado.contact_aliases (tenant_id, id, contact_id, kind, value)
        select %(tenant_id)s, gen_random_uuid(), id, 'phone', number from numbered
    )
    insert into recado.conversations
        (tenant_id, id, channel_id, contact_id, address, status, owner, message_count,
         last_message_at)
    select %(tenant_id)s, gen_random_uuid(), %(channel_id)s, id, number,
        case when random() < 0.3 then 'closed' else 'active' end,
        case when random() < 0.01 then 'human' else 'nobody' end, 20,
        now() - random() * interval '365 days'
    from numbered
"""

WORD = "(%(words)s::text[])[1 + floor(random() * cardinality(%(words)s::text[]))::int]"

MESSAGES = f"""
    with thread as (
        select id, contact_id, address, row_number() over (order by id) - 1 as n
        from recado.conversations where channel_id = %(channel_id)s
    ), many as (
        select count(*) as threads from thread
    ), planned as (
        select number, now() - interval '366 days' + number * interval '365 days' / %(total)s as at,
            random() as fate, random() < 0.5 as is_incoming,
            floor(random() * random() * threads)::int as n
        from generate_series(%(first)s, %(last)s) as number, many
    )
    insert into recado.messages
        (tenant_id, id, channel_id, conversation_id, contact_id, direction, status, sender,
         from_number, to_number, type, body, content, policy, priority, is_test, attempts,
         settle_reads, due_at, provider_message_id, created_at, updated_at)
    select %(tenant_id)s,
        (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
            || '7' || left(md5(random()::text), 3) || '8' || left(md5(random()::text), 15))::uuid,
        %(channel_id)s, thread.id, thread.contact_id,
        case when is_incoming then 'incoming' else 'outgoing' end,
        case when is_incoming then 'received' when fate < 0.7 then 'read'
            when fate < 0.9 then 'delivered' when fate < 0.97 then 'sent'
            when fate < 0.999 then 'failed' else 'unknown' end,
        case when is_incoming then 'contact' else 'api' end,
        case when is_incoming then thread.address else %(number)s end,
        case when is_incoming then %(number)s else thread.address end,
        'text', {" || ' ' || ".join([WORD] * 8)} || ' ' || number, '{{}}',
        'default', 1, false, 1, 0,
        case when is_incoming then null else at end,
        'SM' || left(%(tenant_id)s::text, 8) || lpad(number::text, 24, '0'), at, at
    from planned join thread using (n)
"""  # noqa: S608 (our own words)


def grow(world: World, places: list[BenchChannel], total: int, first: int = 0) -> None:
    """Write the messages with the numbers `first` to `total` for these places, by their shares."""
    with _bare(world):
        for place, share in zip(places, SHARES, strict=True):
            begin, end = int(first * share), int(total * share)
            _write_people(world, place, max(1, (end - begin) // IN_A_CONVERSATION))
            for start in range(begin, end, AT_ONCE):
                given = {
                    "tenant_id": place.tenant_id,
                    "channel_id": place.channel_id,
                    "number": place.number,
                    "words": WORDS,
                    "first": start,
                    "last": min(start + AT_ONCE, end) - 1,
                    "total": end,
                }
                with world.database(place.tenant_id) as cursor:
                    cursor.execute(MESSAGES, given)
            print(f"  {place.number} has {end:,} messages", flush=True)
    _tend(world)


@contextmanager
def _bare(world: World) -> Iterator[None]:
    """Drop indexes and foreign keys in the block, because millions of rows are written much faster
    without.

    They are created again afterwards; the foreign keys hold for rows that are written then.
    """
    with _owner(world) as cursor:
        indexes = _asked(
            cursor,
            "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index"
            " where indrelid = 'recado.messages'::regclass and not indisunique",
        )
        keys = _asked(
            cursor,
            "select conname, pg_get_constraintdef(oid) from pg_constraint"
            " where conrelid = 'recado.messages'::regclass and contype = 'f'",
        )
        cursor.execute(f"drop index {', '.join(indexes)}")
        for name in keys:
            cursor.execute(f"alter table recado.messages drop constraint {name}")
        cursor.execute("alter table recado.messages disable trigger user")
    yield
    with _owner(world) as cursor:
        cursor.execute("set local maintenance_work_mem = '1GB'")
        for definition in indexes.values():
            cursor.execute(definition)
        for name, key in keys.items():
            cursor.execute(f"alter table recado.messages add constraint {name} {key} not valid")
        cursor.execute("alter table recado.messages enable trigger user")


def _asked(cursor: Any, query: str) -> dict[str, str]:
    cursor.execute(query)
    return dict(cursor.fetchall())


@contextmanager
def _owner(world: World) -> Iterator[Any]:
    opened = world.connect()
    try:
        with opened, opened.cursor() as cursor:
            cursor.execute("set local role recado_owner")
            yield cursor
    finally:
        opened.close()


def _write_people(world: World, place: BenchChannel, count: int) -> None:
    first = next(_numbers)
    given = {
        "tenant_id": place.tenant_id,
        "channel_id": place.channel_id,
        "count": count,
        "first": first,
    }
    with world.database(place.tenant_id) as cursor:
        cursor.execute(PEOPLE, given)


def _first_numbers() -> Iterator[int]:
    """Return first numbers so far apart that no number is used twice."""
    yield from range(1_000_000_000, 9_000_000_000, 10_000_000)


_numbers = _first_numbers()


def _tend(world: World) -> None:
    """Do what autovacuum would do sooner or later."""
    connection = world.connect()
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("vacuum (analyze) recado.messages, recado.conversations")
            cursor.execute("analyze")
    finally:
        connection.close()
