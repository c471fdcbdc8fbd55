"""What callers send and get, as Pydantic models."""
