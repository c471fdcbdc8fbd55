"""A tenant's name, wherever a command takes one to store."""

import typer

from tidings.domain.tenant import checked_name


def tenant_name(name: str) -> str:
    """The name. Raises BadParameter, which names the option, if no tenant may have it."""
    try:
        return checked_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
