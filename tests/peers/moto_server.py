"""Moto's server on the port given, which also gives, at `/sent`, the mails and SMS it has taken."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends
from werkzeug.serving import run_simple

ACCOUNT, REGION = "123456789012", "eu-west-1"
moto = DomainDispatcherApplication(create_backend_app)


def application(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application."""
    if environment["PATH_INFO"] != "/sent":
        answer: Iterable[bytes] = moto(environment, start)
        return answer
    mails = ses_backends[ACCOUNT][REGION].sent_messages
    messages = sns_backends[ACCOUNT][REGION].sms_messages
    sent = {
        "mails": {
            mail.id: {"source": mail.source, "to": mail.destinations, "content": mail.raw_data}
            for mail in mails
        },
        "sms": messages,
    }
    start("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(sent).encode()]


run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)
