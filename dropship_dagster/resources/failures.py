"""What went wrong, in the user's words: errors of the layers below become failures of a step with one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from dropship_dagster.endpoints import ServiceError
from dropship_dagster.errors import DropshipError

_HELP = {"help": "`dropship doctor` examines settings, services, ports and disk of this machine."}
"""Shown beside the sentence on the failed step's page."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn an error that is meant for the user into a `Failure` that carries its sentence.

    A step's retry policy sees only what trying again may help, a warehouse that is away above all. A setting, a file,
    a credential or a defect does not mend itself between two attempts.
    """
    try:
        yield
    except dg.Failure:
        raise  # it has its sentence
    except (DropshipError, ServiceError) as error:
        raise dg.Failure(description=str(error), metadata=_HELP, allow_retries=_may_pass(error)) from error
    except Exception as error:
        description = f"Unexpected {type(error).__name__}: {error}"
        raise dg.Failure(description=description, metadata=_HELP, allow_retries=False) from error


def _may_pass(error: Exception) -> bool:
    """Whether the same step may succeed a little later."""
    # Imported here: the warehouse's package brings the Snowflake connector, which a good run of the seeds never needs.
    from dropship_dagster.warehouse.errors import OffsetsMovedError, WarehouseUnavailableError

    return isinstance(error, WarehouseUnavailableError | OffsetsMovedError)
