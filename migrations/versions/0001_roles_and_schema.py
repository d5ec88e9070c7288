"""The schema and the roles that use it.

Roles belong to the whole cluster and may serve another of its databases, so the downgrade keeps
them. Without the schema they can do nothing in this database.
"""

from alembic import op

from migrations.tenancy import APP, OWNER, RESOLVER, ROLES, SCHEMA, SYSTEM

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CREATE_ROLE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

TAKE_ROLE = """
DO $$ BEGIN
    SET LOCAL ROLE {role};
    RESET ROLE;
EXCEPTION WHEN insufficient_privilege THEN
    EXECUTE format('GRANT {role} TO %I', session_user);
END $$
"""


def upgrade() -> None:
    for role in ROLES:
        op.execute(CREATE_ROLE.format(role=role))
        op.execute(TAKE_ROLE.format(role=role))
    op.execute(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {OWNER}")
    op.execute(f"SET ROLE {OWNER}")
    op.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {APP}, {SYSTEM}, {RESOLVER}")
    op.execute("RESET ROLE")


def downgrade() -> None:
    op.execute("RESET ROLE")
    op.execute(f"DROP SCHEMA {SCHEMA}")
