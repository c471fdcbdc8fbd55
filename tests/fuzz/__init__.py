"""Requests that are made up from the OpenAPI description, by schemathesis."""
