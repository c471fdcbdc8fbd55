"""Alembic migrations: one head, date-named files, each with a way back.

A new one: `alembic -c migrations/alembic.ini revision --autogenerate -m "what it adds"`, against the database
of `TIDINGS_DATABASE_URL`. Installations run them by `tidings migrate`.
"""
