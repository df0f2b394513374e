"""Kafka and the warehouse: do they answer, and as what?"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from dropship_dagster.cli.doctor.finding import Finding
from dropship_dagster.endpoints import ServiceError, kafka_endpoint, supervisor, warehouse_endpoint
from dropship_dagster.errors import DropshipError
from dropship_dagster.settings import Settings
from dropship_dagster.supervisor import SERVICES
from local_service.service import owner, read_state

_KAFKA_SECONDS = 10.0


def local_services(config: Settings) -> Iterator[Finding]:
    """Whether those that run are of this version: one that was started before an upgrade goes on as it was."""
    known = supervisor(config)
    for service in SERVICES:
        folder = known.data_dir(service)
        if not owner(folder):
            yield Finding("service", True, f"{service} does not run; it starts when it is needed")
            continue
        state = read_state(folder)
        running, wanted = state.get("version"), version(f"local-{service}")
        seen = f"{service} {running} on {state.get('host')}:{state.get('port')}, pid {state.get('pid')}"
        yield Finding("service", running == wanted, seen, f"it is older than {wanted}: dropship services down")


def kafka(config: Settings) -> Iterator[Finding]:
    """Whether the brokers answer and are enough for the topics."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    from dropship_dagster.stream.client import admin_config

    try:
        endpoint = kafka_endpoint(config)
        cluster = AdminClient(admin_config(endpoint.client_config)).list_topics(timeout=_KAFKA_SECONDS)
    except (DropshipError, ServiceError) as error:
        yield Finding("Kafka", False, str(error), "mend what it says, then look again")
        return
    except KafkaException as error:
        fix = (
            "check KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_* in .env, and that the brokers' "
            "advertised addresses can be reached from here; KAFKA_DEBUG=broker,security KAFKA_LOG_LEVEL=7 says more"
        )
        yield Finding("Kafka", False, f"{endpoint.bootstrap_servers}: {error.args[0].str()}", fix)
        return
    brokers = len(cluster.brokers)
    there = [topic for topic in config.topics if topic in cluster.topics]
    yield Finding("Kafka", True, f"{endpoint.bootstrap_servers}, {brokers} broker(s)")
    enough = config.topic_replication <= brokers
    seen = f"{len(there)} of {len(config.topics)} there, replication {config.topic_replication} on {brokers} broker(s)"
    yield Finding("topics", enough, seen, f"set DROPSHIP_TOPIC_REPLICATION to {brokers} or less")


def warehouse(config: Settings) -> Iterator[Finding]:
    """Whether the local warehouse answers."""
    from snowflake.connector.errors import Error as SnowflakeError

    from dropship_dagster.warehouse import connect

    try:
        endpoint = warehouse_endpoint(config)
        with connect(endpoint, query_tag="dropship doctor") as connection:
            row = connection.cursor().execute("SELECT CURRENT_USER(), CURRENT_VERSION()").fetchone()
    except (DropshipError, ServiceError, SnowflakeError) as error:
        fix = f"see {supervisor(config).log_file('snowflake')}; dropship services down, then dropship services up"
        yield Finding("warehouse", False, " ".join(str(error).split()), fix)
        return
    user, release = row if isinstance(row, tuple) else ("?", "?")
    yield Finding("warehouse", True, f"local, user {user}, version {release}")
