"""Whether the providers that are set up take our credentials. Nothing is sent."""

from collections.abc import Sequence

from tidings.doctor.finding import Check, Finding, State
from tidings.domain.providers import ProviderEntry
from tidings.domain.vocabulary import Channel
from tidings.errors import PermanentFailure, SendFailure, SetupError, TransientFailure
from tidings.provider_catalogue import Catalogue
from tidings.providers.protocol import Checkable
from tidings.providers.registry import build_provider, lacks
from tidings.settings import DeliverySettings, ProviderSettings


def checks(known: Catalogue, settings: ProviderSettings, delivery: DeliverySettings) -> list[Check]:
    """One for each provider that is set up or that a route names, and one for entry points at fault."""
    routed = _routed(delivery)
    live = [entry for entry in known.entries if not entry.test_only]
    found = [_check(entry, settings, needed=entry.name in routed) for entry in live]
    for fault in known.faults:
        found.append(_fault(f"provider {fault.name}", fault.text))
    return found


def _check(entry: ProviderEntry, settings: ProviderSettings, *, needed: bool) -> Check:
    name = f"provider {entry.name}"

    async def look() -> Sequence[Finding]:
        provider = build_provider(entry, settings)
        try:
            missing = lacks(provider)
            if missing is not None:
                return _not_set_up(name, missing, settings) if needed else []
            if not isinstance(provider, Checkable):
                return [Finding(name, State.UNCHECKED, "set up; it has no check of its own")]
            return [Finding(name, State.OK, await provider.check())]
        except TransientFailure as failure:
            state = State.WARNING if failure.of_message else State.FAILED
            remedy = "see the provider's status page, and whether it can be reached from here"
            return [Finding(name, state, _said(failure), remedy)]
        except PermanentFailure as failure:
            return [Finding(name, State.FAILED, _said(failure), f"see docs/providers/{entry.name}.md")]
        except SendFailure as failure:
            return [Finding(name, State.FAILED, _said(failure))]
        finally:
            await provider.aclose()

    async def built() -> Sequence[Finding]:
        try:
            return await look()
        except SetupError as error:
            return [Finding(name, State.FAILED, str(error))]

    return Check(name, built)


def _not_set_up(name: str, missing: str, settings: ProviderSettings) -> Sequence[Finding]:
    verb = "set" if missing.startswith("TIDINGS_") else "installed"
    if settings.sandbox_stands_in:
        return [Finding(name, State.OK, f"{missing} is not {verb}; the sandbox stands in")]
    remedy = "set it up, or take it out of the routes"
    return [Finding(name, State.WARNING, f"on a route, but {missing} is not {verb}", remedy)]


def _said(failure: SendFailure) -> str:
    return f"{failure.message} ({failure.code})"


def _fault(name: str, text: str) -> Check:
    async def look() -> Sequence[Finding]:
        return [Finding(name, State.FAILED, text, "mend or uninstall the package")]

    return Check(name, look)


def _routed(delivery: DeliverySettings) -> set[str]:
    """Every provider that some route names."""
    own = [route for routes in delivery.tenant_routes.values() for route in routes.values()]
    routes = [*own, *(delivery.route(channel, "") for channel in Channel)]
    return {name for route in routes for name in route.names}
