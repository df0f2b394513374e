"""What the shop says when it cannot go on. Every message names the thing and what to do."""

from __future__ import annotations

from dropship_dagster.errors import DropshipError


class ShopError(DropshipError):
    """A sentence for the user: what happened, to which file or parameter, and the fix."""


class TooManyRejectsError(ShopError):
    """More rows broke the contract than the configured share allows."""


class OwnFilesError(ShopError):
    """Files that are not the generator's, or were changed since it wrote them, are where it would write."""
