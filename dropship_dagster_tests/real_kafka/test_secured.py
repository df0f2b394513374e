"""TLS with a certificate of the test's own authority, and SCRAM: what a hosted Kafka asks for."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dropship_dagster.endpoints import WarehouseEndpoint, kafka_endpoint
from dropship_dagster.settings import Settings
from dropship_dagster_tests.warehouse.pipeline import Pipeline
from local_kafka_tests.cluster import KafkaCluster, Security, running_cluster

USER, PASSWORD = "shop", "canary-Zq8v2"
MECHANISM = "SCRAM-SHA-512"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificate of an authority, and a key with its certificate for 127.0.0.1, as PEM files."""
    folder = tmp_path_factory.mktemp("tls")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    root = (
        certificate(root_name, root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    broker = (
        certificate(name, root_name, key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ca_file, key_file = folder / "ca.pem", folder / "broker.pem"
    ca_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(private + broker.public_bytes(serialization.Encoding.PEM))
    return ca_file, key_file


def certificate(name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """A certificate of two days, unsigned."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


@pytest.fixture(scope="module")
def secured(
    kafka_classes: str, authority: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaCluster]:
    """A broker that serves clients over SASL_SSL only."""
    ca_file, key_file = authority
    security = Security(
        protocol="SASL_SSL",
        listener={
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(key_file),
            "sasl.enabled.mechanisms": MECHANISM,
            f"{MECHANISM.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        },
        scram=[f"{MECHANISM}=[name={USER},password={PASSWORD}]"],
        client_config={
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.username": USER,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(ca_file),
        },
    )
    with running_cluster(kafka_classes, tmp_path_factory.mktemp("secured"), security=security) as cluster:
        yield cluster


@pytest.fixture
def environment(secured: KafkaCluster, authority: tuple[Path, Path]) -> dict[str, str]:
    """What a user sets."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": secured.bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": MECHANISM,
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD": PASSWORD,
        "KAFKA_SSL_CA_LOCATION": str(authority[0]),
    }


def dropship(environment: dict[str, str], home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dropship_dagster.cli", *arguments],
        env={**os.environ, **environment, "DROPSHIP_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_settings_lead_through_tls_and_a_password_to_the_warehouse(
    environment: dict[str, str],
    database: WarehouseEndpoint,
    seeds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    endpoint = kafka_endpoint(Settings.load())
    pipeline = Pipeline(endpoint.client_config, database)
    topics = {
        "DROPSHIP_TOPIC_CUSTOMERS": pipeline.customers,
        "DROPSHIP_TOPIC_PRODUCTS": pipeline.products,
        "DROPSHIP_TOPIC_ORDERS_EVENTS": pipeline.orders,
    }
    run = dropship({**environment, **topics}, tmp_path, "produce", "replay", "--dir", str(seeds), "--json")
    report, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    acknowledged = json.loads(report)["acknowledged"]
    assert acknowledged > 1_000
    assert pipeline.load().events == acknowledged
    pipeline.refresh()
    pipeline.assert_sound(events=acknowledged)
    assert PASSWORD not in report + said + repr(endpoint)


def test_a_wrong_password_and_an_unknown_authority_are_refused_and_nothing_is_shown(
    environment: dict[str, str], seeds: Path, tmp_path: Path
) -> None:
    wrong = {**environment, "KAFKA_SASL_PASSWORD": f"{PASSWORD}-wrong"}
    untrusting = {name: value for name, value in environment.items() if name != "KAFKA_SSL_CA_LOCATION"}
    runs = [
        dropship(settings, tmp_path / str(number), "produce", "replay", "--dir", str(seeds))
        for number, settings in enumerate((wrong, untrusting))
    ]
    for run in runs:
        said = "".join(run.communicate(timeout=300))
        assert run.returncode == 1, said
        assert "KAFKA_" in said
        assert "Traceback" not in said
        assert PASSWORD not in said
