"""How a handler refuses: an error of the protocol and a sentence."""

from __future__ import annotations

from kio.schema.errors import ErrorCode


class ApiError(Exception):
    """A request, or a part of one, that is answered with an error."""

    def __init__(self, code: ErrorCode, sentence: str | None = None) -> None:
        super().__init__(sentence or code.name)
        self.code = code
        self.sentence = sentence
