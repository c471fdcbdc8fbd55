"""`python -m api.write_description FILE`: writes the OpenAPI description as it is committed."""

import json
import sys
from pathlib import Path

from api.app import routed


def text() -> str:
    """The description with sorted keys, so that a change shows as what it is."""
    return json.dumps(routed().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    """Write it to the file that the one argument names."""
    (path,) = sys.argv[1:]
    Path(path).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
