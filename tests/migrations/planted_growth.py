"""Defects that let tables grow, make lists slow or mix modes; the gate must report each."""

from tests.migrations.planted import MESSAGES, NO_POLICY, STRANGE_POLICY, Planted

NO_MODES = "has a column is_test and no policy of modes"

PLANTED_GROWTH = (
    Planted(
        "live and test rows together",
        "drop policy mode on recado.messages",
        (f"policy: {MESSAGES} {NO_MODES}",),
    ),
    Planted(
        "a policy of modes that keeps only writes apart",
        "alter policy mode on recado.messages using (true)",
        (f"policy: {MESSAGES} {NO_MODES}", f"policy: {MESSAGES}.mode {STRANGE_POLICY}"),
    ),
    Planted(
        "a partition without row-level security",
        "alter table recado.events_default disable row level security",
        ("table: recado.events_default row-level security is not enabled",),
    ),
    Planted(
        "a partition that its owner reads",
        "alter table recado.events_default no force row level security",
        ("table: recado.events_default row-level security is not forced upon its owner",),
    ),
    Planted(
        "a partition without a policy",
        "drop policy tenant on recado.events_old",
        (f"policy: recado.events_old {NO_POLICY}",),
    ),
    Planted(
        "a partition of another owner",
        "create table recado.planted partition of recado.audit_entries"
        " for values from ('fffffff0-0000-0000-0000-000000000000') to"
        " ('fffffff1-0000-0000-0000-000000000000')",
        (
            "owner: recado.planted is not owned by recado_owner",
            f"policy: recado.planted {NO_POLICY}",
            "table: recado.planted row-level security is not enabled",
            "table: recado.planted row-level security is not forced upon its owner",
        ),
    ),
    Planted(
        "the system role reads an event",
        "grant select (data) on recado.events to recado_system",
        ("grant: recado.events.data recado_system may SELECT",),
    ),
    Planted(
        "the app removes months",
        "grant execute on function recado.keep_months to recado_app",
        (
            (
                "function: recado.keep_months(text, integer, interval) is SECURITY DEFINER, and "
                "recado_app may execute it"
            ),
        ),
    ),
    Planted(
        "months that the superuser makes",
        "alter function recado.keep_months owner to current_user",
        (
            (
                "function: recado.keep_months(text, integer, interval) is SECURITY DEFINER and "
                "not owned by recado_owner"
            ),
        ),
    ),
    Planted(
        "a search for everybody",
        "grant execute on function recado.matching_blocks to public",
        (
            (
                "function: recado.matching_blocks(text[], timestamp with time zone, timestamp "
                "with time zone, uuid, integer) is SECURITY DEFINER, and PUBLIC may execute it"
            ),
        ),
    ),
    Planted(
        "a second index for search, which nobody declared",
        "create index planted on recado.search_blocks using gin (words)",
        (
            (
                "index: recado.search_blocks.planted is skipped under row-level security: "
                "operators of tsvector_ops are not leakproof"
            ),
        ),
    ),
    Planted(
        "an index on an expression beside the declared ones",
        "create index planted on recado.messages (tenant_id, greatest(created_at, due_at))",
        (
            (
                f"index: {MESSAGES}.planted is on an expression, and its function may not be "
                "leakproof"
            ),
        ),
    ),
)
