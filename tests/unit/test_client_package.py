"""What importing the client brings along."""

import subprocess
import sys

PROGRAM = """
import sys
import tidings.client
servers = {"temporalio", "sqlalchemy", "asyncpg", "fastapi", "starlette", "uvicorn", "structlog", "typer"}
ours = {"api", "worker", "workflows", "activities", "tidings.settings", "tidings.database"}
print(*sorted((servers | ours) & set(sys.modules)))
"""


def test_the_client_brings_no_part_of_a_server_along() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert ran.stdout == "\n"


def test_all_that_it_names_is_there() -> None:
    import tidings.client

    assert all(hasattr(tidings.client, name) for name in tidings.client.__all__)
