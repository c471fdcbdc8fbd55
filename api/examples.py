"""The examples of the OpenAPI description. A test holds each against the schema that it stands beside."""

from typing import Any

from api.problems import IDEMPOTENCY_KEY_REUSED, Kind

Example = dict[str, Any]

_NOTIFICATION = "0199e2a4-6c1f-7d3a-9b53-2f0d1c8e4a17"
_SCHEDULE = "0199e2a5-0b7e-7c44-8d21-6a9f3e5b7c02"
_SUPPRESSION = "0199e2a6-41d0-7f18-b6c3-8e2d4f7a9b05"
_ENDPOINT = "0199e2a7-93be-7a60-a1f4-5c7d9e0b2d38"
_UI = "http://127.0.0.1:8233/namespaces/default"
_KEY_REUSED = (
    "Another body came with this Idempotency-Key before, and nothing was done with this one: "
    "repeat the first body unchanged, or give a new notification a key of its own."
)

PATHS = {
    "notification_id": _NOTIFICATION,
    "schedule_id": _SCHEDULE,
    "suppression_id": _SUPPRESSION,
    "endpoint_id": _ENDPOINT,
    "provider": "twilio",
}
"""By the name of the path's parameter."""

BODIES: dict[str, dict[str, Any]] = {
    "Submission": {
        "email": {
            "channel": "email",
            "recipient": "ada@example.com",
            "subject": "Your order has left us",
            "body": "Hello Ada, order 1042 is on its way.",
            "metadata": {"order": 1042},
            "tags": ["orders"],
        },
        "email-with-attachment": {
            "channel": "email",
            "recipient": "ada@example.com",
            "subject": "Your invoice",
            "body": "Hello Ada, your invoice is attached.",
            "html": "<p>Hello Ada, your invoice is attached.</p>",
            "attachments": [
                {"filename": "invoice.txt", "content_type": "text/plain", "content": "VG90YWw6IDQyIEVVUgo="}
            ],
        },
        "sms": {
            "channel": "sms",
            "recipient": "+14155552671",
            "body": "Your code is 493817.",
            "priority": "critical",
            "guarantee": "at_most_once",
        },
        "push": {
            "channel": "push",
            "recipient": "fcm-device-token-of-the-app",
            "subject": "Order 1042",
            "body": "It is on its way.",
            "data": {"order": "1042"},
            "collapse_key": "order-1042",
        },
        "webhook": {
            "channel": "webhook",
            "recipient": "https://example.com/hooks/orders",
            "body": '{"event": "order.shipped", "order": 1042}',
        },
    },
    "BulkSubmission": {
        "two": {
            "notifications": [
                {
                    "channel": "email",
                    "recipient": "ada@example.com",
                    "subject": "Your order has left us",
                    "body": "Hello Ada, order 1042 is on its way.",
                    "metadata": {"order": 1042},
                    "tags": ["orders"],
                    "idempotency_key": "order-1042-shipped",
                },
                {
                    "channel": "sms",
                    "recipient": "+14155552671",
                    "body": "Order 1043 is on its way.",
                    "idempotency_key": "order-1043-shipped",
                },
            ]
        }
    },
    "CancelBody": {"with-a-reason": {"reason": "the order was withdrawn"}},
    "RetryBody": {"with-a-reason": {"reason": "the mailbox has room again"}},
    "ScheduleSubmission": {
        "by-the-clock": {
            "notification": {
                "channel": "email",
                "recipient": "ada@example.com",
                "subject": "Your day",
                "body": "Good morning, Ada.",
            },
            "cron": "0 9 * * 1-5",
            "time_zone": "Europe/Berlin",
        },
        "by-an-interval": {
            "notification": {
                "channel": "webhook",
                "recipient": "https://example.com/hooks/tick",
                "body": "{}",
            },
            "every": 3600,
            "expires_after": 600,
        },
    },
    "EndpointBody": {"url": {"url": "https://example.com/hooks"}},
    "RotateBody": {"a-leaked-secret": {"overlap_seconds": 0}},
}
"""By the model of the request's body, each with a name."""

_VIEW: Example = {
    "id": _NOTIFICATION,
    "mode": "live",
    "channel": "email",
    "recipient": "ada@example.com",
    "subject": "Your order has left us",
    "status": "pending",
    "priority": "normal",
    "tags": ["orders"],
    "metadata": {"order": 1042},
    "attachments": [],
    "data": None,
    "collapse_key": None,
    "segments": None,
    "provider": None,
    "provider_reference": None,
    "error": None,
    "attempt_count": 0,
    "next_attempt_at": None,
    "send_at": None,
    "expires_at": None,
    "created_at": "2027-01-31T09:00:00.123456Z",
    "sent_at": None,
    "delivered_at": None,
    "updated_at": "2027-01-31T09:00:00.123456Z",
    "schedule_id": None,
    "workflow": {
        "id": f"notification-{_NOTIFICATION}",
        "url": f"{_UI}/workflows/notification-{_NOTIFICATION}",
    },
}
_SENT: Example = _VIEW | {
    "status": "sent",
    "provider": "smtp",
    "provider_reference": "250 2.0.0 OK",
    "attempt_count": 1,
    "sent_at": "2027-01-31T09:00:00.402113Z",
    "updated_at": "2027-01-31T09:00:00.402113Z",
}
_SCHEDULE_VIEW: Example = {
    "id": _SCHEDULE,
    "channel": "email",
    "cron": "0 9 * * 1-5",
    "every": None,
    "time_zone": "Europe/Berlin",
    "starts_at": None,
    "ends_at": None,
    "paused": False,
    "next_times": ["2027-02-01T08:00:00Z", "2027-02-02T08:00:00Z"],
    "created_at": "2027-01-31T09:00:00.123456Z",
    "url": f"{_UI}/schedules/schedule-{_SCHEDULE}",
}
_ENDPOINT_VIEW: Example = {
    "id": _ENDPOINT,
    "url": "https://example.com/hooks",
    "version": 1,
    "key_id": "3f9a1c0b",
    "previous_until": None,
    "rotated_at": None,
    "created_at": "2027-01-31T09:00:00.123456Z",
}

ANSWERS: dict[str, Example] = {
    "NotificationView": _VIEW,
    "NotificationDetails": _SENT
    | {
        "body": "Hello Ada, order 1042 is on its way.",
        "attempts": [
            {
                "number": 1,
                "provider": "smtp",
                "outcome": "accepted",
                "error": None,
                "provider_reference": "250 2.0.0 OK",
                "response": None,
                "started_at": "2027-01-31T09:00:00.301002Z",
                "finished_at": "2027-01-31T09:00:00.402113Z",
            }
        ],
        "receipts": [],
    },
    "BulkAnswer": {
        "data": [
            {"status": 201, "replayed": False, "notification": _VIEW},
            {
                "status": 422,
                "problem": {
                    "type": IDEMPOTENCY_KEY_REUSED.type,
                    "title": IDEMPOTENCY_KEY_REUSED.title,
                    "status": 422,
                    "detail": _KEY_REUSED,
                    "instance": "/v1/notifications/bulk#/notifications/1",
                    "errors": [{"pointer": "/idempotency_key", "detail": "was used with another body"}],
                },
            },
        ]
    },
    "NotificationPage": {"data": [_SENT], "total": 1, "page": 1, "per_page": 20, "next_cursor": None},
    "ScheduleDetails": _SCHEDULE_VIEW
    | {
        "mode": "live",
        "notification": {
            "channel": "email",
            "recipient": "ada@example.com",
            "subject": "Your day",
            "body": "Good morning, Ada.",
            "tags": [],
            "priority": "normal",
            "guarantee": "at_least_once",
        },
        "expires_after": None,
        "catch_up_window": 3600,
        "firings": [],
    },
    "SchedulePageView": {"data": [_SCHEDULE_VIEW], "next_cursor": None},
    "SuppressionPage": {
        "data": [
            {
                "id": _SUPPRESSION,
                "channel": "email",
                "recipient": "ada@example.com",
                "reason": "hard_bounce",
                "provider": "sendgrid",
                "notification_id": _NOTIFICATION,
                "created_at": "2027-01-31T09:00:00.123456Z",
            }
        ],
        "per_page": 20,
        "next_cursor": None,
    },
    "EndpointDetails": _ENDPOINT_VIEW | {"secret": "whsec_<base64 of 32 bytes>"},
    "EndpointList": {"data": [_ENDPOINT_VIEW]},
    "Health": {"status": "ok"},
}
"""By the model of the answer."""

ANSWERS_OF: dict[tuple[str, str], Example] = {
    ("notifications_cancel", "200"): _VIEW | {"status": "cancelled"},
    ("notifications_cancel", "202"): _VIEW | {"status": "sending", "provider": "smtp", "attempt_count": 1},
    ("notifications_retry", "200"): _VIEW | {"status": "sending", "provider": "smtp", "attempt_count": 4},
    ("notifications_retry", "202"): _VIEW
    | {
        "status": "failed",
        "provider": "smtp",
        "attempt_count": 3,
        "error": {"code": "smtp_550_5.1.1", "message": "the mailbox does not exist"},
    },
    ("schedules_pause", "200"): ANSWERS["ScheduleDetails"] | {"paused": True},
}
"""By operation and status, where one model has several."""

_DETAILS: dict[str, Example] = {
    "invalid-json": {"detail": "The body is not valid JSON: expected value at line 1 column 12."},
    "invalid-cursor": {"detail": "Take the cursor from next_cursor of a list, unchanged."},
    "bad-request": {"detail": "Schedules do not support Idempotency-Key: send without it."},
    "malformed-callback": {"detail": "The field MessageSid is missing."},
    "unauthorized": {"detail": "The API key is unknown or revoked."},
    "forged-callback": {"detail": "The signature is wrong."},
    "insufficient-scope": {
        "detail": "This needs the scope send, which the API key or token does not have.",
        "scope": "send",
    },
    "tenant-disabled": {"detail": "Tenant acme is disabled: ask the operator of this service."},
    "wrong-mode": {"detail": "It is of mode live: a test key cannot change it."},
    "not-found": {"detail": "There is no notification with this id."},
    "method-not-allowed": {"detail": "This path takes GET, HEAD, POST."},
    "misdirected-request": {
        "detail": "This Host is not served here. The operator names those that are in TIDINGS_TRUSTED_HOSTS."
    },
    "wrong-status": {
        "detail": "The notification is sent: there is nothing left to cancel.",
        "notification_status": "sent",
    },
    "too-large": {"detail": "The body may have at most 1000000 bytes."},
    "unsupported-media-type": {"detail": "Send the body as UTF-8 with Content-Type: application/json."},
    "validation": {
        "detail": "Some fields are not valid.",
        "errors": [{"pointer": "/subject", "detail": "is required for email"}],
    },
    "idempotency-key-reused": {
        "detail": _KEY_REUSED,
        "errors": [{"pointer": "/Idempotency-Key", "detail": "was used with another body"}],
    },
    "too-many-requests": {
        "detail": "This API key may make 1000/second requests, and nothing was done with this one: "
        "try again in 1 s.",
        "limit": "key",
    },
    "request-timeout": {
        "detail": "The body did not arrive in time, and nothing was done with it: send it again, faster."
    },
    "uri-too-long": {"detail": "Path and query may have 8192 bytes together."},
    "headers-too-large": {
        "detail": "There may be 100 header fields, and all of them together may have 32768 bytes."
    },
    "too-busy": {
        "detail": "This process works on as many requests as it may; nothing was done with this one: "
        "try again."
    },
    "internal": {"detail": "This is our fault. Its log lines bear the X-Request-ID."},
    "storage-unavailable": {
        "detail": "Postgres cannot be reached, and this cannot be answered without it: try again later."
    },
    "orchestrator-unavailable": {
        "detail": "Temporal cannot be reached, and this cannot be done without it: try again later."
    },
    "callback-postponed": {"detail": "The signing certificate cannot be fetched now."},
    "webhook-key-missing": {"detail": "The operator has to set TIDINGS_WEBHOOK_SIGNING_KEY."},
    "token-keys-unavailable": {
        "detail": "The key set that tokens are checked with cannot be had: try again later."
    },
    "not-ready": {"detail": "Cannot be used now: temporal.", "parts": ["temporal"]},
}


def of_problem(kind: Kind, path: str) -> Example:
    """What such a problem looks like at a path."""
    given = {"type": kind.type, "title": kind.title, "status": kind.status.value}
    return given | {"detail": f"{kind.title}.", "instance": path} | _DETAILS.get(kind.name, {})
