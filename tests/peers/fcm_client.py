"""Sends by Google's own client library what it reads as JSON, and prints what became of each message."""

import json
import sys

from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError


def main() -> None:
    given = json.load(sys.stdin)
    credentials = service_account.Credentials.from_service_account_info(
        given["account"], scopes=["https://www.googleapis.com/auth/firebase.messaging"]
    )
    service = build(
        "fcm",
        "v1",
        credentials=credentials,
        client_options={"api_endpoint": given["url"]},
        static_discovery=True,
        cache_discovery=False,
    )
    results = []
    for message in given["messages"]:
        call = service.projects().messages().send(parent=given["parent"], body={"message": message})
        try:
            results.append(call.execute(num_retries=0))
        except HttpError as error:
            results.append({"status": error.resp.status, "details": error.error_details})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
