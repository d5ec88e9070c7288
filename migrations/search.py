"""Text search: finds the blocks of messages that may contain a word, or a part of one.

A row of `search_blocks` stands for consecutive messages of one tenant, in the order of their time.
It indexes the pieces of their words: for every word of three letters or more, the word itself, the
word without its first letter, and so on down to three letters, each cut to five letters. A part of
a word is therefore the beginning of a piece or, if it is longer than five letters, made of several
pieces. A search finds the blocks that have all its pieces, and reads their messages.

Each piece begins with a mark of its tenant, so the cost of a search depends on its own tenant's
data.
"""

from alembic import op

from migrations.tenancy import APP, OWNER, RESOLVER, SCHEMA

LONGEST_TEXT = 40_000
"""Most bytes of text in one block. A tsvector holds 1 MB, and this text may take half of it."""

CUT = 5
"""Letters in a piece. Shorter pieces would occur in too many blocks; longer ones would double the
size of the index."""

SEPARATORS = r"[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+"
"""ASCII characters that are neither letters nor digits. Everything that is not ASCII counts as a
letter, so that the locale of the database does not matter."""

WORDS = rf"""
CREATE FUNCTION {SCHEMA}.search_words(tenant uuid, given text) RETURNS tsvector
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        -- Too long: every search finds it, and reads it.
        WHEN octet_length(given) > {LONGEST_TEXT}
            THEN array_to_tsvector(ARRAY[left(md5(tenant::text), 4) || '*'])
        ELSE array_to_tsvector(ARRAY(
            SELECT DISTINCT left(md5(tenant::text), 4) || substr(word, first, {CUT})
            FROM regexp_split_to_table(lower(given), '{SEPARATORS}') AS word,
                generate_series(1, length(word) - 2) AS first
        ))
    END
$$
"""  # noqa: S608 (our own names)

MATCHING = f"""
CREATE FUNCTION {SCHEMA}.matching_blocks(
    pieces text[], from_at timestamptz, before_at timestamptz, before_id uuid, at_most integer
) RETURNS TABLE (since_at timestamptz, since_id uuid, until_at timestamptz, until_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
    WITH asking AS (
        SELECT nullif(current_setting('app.tenant_id', true), '')::uuid AS tenant_id
    ), wanted AS (
        SELECT format('(%s) | ''%s*''', string_agg(term, ' & '), mark)::tsquery AS query
        FROM (
            SELECT mark, format('''%s%s'':*', mark, substr(lower(piece), first, {CUT})) AS term
            FROM (SELECT left(md5(tenant_id::text), 4) AS mark FROM asking) AS marked,
                unnest(pieces) AS piece,
                generate_series(1, greatest(length(piece) - {CUT} + 1, 1)) AS first
        ) AS terms
        GROUP BY mark
    ), hit AS MATERIALIZED (
        SELECT b.tenant_id, b.since_at, b.since_id, b.until_at, b.until_id
        FROM {SCHEMA}.search_blocks b WHERE b.words @@ (SELECT query FROM wanted)
    )
    SELECT h.since_at, h.since_id, h.until_at, h.until_id FROM hit h
    WHERE h.tenant_id = (SELECT tenant_id FROM asking) AND h.until_at >= from_at
        AND (h.since_at, h.since_id) < (before_at, before_id)
    ORDER BY h.until_at DESC, h.until_id DESC LIMIT at_most
$$
"""  # noqa: S608 (our own names)
"""`pieces` must be words of three letters or more that contain none of SEPARATORS."""

AT = "greatest({row}.created_at, {row}.due_at)"

LATE = f"""
CREATE FUNCTION {SCHEMA}.index_late_text() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
-- A text that came, or was changed, behind the newest block gets a block of its own.
DECLARE
    happened timestamptz := {AT.format(row="NEW")};
BEGIN
    -- Whoever writes blocks at this moment holds the same lock, so that it is in one or the other.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('search|' || NEW.tenant_id, 0));
    INSERT INTO {SCHEMA}.search_blocks AS b
        (tenant_id, id, since_at, since_id, until_at, until_id, is_late, words)
    SELECT NEW.tenant_id, NEW.id, happened, NEW.id, happened, NEW.id, true,
        {SCHEMA}.search_words(NEW.tenant_id, NEW.body)
    WHERE EXISTS (
        SELECT FROM {SCHEMA}.search_blocks o
        WHERE o.tenant_id = NEW.tenant_id AND NOT o.is_late AND o.until_at >= happened
    )
    ON CONFLICT (tenant_id, id) DO UPDATE
    SET since_at = happened, until_at = happened, words = excluded.words;
    RETURN NULL;
END $$
"""  # noqa: S608 (our own names)

TRIGGERS = f"""
CREATE TRIGGER index_late_text AFTER INSERT ON {SCHEMA}.messages FOR EACH ROW
WHEN ({AT.format(row="NEW")} < clock_timestamp() - interval '1 minute')
EXECUTE FUNCTION {SCHEMA}.index_late_text();
CREATE TRIGGER index_changed_text AFTER UPDATE OF body, created_at, due_at ON {SCHEMA}.messages
FOR EACH ROW WHEN (
    OLD.body IS DISTINCT FROM NEW.body OR {AT.format(row="NEW")} < {AT.format(row="OLD")}
)
EXECUTE FUNCTION {SCHEMA}.index_late_text();
"""


def make_search() -> None:
    """Create the functions and triggers. The table `search_blocks` must exist."""
    op.execute(WORDS)
    op.execute(LATE)
    op.execute(TRIGGERS)
    op.execute(f"GRANT CREATE ON SCHEMA {SCHEMA} TO {RESOLVER}")
    op.execute(f"RESET ROLE; SET ROLE {RESOLVER}")
    op.execute(MATCHING)
    op.execute(f"REVOKE ALL ON FUNCTION {SCHEMA}.matching_blocks FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SCHEMA}.matching_blocks TO {APP}")
    op.execute(f"RESET ROLE; SET ROLE {OWNER}")
    op.execute(f"REVOKE CREATE ON SCHEMA {SCHEMA} FROM {RESOLVER}")


def drop_search() -> None:
    op.execute(f"RESET ROLE; SET ROLE {RESOLVER}")
    op.execute(f"DROP FUNCTION {SCHEMA}.matching_blocks")
    op.execute(f"RESET ROLE; SET ROLE {OWNER}")
    op.execute(f"DROP TRIGGER index_changed_text ON {SCHEMA}.messages")
    op.execute(f"DROP TRIGGER index_late_text ON {SCHEMA}.messages")
    op.execute(f"DROP FUNCTION {SCHEMA}.index_late_text, {SCHEMA}.search_words")
