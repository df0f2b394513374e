"""`dropship cost`: what an account costs in a month."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from dropship_dagster.cli.console import err, out, print_report, sentences, settings
from dropship_dagster.endpoints import ACCOUNT_SCHEDULE, warehouse_endpoint


def cost(
    events_per_second: Annotated[
        float | None, typer.Option("--events-per-second", min=0, help="Events a second, day and night (10).")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="The graph's schedule, as DROPSHIP_REFRESH_SCHEDULE (that, or 15 MINUTES).")
    ] = None,
    measured: Annotated[
        bool, typer.Option("--measured", help="Take events, bytes and the graph's seconds from the database.")
    ] = False,
    usd_per_credit: Annotated[
        float | None, typer.Option(min=0, help="The price of a credit in your contract (2).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the costs as JSON.")] = False,
) -> None:
    """Reckon the credits and money of 30 days on a Snowflake account, for each way of loading.

    From the events and the schedule, or from what the database shows of both. An estimate: docs/snowflake.md says what
    it stands on.

    Example: dropship cost --events-per-second 100 --schedule "1 HOUR"
    """
    from dropship_dagster.settings import Settings
    from dropship_dagster.warehouse import costs
    from dropship_dagster.warehouse.measured import traffic_of

    config = settings()
    with sentences(config.home):
        if schedule is not None:
            config = Settings.load(DROPSHIP_REFRESH_SCHEDULE=schedule)
        when = config.refresh_schedule or ACCOUNT_SCHEDULE
        seen = traffic_of(warehouse_endpoint(config)) if measured else costs.Traffic(10.0)
        rate = seen.events_per_second if events_per_second is None else events_per_second
        traffic = costs.Traffic(rate, seen.bytes_per_event, seen.run_seconds)
        price = costs.USD_PER_CREDIT if usd_per_credit is None else usd_per_credit
        months = [costs.month(traffic, when, loading, price) for loading in costs.LOADINGS]
    if as_json:
        print_report(
            {
                "events_per_second": traffic.events_per_second,
                "bytes_per_event": traffic.bytes_per_event,
                "run_seconds": traffic.run_seconds,
                "schedule": when,
                "usd_per_credit": price,
                "credit_quota": costs.credit_quota(when),
                "months": [month.to_dict() for month in months],
            }
        )
        return
    table = Table("loading", "runs", "hours", "credits", "USD", title=f"30 days, {rate:g} events/s, {when}")
    for month in months:
        table.add_row(
            month.loading,
            f"{month.runs:,}",
            f"{month.warehouse_hours:,.0f}",
            f"{month.credits:,.1f}",
            f"{month.usd:,.2f}",
        )
    out.print(table)
    err.print(
        f"  The deployment's resource monitor allows {costs.credit_quota(when)} credits a month on this schedule."
    )
