"""Which lines of the workflows' functions have run: what a replay of all histories leaves out."""

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dis import findlinestarts
from pathlib import Path
from types import CodeType, FrameType
from typing import Any


class TracedLines:
    """The lines of all functions in some source files, and those of them that have run."""

    def __init__(self, files: set[str], without: frozenset[str] = frozenset()) -> None:
        """`without` are names of functions that do not count."""
        self._texts = {file: Path(file).read_text() for file in files}
        self._run: set[tuple[str, int]] = set()
        self._all = {
            (file, line)
            for file, text in self._texts.items()
            for line in _lines(compile(text, file, "exec"), without)
        }

    @property
    def missed(self) -> dict[str, str]:
        """The lines that have not run: `file:line` to what stands there."""
        return {
            f"{file}:{line}": self._texts[file].splitlines()[line - 1].strip()
            for file, line in sorted(self._all - self._run)
        }

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Take down what runs in the block, on the threads that it starts."""
        before = threading.gettrace()
        threading.settrace(self._enter)
        try:
            yield
        finally:
            threading.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._step if frame.f_code.co_filename in self._texts else None

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self._run.add((frame.f_code.co_filename, frame.f_lineno))
        return self._step


def _lines(code: CodeType, without: frozenset[str]) -> Iterator[int]:
    if code.co_name in without:
        return
    if code.co_flags & inspect.CO_OPTIMIZED:  # a function, neither a class nor a module
        for _, line in findlinestarts(code):
            # Of an implicit instruction Python names no line.
            if line and line != code.co_firstlineno:
                yield line
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant, without)
