-- The walls between tenants, read from the catalogue: one row for each defect, none when sound.
--     flask --app wsgi database check
-- Any login may run it. It holds no percent sign, so that every driver takes it as it stands.

WITH

-- Declared exceptions, each with its reason. One that no longer names anything is a defect too.

key_across_tenants (index_name, reason) AS (VALUES
    ('uq_users_username',  'a username is given before any tenant is known: one namespace'),
    ('uq_api_keys_prefix', 'a key is presented before any tenant is known; 12 random characters'),
    ('uq_channels_key',    'a webhook arrives before any tenant is known; an unguessable key')
),

index_on_expression (index_name, reason) AS (VALUES
    ('uq_users_username', 'only the resolver searches by it, and its policy filters nothing'),
    ('ix_messages_at', 'greatest of two timestamps compares them, which is leakproof'),
    ('ix_messages_status_at', 'likewise'),
    ('ix_messages_conversation_id_at', 'likewise')
),

searched_by_function (index_name, reason) AS (VALUES
    ('ix_search_blocks_words', 'matching_blocks searches by it, and filters by tenant itself')
),

-- What a role sees of all tenants: headers of due work, what names a tenant, and the words that a
-- search looks up. Never content.
shown (role_name, table_name, columns) AS (VALUES
    ('recado_system',   'messages',    ARRAY['tenant_id', 'channel_id', 'status', 'priority', 'created_at', 'due_at', 'retry_at', 'lease_until', 'is_held', 'valid_until']),
    ('recado_system',   'inbox_items', ARRAY['tenant_id', 'state', 'due_at', 'finished_at']),
    ('recado_system',   'channels',    ARRAY['tenant_id', 'id', 'status', 'repair_at', 'repair_tries', 'paused_until']),
    ('recado_system',   'conversations', ARRAY['tenant_id', 'owner', 'last_message_at', 'owner_since']),
    ('recado_system',   'knowledge_documents', ARRAY['tenant_id', 'id', 'state', 'lease_until']),
    ('recado_system',   'bots', ARRAY['tenant_id', 'id', 'searches_by_meaning', 'embedded_by', 'embed_at']),
    ('recado_system',   'turns', ARRAY['tenant_id', 'conversation_id', 'state', 'due_at', 'lease_until', 'finished_at']),
    ('recado_system',   'idempotency_keys', ARRAY['tenant_id', 'expires_at']),
    ('recado_system',   'user_sessions',    ARRAY['tenant_id', 'expires_at']),
    ('recado_system',   'refresh_tokens',   ARRAY['tenant_id', 'expires_at']),
    ('recado_system',   'tenants',          ARRAY['tenant_id', 'status']),
    ('recado_system',   'daily_usage',      ARRAY['tenant_id', 'day']),
    ('recado_system',   'bot_spend',        ARRAY['tenant_id', 'starts_on']),
    ('recado_system',   'events',           ARRAY['tenant_id', 'id']),
    ('recado_system',   'audit_entries',    ARRAY['tenant_id', 'id']),
    ('recado_resolver', 'tenants',     ARRAY['tenant_id', 'status', 'created_at']),
    ('recado_resolver', 'users',       ARRAY['tenant_id', 'id', 'username', 'role', 'status']),
    ('recado_resolver', 'api_keys',    ARRAY['tenant_id', 'id', 'prefix']),
    ('recado_resolver', 'channels',    ARRAY['tenant_id', 'id', 'key', 'account', 'phone_number', 'status', 'created_at']),
    ('recado_resolver', 'search_blocks', ARRAY['tenant_id', 'words', 'since_at', 'since_id', 'until_at', 'until_id'])
),

definer_function (signature, owner_name, caller_name, reason) AS (VALUES
    ('resolve_username(text)',            'recado_resolver', 'recado_app', 'sign-in'),
    ('resolve_api_key(text)',             'recado_resolver', 'recado_app', 'sign-in by API key'),
    ('resolve_channel_key(text)',         'recado_resolver', 'recado_app', 'webhook with the key in its path'),
    ('resolve_sender(text, text)',        'recado_resolver', 'recado_app', 'webhook that names account and sender'),
    ('list_tenants(uuid, uuid, integer)', 'recado_resolver', 'recado_app', 'the platform''s administrator; checks the role itself'),
    ('matching_blocks(text[], timestamp with time zone, timestamp with time zone, uuid, integer)',
        'recado_resolver', 'recado_app', 'search in texts; filters by the pinned tenant itself'),
    ('keep_months(text, integer, interval)', 'recado_owner', 'recado_system', 'makes and removes partitions of two tables')
),

role_of_ours (role_name) AS (VALUES
    ('recado_owner'), ('recado_app'), ('recado_system'), ('recado_resolver')
),

-- The one policy, as Postgres prints it.
tenant_policy (expression) AS (VALUES (
    '(tenant_id = ( SELECT (NULLIF(current_setting(''app.tenant_id''::text, true), ''''::text))::uuid AS "nullif"))'
)),

-- The policy of tables with live and test rows (migrations/tenancy.py), as Postgres prints it.
mode_policy (expression) AS (VALUES (
    '(( SELECT (COALESCE(current_setting(''app.mode''::text, true), ''''::text) = ''''::text)) OR (is_test = ( SELECT (current_setting(''app.mode''::text, true) = ''test''::text))))'
)),

relation AS (
    SELECT c.oid, c.relname::text AS name, c.relkind AS kind, c.relacl, c.relowner,
           c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
           'recado.' || c.relname AS label, c.relkind IN ('r', 'p') AS is_table
    FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('recado') AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
),

tenant_column AS (
    SELECT a.attrelid, a.attnum
    FROM pg_attribute a JOIN relation r ON r.oid = a.attrelid
    WHERE a.attname = 'tenant_id' AND NOT a.attisdropped
),

table_index AS (
    SELECT i.*, x.relname::text AS index_name, r.label || '.' || x.relname AS label
    FROM pg_index i
    JOIN relation r ON r.oid = i.indrelid AND r.is_table
    JOIN pg_class x ON x.oid = i.indexrelid
),

policy AS (
    SELECT p.polrelid, r.label || '.' || p.polname AS label,
           p.polcmd = '*' AND p.polpermissive
               AND p.polroles = ARRAY[to_regrole('recado_app')::oid]
               AND pg_get_expr(p.polqual, p.polrelid) = t.expression
               AND pg_get_expr(p.polwithcheck, p.polrelid) = t.expression AS is_tenant,
           p.polcmd = '*' AND NOT p.polpermissive
               AND p.polroles = ARRAY[to_regrole('recado_app')::oid]
               AND pg_get_expr(p.polqual, p.polrelid) = m.expression
               AND pg_get_expr(p.polwithcheck, p.polrelid) = m.expression AS is_mode,
           EXISTS (
               SELECT FROM shown s
               WHERE s.table_name = r.name AND p.polroles = ARRAY[to_regrole(s.role_name)::oid]
                   AND p.polcmd = 'r' AND p.polpermissive AND p.polwithcheck IS NULL
                   AND pg_get_expr(p.polqual, p.polrelid) = 'true'
           ) AS is_shown
    FROM pg_policy p JOIN relation r ON r.oid = p.polrelid CROSS JOIN tenant_policy t CROSS JOIN mode_policy m
),

function AS (
    SELECT f.oid, f.prosecdef, f.proowner, f.proconfig, f.proacl,
           f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')' AS signature,
           f.proname || '(' || oidvectortypes(f.proargtypes) || ')' AS types,
           'recado.' || f.proname || '(' || oidvectortypes(f.proargtypes) || ')' AS label
    FROM pg_proc f WHERE f.pronamespace = to_regnamespace('recado')
),

definer AS (
    SELECT f.*, d.owner_name, d.caller_name
    FROM function f LEFT JOIN definer_function d ON d.signature = f.types
    WHERE f.prosecdef
),

defect (kind, object, defect) AS (

    SELECT 'table', r.label, 'has no column tenant_id of type uuid that is NOT NULL'
    FROM relation r
    WHERE r.is_table AND NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = r.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
            AND a.attnotnull AND a.atttypid = 'uuid'::regtype
    )

    UNION ALL SELECT 'table', r.label, 'row-level security is not enabled'
    FROM relation r WHERE r.is_table AND NOT r.relrowsecurity

    UNION ALL SELECT 'table', r.label, 'row-level security is not forced upon its owner'
    FROM relation r WHERE r.is_table AND NOT r.relforcerowsecurity

    UNION ALL SELECT 'owner', r.label, 'is not owned by recado_owner'
    FROM relation r WHERE r.relowner IS DISTINCT FROM to_regrole('recado_owner')::oid

    UNION ALL SELECT 'table', r.label, 'has no primary key'
    FROM relation r WHERE r.is_table AND NOT EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisprimary
    )

    UNION ALL SELECT 'relation', r.label,
        CASE r.kind WHEN 'm' THEN 'is a materialized view, which row-level security does not cover'
                    WHEN 'f' THEN 'is a foreign table, which row-level security does not cover'
                    ELSE 'is a sequence, which tells one tenant how busy the others are' END
    FROM relation r WHERE r.kind IN ('m', 'f', 'S')

    UNION ALL SELECT 'view', r.label, 'is not security_invoker, so it sees what its owner sees'
    FROM relation r
    WHERE r.kind = 'v' AND NOT EXISTS (
        SELECT FROM pg_options_to_table(r.reloptions) o
        WHERE o.option_name = 'security_invoker' AND o.option_value::boolean
    )

    UNION ALL SELECT 'key', i.label, 'is unique across tenants: its first column is not tenant_id'
    FROM table_index i
    WHERE (i.indisunique OR i.indisexclusion)
        AND NOT EXISTS (
            SELECT FROM tenant_column t
            WHERE t.attrelid = i.indrelid AND t.attnum = i.indkey[0]
        )
        AND i.index_name NOT IN (SELECT e.index_name FROM key_across_tenants e)

    UNION ALL SELECT 'foreign key', r.label || '.' || k.conname,
        'does not lead from tenant_id to the tenant_id of a table of ours'
    FROM pg_constraint k JOIN relation r ON r.oid = k.conrelid
    WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT (
        EXISTS (SELECT FROM tenant_column t WHERE t.attrelid = k.conrelid AND t.attnum = k.conkey[1])
        AND EXISTS (SELECT FROM tenant_column t WHERE t.attrelid = k.confrelid AND t.attnum = k.confkey[1])
    )

    UNION ALL SELECT 'foreign key', k.conrelid::regclass || '.' || k.conname,
        'refers to a table of ours from another schema'
    FROM pg_constraint k JOIN relation r ON r.oid = k.confrelid
    WHERE k.contype = 'f' AND k.conrelid NOT IN (SELECT own.oid FROM relation own)

    UNION ALL SELECT 'index', i.label, 'is on an expression, and its function may not be leakproof'
    FROM table_index i
    WHERE i.indexprs IS NOT NULL
        AND i.index_name NOT IN (SELECT e.index_name FROM index_on_expression e)

    UNION ALL SELECT DISTINCT 'index', i.label,
        'is skipped under row-level security: operators of ' || o.opcname || ' are not leakproof'
    FROM table_index i
    CROSS JOIN unnest(i.indclass::oid[]) AS used (opclass)
    JOIN pg_opclass o ON o.oid = used.opclass
    WHERE i.index_name NOT IN (SELECT e.index_name FROM searched_by_function e) AND EXISTS (
        SELECT FROM pg_amop a
        JOIN pg_operator p ON p.oid = a.amopopr
        JOIN pg_proc f ON f.oid = p.oprcode
        WHERE a.amopfamily = o.opcfamily AND a.amopmethod = o.opcmethod
            AND a.amoplefttype = o.opcintype AND a.amoppurpose = 's' AND NOT f.proleakproof
            -- A B-tree's family also compares with other types, which our queries do not.
            AND (a.amoprighttype = o.opcintype
                 OR o.opcmethod NOT IN (SELECT m.oid FROM pg_am m WHERE m.amname IN ('btree', 'hash')))
    )

    UNION ALL SELECT 'column', r.label || '.' || a.attname,
        'is a native enum, whose operators are not leakproof: use text and CHECK'
    FROM relation r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type inner_type ON inner_type.oid IN (t.typelem, t.typbasetype)
    WHERE r.is_table AND 'e' IN (t.typtype, inner_type.typtype)

    UNION ALL SELECT 'policy', p.label,
        'is neither the tenant policy, nor that of modes, nor a declared view of headers'
    FROM policy p WHERE NOT (p.is_tenant OR p.is_mode OR p.is_shown)

    UNION ALL SELECT 'policy', r.label, 'has a column is_test and no policy of modes'
    FROM relation r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = 'is_test' AND NOT a.attisdropped
    WHERE r.is_table AND NOT EXISTS (
        SELECT FROM policy p WHERE p.polrelid = r.oid AND p.is_mode
    )

    UNION ALL SELECT 'policy', r.label, 'has not exactly one tenant policy'
    FROM relation r
    WHERE r.is_table
        AND (SELECT count(*) FROM policy p WHERE p.polrelid = r.oid AND p.is_tenant) <> 1

    UNION ALL SELECT 'grant', r.label,
        coalesce(g.rolname, 'PUBLIC') || ' may ' || a.privilege_type
            || CASE WHEN a.is_grantable THEN ' and hand it on' ELSE '' END
    FROM relation r
    CROSS JOIN aclexplode(r.relacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
    WHERE a.grantee <> r.relowner AND NOT (
        g.rolname IS NOT DISTINCT FROM 'recado_app' AND r.kind IN ('r', 'p', 'v')
        AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND NOT a.is_grantable
    )

    UNION ALL SELECT 'grant', r.label || '.' || c.attname,
        coalesce(g.rolname, 'PUBLIC') || ' may ' || a.privilege_type
            || CASE WHEN a.is_grantable THEN ' and hand it on' ELSE '' END
    FROM relation r
    JOIN pg_attribute c ON c.attrelid = r.oid AND NOT c.attisdropped
    CROSS JOIN aclexplode(c.attacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
    WHERE NOT EXISTS (
        SELECT FROM shown s
        WHERE s.role_name = g.rolname AND s.table_name = r.name AND c.attname = ANY (s.columns)
            AND a.privilege_type = 'SELECT' AND NOT a.is_grantable
    )

    UNION ALL SELECT 'grant', 'schema ' || n.nspname,
        coalesce(g.rolname, 'PUBLIC') || ' may ' || a.privilege_type
    FROM pg_namespace n
    CROSS JOIN aclexplode(n.nspacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
    WHERE n.nspname IN ('recado', 'recado_migrations') AND a.grantee <> n.nspowner AND NOT (
        n.nspname = 'recado' AND a.privilege_type = 'USAGE' AND NOT a.is_grantable
        AND EXISTS (SELECT FROM role_of_ours o WHERE o.role_name = g.rolname)
    )

    UNION ALL SELECT 'grant', 'default privileges of ' || o.rolname,
        coalesce(g.rolname, 'PUBLIC') || ' may ' || a.privilege_type
    FROM pg_default_acl d
    JOIN pg_roles o ON o.oid = d.defaclrole
    CROSS JOIN aclexplode(d.defaclacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee
    WHERE a.grantee <> d.defaclrole AND (
        d.defaclnamespace = to_regnamespace('recado')
        OR o.rolname IN (SELECT ours.role_name FROM role_of_ours ours)
    )

    UNION ALL SELECT 'owner', 'schema recado', 'is not owned by recado_owner'
    FROM pg_namespace n
    WHERE n.nspname = 'recado' AND n.nspowner IS DISTINCT FROM to_regrole('recado_owner')::oid

    UNION ALL SELECT 'function', f.label, 'is SECURITY DEFINER and not declared in the gate'
    FROM definer f WHERE f.owner_name IS NULL

    UNION ALL SELECT 'function', f.label,
        'is SECURITY DEFINER and not owned by ' || f.owner_name
    FROM definer f
    WHERE f.owner_name IS NOT NULL AND f.proowner IS DISTINCT FROM to_regrole(f.owner_name)::oid

    UNION ALL SELECT 'function', f.label, 'is SECURITY DEFINER without a pinned search_path'
    FROM function f
    WHERE f.prosecdef
        AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (f.proconfig), false)

    UNION ALL SELECT 'function', f.label,
        'is SECURITY DEFINER, and ' || coalesce(g.rolname, 'PUBLIC') || ' may execute it'
    FROM definer f
    CROSS JOIN aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
    LEFT JOIN pg_roles g ON g.oid = a.grantee
    WHERE a.grantee <> f.proowner
        AND (g.rolname IS DISTINCT FROM coalesce(f.caller_name, 'recado_app') OR a.is_grantable)

    UNION ALL SELECT 'owner', f.label, 'is not owned by recado_owner'
    FROM function f
    WHERE NOT f.prosecdef AND f.proowner IS DISTINCT FROM to_regrole('recado_owner')::oid

    UNION ALL SELECT 'role', o.role_name, 'does not exist'
    FROM role_of_ours o WHERE to_regrole(o.role_name) IS NULL

    UNION ALL SELECT 'role', r.rolname, 'is ' || power.name
    FROM pg_roles r
    JOIN role_of_ours o ON o.role_name = r.rolname
    CROSS JOIN LATERAL (VALUES
        ('SUPERUSER', r.rolsuper), ('BYPASSRLS', r.rolbypassrls), ('LOGIN', r.rolcanlogin),
        ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb), ('REPLICATION', r.rolreplication)
    ) AS power (name, held)
    WHERE power.held

    UNION ALL SELECT 'role', member.rolname, 'is a member of ' || granted.rolname
    FROM pg_auth_members m
    JOIN pg_roles member ON member.oid = m.member
    JOIN pg_roles granted ON granted.oid = m.roleid
    WHERE member.rolname IN (SELECT o.role_name FROM role_of_ours o)
        -- Supabase's roles for its own public API, which must never reach our tables.
        OR (member.rolname IN ('anon', 'authenticated', 'service_role', 'authenticator')
            AND granted.rolname IN (SELECT o.role_name FROM role_of_ours o))

    UNION ALL SELECT 'schema', c.oid::regclass::text, 'belongs to us but lies outside our schemas'
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND c.relnamespace <> ALL (ARRAY[
            to_regnamespace('recado'), to_regnamespace('recado_migrations')]::oid[])
        AND (
            c.relowner IN (SELECT to_regrole(o.role_name)::oid FROM role_of_ours o)
            OR (c.relnamespace = to_regnamespace('public') AND c.relname IN (
                SELECT r.name FROM relation r UNION ALL SELECT 'alembic_version'))
        )

    UNION ALL SELECT 'schema', f.oid::regprocedure::text, 'belongs to us but lies outside our schemas'
    FROM pg_proc f
    WHERE f.pronamespace IS DISTINCT FROM to_regnamespace('recado')
        AND f.proowner IN (SELECT to_regrole(o.role_name)::oid FROM role_of_ours o)

    UNION ALL SELECT 'publication', 'recado.' || p.tablename, 'is published by ' || p.pubname
    FROM pg_publication_tables p WHERE p.schemaname = 'recado'

    UNION ALL SELECT 'exception', e.index_name, 'is declared in the gate, but there is no such index'
    FROM (SELECT k.index_name FROM key_across_tenants k
          UNION SELECT x.index_name FROM index_on_expression x
          UNION SELECT f.index_name FROM searched_by_function f) e
    WHERE e.index_name NOT IN (SELECT i.index_name FROM table_index i)

    UNION ALL SELECT 'exception', d.signature, 'is declared in the gate, but there is no such function'
    FROM definer_function d
    WHERE d.signature NOT IN (SELECT f.types FROM function f WHERE f.prosecdef)

    UNION ALL SELECT 'exception', s.role_name || ' on ' || s.table_name || '.' || declared.name,
        'is declared in the gate, but not granted'
    FROM shown s CROSS JOIN unnest(s.columns) AS declared (name)
    WHERE NOT EXISTS (
        SELECT FROM relation r
        JOIN pg_attribute c ON c.attrelid = r.oid AND c.attname = declared.name
        CROSS JOIN aclexplode(c.attacl) a
        WHERE r.name = s.table_name AND a.grantee = to_regrole(s.role_name)::oid
    )
)

SELECT kind, object, defect FROM defect ORDER BY kind, object, defect
