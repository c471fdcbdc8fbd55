"""boto3 sends one mail and one SMS for each recipient given on stdin; prints what came of each."""

import json
import sys
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

given = json.load(sys.stdin)


def client(service: str) -> Any:
    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=given["url"],
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def said(call: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    try:
        return {"id": call(**parameters)["MessageId"]}
    except ClientError as error:
        return {
            "code": error.response["Error"]["Code"],
            "kind": type(error).__name__,
            "status": error.response["ResponseMetadata"]["HTTPStatusCode"],
        }


ses, sns = client("sesv2"), client("sns")
raw = b"From: n@example.com\r\nSubject: Hello\r\n\r\nIt works.\r\n"
json.dump(
    {
        "mails": [
            said(ses.send_email, Destination={"ToAddresses": [to]}, Content={"Raw": {"Data": raw}})
            for to in given["mails"]
        ],
        "sms": [said(sns.publish, PhoneNumber=to, Message="It works.") for to in given["sms"]],
    },
    sys.stdout,
)
