"""The model client. It knows no Flask, no database and no tenant: callers pass what it needs."""
