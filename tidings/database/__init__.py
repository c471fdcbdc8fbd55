"""Postgres: tables, migrations and the repositories that hold every query."""
