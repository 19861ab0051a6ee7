"""A text that comes in many small pieces."""

# A piece on its own takes ten times the memory of its letters.
_MANY = 64


class GrowingText:
    """Collects pieces, of which it never holds many; `str` of it is the whole."""

    __slots__ = ("_pieces",)

    def __init__(self, text: str = "") -> None:
        self._pieces = [text]

    def append(self, piece: str) -> None:
        """Add a piece at the end."""
        self._pieces.append(piece)
        if len(self._pieces) > _MANY:
            self._join()

    def __str__(self) -> str:
        if len(self._pieces) > 1:
            self._join()
        return self._pieces[0]

    def _join(self) -> None:
        self._pieces[:] = ("".join(self._pieces),)
