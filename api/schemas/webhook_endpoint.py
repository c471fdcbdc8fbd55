"""Webhook endpoints: what callers send, and what they get."""

from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, ValidationError

from api import problems
from api.problems import Problem
from api.schemas.fields import WHOLE, Text, UtcTime
from api.validation import field_errors
from tidings.domain.recipient import checked_recipient
from tidings.domain.vocabulary import Channel
from tidings.domain.webhook_endpoint import WebhookEndpoint

LONGEST_OVERLAP = 30 * 86_400

Body = TypeVar("Body", bound=BaseModel)


def _checked_url(value: str) -> str:
    return checked_recipient(Channel.WEBHOOK, value)


class EndpointBody(BaseModel):
    """The URL, by the rules of a webhook's recipient."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"url": "https://example.com/hooks"}]}
    )

    url: Annotated[Text, Field(min_length=1, max_length=4096), AfterValidator(_checked_url)] = Field(
        json_schema_extra={"format": "uri", "maxLength": 2048, "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"}
    )


class RotateBody(BaseModel):
    """How long the secret before signs as well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=LONGEST_OVERLAP), WHOLE] = Field(
        default=86_400, description="0 for a secret that has leaked: the one before signs no more."
    )


class EndpointView(BaseModel):
    """An endpoint, without its secret."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    id: str
    url: str
    version: int = Field(description="Counts its secrets, from 1.")
    key_id: str = Field(description="Which of the operator's keys its secret comes from.")
    previous_until: UtcTime | None = Field(description="Until then the secret before signs as well.")
    rotated_at: UtcTime | None
    created_at: UtcTime

    @classmethod
    def of(cls, endpoint: WebhookEndpoint, **more: Any) -> Self:
        """The endpoint as its owner sees it."""
        fields = {name: getattr(endpoint, name) for name in EndpointView.model_fields}
        return cls(**fields | {"id": str(endpoint.id)}, **more)


class EndpointDetails(EndpointView):
    """An endpoint with its latest secret."""

    secret: str = Field(description="`whsec_…`, for any library of Standard Webhooks.")


class EndpointList(BaseModel):
    """All endpoints of the tenant, newest first."""

    data: list[EndpointView]


def parsed(document: Any, body: type[Body]) -> Body:
    """The body. Raises Problem (422) naming each field at fault."""
    try:
        return body.model_validate(document)
    except ValidationError as error:
        faults = field_errors(error.errors(include_url=False, include_input=False))
        raise Problem(problems.VALIDATION, "Some fields are not valid.", errors=faults) from None
