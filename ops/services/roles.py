"""The database role that Feedline gets: it may create databases (for tests), and is no superuser."""

ADMINISTRATOR = "postgres"
ROLE = "feedline"
PASSWORD = "feedline"  # noqa: S105 - of a throwaway server on the loopback interface
DATABASE = "feedline"


def prepare_role(administrator_url: str) -> None:
    """Create the role and its database on a new server."""
    import psycopg

    with psycopg.connect(administrator_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


def role_url(port: int, host: str = "127.0.0.1") -> str:
    return f"postgresql://{ROLE}:{PASSWORD}@{host}:{port}/{DATABASE}"
