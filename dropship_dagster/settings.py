"""All configuration, from the environment and `.env`; the only place that reads either.

Every variable is described in `.env.example`. An empty KAFKA_BOOTSTRAP_SERVERS or SNOWFLAKE_ACCOUNT selects the
local service of that kind (see `dropship_dagster.endpoints`); nothing else in the package depends on that choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources.utils import parse_env_vars

from dropship_dagster import environment
from dropship_dagster.clock import FASTEST, SLOWEST, TIME_LAPSE
from dropship_dagster.environment import PROJECT_ROOT, SettingsError
from local_service import privacy
from local_service.hosts import host_names

__all__ = [
    "HOW_TO_ALLOW_A_HOST",
    "PROJECT_ROOT",
    "Settings",
    "SettingsError",
    "is_secret",
    "known_variables",
    "variable_of",
]

HOW_TO_ALLOW_A_HOST = "add it to DROPSHIP_ALLOWED_HOSTS"
"""What a server of ours tells a caller whose name for it is not known."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,254}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SCHEDULE = re.compile(
    r"(\d+) ?(SECOND|MINUTE|HOUR)S?|USING CRON( [A-Za-z0-9*,/?#-]+){5} [A-Za-z0-9_+/-]+", re.IGNORECASE
)
_SECONDS_OF = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600}
TRIGGERED = "TRIGGERED"
"""The schedule of a graph that runs when there is something to do, and has none."""

# librdkafka's settings that hold a secret: sasl.password, ssl.key.pem, sasl.oauthbearer.client.secret ...
_SECRET_NAME = re.compile(r"password|secret|\.pem$|oauthbearer\.config")

# Settings of librdkafka whose name has an underscore itself.
_UNDERSCORED = {"KAFKA_LOG_LEVEL": "log_level"}

# KAFKA_ variables that are settings of this project or of Kafka's own start scripts, not of librdkafka.
_NOT_LIBRDKAFKA = frozenset(
    {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_HOME", "KAFKA_OPTS", "KAFKA_HEAP_OPTS", "KAFKA_LOG4J_OPTS"}
)


def _identifier(value: str) -> str:
    """Snowflake's unquoted identifiers only, upper case: they can be put into SQL without a surprise.

    Source: docs.snowflake.com/en/sql-reference/identifiers-syntax
    """
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError(f"{value!r} is not an identifier: use letters, digits, _ and $, not beginning with a digit")
    return value.upper()


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value) or value in {".", ".."}:
        raise ValueError(f"{value!r} is not a topic name: use up to 249 letters, digits, '.', '_' and '-'")
    return value


def _schedule(value: str) -> str:
    """SCHEDULE of CREATE TASK, 10 seconds to 8 days, or TRIGGERED.

    Source: docs.snowflake.com/en/sql-reference/sql/create-task
    """
    text = " ".join(value.split())
    if text.upper() == TRIGGERED:
        return TRIGGERED
    found = _SCHEDULE.fullmatch(text)
    if found and found[1] and not 10 <= int(found[1]) * _SECONDS_OF[found[2].upper()] <= 691_200:
        raise ValueError(f"{value!r} is out of range: a schedule is 10 seconds to 8 days")
    if not found:
        raise ValueError(
            f"{value!r} is no schedule: use a time like '15 MINUTES', 'USING CRON 0 6-22 * * * Europe/Paris', or "
            "'triggered'"
        )
    return (
        text
        if text[:5].upper() == "USING"
        else f"{int(found[1])} {found[2].upper()}{'' if int(found[1]) == 1 else 'S'}"
    )


def _from_root(value: Path) -> Path:
    return (PROJECT_ROOT / value.expanduser()).absolute()


Identifier = Annotated[str, AfterValidator(_identifier)]
TopicName = Annotated[str, AfterValidator(_topic)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Folder = Annotated[Path, AfterValidator(_from_root)]
HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(host_names)]


# What the platform has in DROPSHIP_HOME and DROPSHIP_REPORTS_DIR, for telling a folder of ours from one of somebody's.
_IN_HOME = frozenset(
    {
        "kafka", "snowflake", "logs", "dagster", "compute-logs", "rejects", "docker.env", "live.clock", "live.state",
        ".live.state.lock", "replay.checkpoint", "services.lock", "up.lock", "workspace.yaml",
    }
)  # fmt: skip
_IN_REPORTS = frozenset({"validation.json", "validation.html", "runs"})


class _EnvironmentSource(EnvSettingsSource):
    """The environment and the file of settings, as `environment` reads them."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(environment.read().values, self.case_sensitive, self.env_ignore_empty)


class _LibrdkafkaSource(PydanticBaseSettingsSource):
    """KAFKA_SASL_MECHANISM=... -> {"sasl.mechanism": ...}: any setting of librdkafka.

    Source: github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        extra = {
            _UNDERSCORED.get(name) or name.removeprefix("KAFKA_").lower().replace("_", "."): value
            for name, value in environment.read().values.items()
            if name.startswith("KAFKA_") and name not in _NOT_LIBRDKAFKA
        }
        return {"kafka_extra": extra} if extra else {}


class Settings(BaseSettings):
    """The platform's configuration. Immutable; secrets never show in its repr."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    # Where things are
    home: Folder = Field(Path(".dropship"), validation_alias="DROPSHIP_HOME")
    data_dir: Folder = Field(Path("data"), validation_alias="DROPSHIP_DATA_DIR")
    reports_dir: Folder = Field(Path("reports"), validation_alias="DROPSHIP_REPORTS_DIR")

    # The shop
    customers: int = Field(1000, ge=1, validation_alias="DROPSHIP_CUSTOMERS")
    products: int = Field(200, ge=1, validation_alias="DROPSHIP_PRODUCTS")
    orders: int = Field(5000, ge=1, validation_alias="DROPSHIP_ORDERS")
    seed: int = Field(42, ge=0, validation_alias="DROPSHIP_SEED")
    live: bool = Field(False, validation_alias="DROPSHIP_LIVE")
    shop_clock: float = Field(TIME_LAPSE, ge=SLOWEST, le=FASTEST, validation_alias="DROPSHIP_SHOP_CLOCK")

    # Kafka
    kafka_bootstrap_servers: str = Field("", validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    kafka_extra: dict[str, str] = Field({}, repr=False)
    customers_topic: TopicName = Field("customers", validation_alias="DROPSHIP_TOPIC_CUSTOMERS")
    products_topic: TopicName = Field("products", validation_alias="DROPSHIP_TOPIC_PRODUCTS")
    orders_topic: TopicName = Field("orders_events", validation_alias="DROPSHIP_TOPIC_ORDERS_EVENTS")
    topic_partitions: int = Field(6, ge=1, le=1000, validation_alias="DROPSHIP_TOPIC_PARTITIONS")
    topic_replication: int = Field(1, ge=1, validation_alias="DROPSHIP_TOPIC_REPLICATION")
    topic_retention_ms: int = Field(-1, ge=-1, validation_alias="DROPSHIP_TOPIC_RETENTION_MS")

    # Snowflake
    snowflake_account: str = Field("", validation_alias="SNOWFLAKE_ACCOUNT")
    snowflake_user: str | None = Field(None, validation_alias="SNOWFLAKE_USER")
    snowflake_password: SecretStr | None = Field(None, validation_alias="SNOWFLAKE_PASSWORD")
    snowflake_token: SecretStr | None = Field(None, validation_alias="SNOWFLAKE_TOKEN")
    snowflake_private_key_path: Path | None = Field(None, validation_alias="SNOWFLAKE_PRIVATE_KEY_PATH")
    snowflake_private_key: SecretStr | None = Field(None, validation_alias="SNOWFLAKE_PRIVATE_KEY")
    snowflake_private_key_passphrase: SecretStr | None = Field(
        None, validation_alias="SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"
    )
    snowflake_host: str | None = Field(None, validation_alias="SNOWFLAKE_HOST")
    snowflake_port: int | None = Field(None, validation_alias="SNOWFLAKE_PORT")
    snowflake_protocol: str | None = Field(None, validation_alias="SNOWFLAKE_PROTOCOL")
    snowflake_role: Identifier | None = Field(None, validation_alias="SNOWFLAKE_ROLE")
    snowflake_database: Identifier = Field("DROPSHIP", validation_alias="SNOWFLAKE_DATABASE")
    snowflake_warehouse: Identifier = Field("DROPSHIP_WH", validation_alias="SNOWFLAKE_WAREHOUSE")
    refresh_schedule: Schedule | None = Field(None, validation_alias="DROPSHIP_REFRESH_SCHEDULE")

    # Logs of the long-running commands
    log_format: Literal["text", "json"] = Field("text", validation_alias="DROPSHIP_LOG_FORMAT")

    # Local servers that `make up` starts
    dagster_port: int = Field(3000, ge=1, le=65535, validation_alias="DROPSHIP_DAGSTER_PORT")
    dashboard_port: int = Field(8501, ge=1, le=65535, validation_alias="DROPSHIP_DASHBOARD_PORT")

    allowed_hosts: HostNames = Field((), validation_alias="DROPSHIP_ALLOWED_HOSTS")

    # The dashboard
    dashboard_refresh_seconds: float = Field(5.0, ge=1, le=3600, validation_alias="DROPSHIP_DASHBOARD_REFRESH_SECONDS")
    dashboard_personal_data: bool = Field(False, validation_alias="DROPSHIP_DASHBOARD_PERSONAL_DATA")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _EnvironmentSource(settings_cls), _LibrdkafkaSource(settings_cls)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the overrides (by variable name), then the environment, then `.env` beside the code; the first wins.

        DROPSHIP_ENV_FILE names another file than `.env`, or none when it is set and empty. Variables of our prefixes
        that have no effect are warned of, once in each process.

        Raises:
            SettingsError: a value is missing or cannot be used, or the file; names the variable or the file.
        """
        environment.warn_once(environment.read(), known_variables())
        try:
            settings = cls(**overrides)
        except ValidationError as error:
            raise SettingsError(_sentences(error)) from None
        settings.check()
        return settings

    def check(self) -> None:
        """What no single field can tell.

        Raises:
            SettingsError: two topics of one name, or an account without a user or without any credential; names the
                variables.
        """
        self._check_topics()
        if not self.snowflake_account:
            return
        if not self.snowflake_user:
            raise SettingsError("SNOWFLAKE_ACCOUNT is set but SNOWFLAKE_USER is not: set it, or unset the account.")
        keys = self.snowflake_private_key_path or self.snowflake_private_key
        if not (keys or self.snowflake_token or self.snowflake_password):
            raise SettingsError(
                "SNOWFLAKE_ACCOUNT is set but there is no credential: set SNOWFLAKE_PRIVATE_KEY_PATH (best), "
                "SNOWFLAKE_PRIVATE_KEY, SNOWFLAKE_TOKEN or SNOWFLAKE_PASSWORD."
            )

    def keep_private(self) -> None:
        """Take from others what an earlier version left in the home and the reports with the modes of the umask."""
        beside = {folder.name for folder in (self.data_dir, self.reports_dir) if folder.parent == self.home}
        try:
            privacy.keep_private(self.home, _IN_HOME, beside=beside)
            privacy.keep_private(self.reports_dir, _IN_REPORTS)
        except OSError as error:  # a file system without owners and modes, such as a share of Windows
            environment.tell_once(
                f"{error.filename} cannot be closed to other users of this machine ({error.strerror}): it holds "
                "personal data, so move DROPSHIP_HOME and DROPSHIP_REPORTS_DIR to a disk of your own."
            )

    def _check_topics(self) -> None:
        """Each topic has a contract, a table and a task of its own: one that is two would have its events rejected."""
        named: dict[str, str] = {}
        for field in TOPIC_SETTINGS:
            name, variable = getattr(self, field), str(type(self).model_fields[field].validation_alias)
            if name in named:
                raise SettingsError(
                    f"{named[name]} and {variable} are both {name!r}: each needs a topic of its own, so give one of "
                    "them another name."
                )
            named[name] = variable

    @property
    def topics(self) -> tuple[str, ...]:
        """The names of the topics, in the order of TOPIC_SETTINGS."""
        return tuple(getattr(self, name) for name in TOPIC_SETTINGS)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must never show, for logs to blot out."""
        given = [value for value in self.__dict__.values() if isinstance(value, SecretStr)]
        kafka = [value for name, value in self.kafka_extra.items() if is_secret(name)]
        return tuple(secret for secret in (*(value.get_secret_value() for value in given), *kafka) if secret)


TOPIC_SETTINGS = tuple(name for name in Settings.model_fields if name.endswith("_topic"))
"""The settings that name a topic. Its default name is its role, whatever the setting says."""


def known_variables() -> frozenset[str]:
    """Every variable that is a setting."""
    aliases = {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
    return frozenset(aliases | _NOT_LIBRDKAFKA)


def is_secret(librdkafka_setting: str) -> bool:
    """Whether the value of a setting of librdkafka must never show."""
    return _SECRET_NAME.search(librdkafka_setting) is not None


def variable_of(librdkafka_setting: str) -> str:
    """The variable that sets a setting of librdkafka: sasl.mechanism -> KAFKA_SASL_MECHANISM."""
    return f"KAFKA_{librdkafka_setting.upper().replace('.', '_')}"


def _sentences(error: ValidationError) -> str:
    def one(problem: Mapping[str, Any]) -> str:
        name = str(problem["loc"][0]) if problem["loc"] else "settings"
        return f"{name}: {str(problem['msg']).removeprefix('Value error, ')}."

    return " ".join(one(dict(problem)) for problem in error.errors(include_input=False, include_url=False))
