"""Words from outside as values of a label."""

_MOST_NAMES = 100
_OTHER = "other"


class BoundedWords:
    """The first hundred are kept, the rest are `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def bounded(self, word: str) -> str:
        """The word, or `other`."""
        if word not in self._known:
            if len(self._known) >= _MOST_NAMES:
                return _OTHER
            self._known.add(word)
        return word
