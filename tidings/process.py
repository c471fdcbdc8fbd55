"""How every process of ours that used Temporal ends: in this one place."""

import contextlib
import os
import sys
from typing import NoReturn


def end(status: int) -> NoReturn:
    """Flush what was printed and end the process at once, with this exit status.

    Not by `sys.exit`: the Temporal SDK's core can crash the interpreter while it is torn down, after all
    work is done, in up to one run of five (sdk-python issue 300).
    """
    for stream in (sys.stdout, sys.stderr):
        # Whoever read our output may have seen enough.
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(status)
