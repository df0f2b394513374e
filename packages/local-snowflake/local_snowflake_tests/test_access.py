"""Privileges as an account enforces them: users of their own, each with a role, against one server.

Source: docs.snowflake.com/en/user-guide/security-access-control-overview, .../security-access-control-privileges,
.../sql-reference/sql/grant-privilege, .../grant-ownership, .../user-guide/key-pair-auth.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
import snowflake.connector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake.connector.errors import DatabaseError

from local_snowflake_tests.server import Server, Session, eventually

As = Callable[..., Session]
"""Opens a session of a user of its own, which has nothing but one role."""


@pytest.fixture
def account(server: Server, database: str, session: Session) -> Iterator[As]:
    """Makes roles <name>_<database> with USAGE on the database and its PUBLIC, and users who have one each."""
    opened: list[Session] = []
    names: list[str] = []

    def of(role: str, **options: object) -> Session:
        name = f"{role}_{database}"
        if name not in names:
            names.append(name)
            session.run(f"CREATE ROLE {name}")
            session.run(f"GRANT USAGE ON DATABASE {database} TO ROLE {name}")
            session.run(f"GRANT USAGE ON SCHEMA {database}.PUBLIC TO ROLE {name}")
            session.run(
                f"CREATE USER U_{name} PASSWORD = 'Secret-{name}-1' DEFAULT_ROLE = {name} DEFAULT_SECONDARY_ROLES = ()"
            )
            session.run(f"GRANT ROLE {name} TO USER U_{name}")
        one = server.session(user=f"U_{name}", password=f"Secret-{name}-1", database=database, **options)
        opened.append(one)
        return one

    yield of
    for one in opened:
        one.close()
    for name in names:
        session.run(f"DROP USER U_{name}")
        session.run(f"DROP ROLE {name}")


def refused(session: Session, statement: str, number: int, words: str = "") -> None:
    error = session.fails(statement)
    assert error.errno == number, f"{statement}: {error}"
    assert words in str(error), f"{statement}: {error}"


def test_an_object_needs_a_privilege_on_its_database_and_schema_and_the_one_for_what_is_done(
    session: Session, database: str, account: As
) -> None:
    session.script(
        f"CREATE SCHEMA S;\nCREATE TABLE S.T (ID NUMBER);\nINSERT INTO S.T VALUES (1);\nUSE DATABASE {database}"
    )
    reader = account("READER")
    role = f"READER_{database}"
    refused(reader, "SELECT * FROM S.T", 2003, "does not exist or not authorized")
    session.run(f"GRANT SELECT ON TABLE S.T TO ROLE {role}")
    refused(reader, "SELECT * FROM S.T", 2003, f"Schema '{database}.S' does not exist or not authorized")
    session.run(f"GRANT USAGE ON SCHEMA S TO ROLE {role}")
    assert reader.run("SELECT * FROM S.T") == [(1,)]
    for statement in (
        "INSERT INTO S.T VALUES (2)", "UPDATE S.T SET ID = 2", "DELETE FROM S.T", "TRUNCATE TABLE S.T",
        "MERGE INTO S.T USING (SELECT 1 AS I) X ON S.T.ID = X.I WHEN MATCHED THEN DELETE",
        "DROP TABLE S.T", "ALTER TABLE S.T ADD COLUMN A NUMBER", "COMMENT ON TABLE S.T IS 'x'",
    ):  # fmt: skip
        refused(reader, statement, 3001, "Insufficient privileges to operate on table 'T'")
    refused(reader, "CREATE TABLE S.OTHER (A NUMBER)", 3001, "Insufficient privileges to operate on schema 'S'")
    refused(reader, "CREATE SCHEMA NEW", 3001, f"Insufficient privileges to operate on database '{database}'")
    session.run(f"REVOKE SELECT ON TABLE S.T FROM ROLE {role}")
    refused(reader, "SELECT * FROM S.T", 2003, f"Object '{database}.S.T' does not exist or not authorized")


def test_a_kept_plan_is_not_run_for_a_role_that_lost_its_privilege(
    session: Session, database: str, account: As
) -> None:
    session.script("CREATE TABLE T (ID NUMBER)")
    role = f"WRITER_{database}"
    writer = account("WRITER")
    session.run(f"GRANT SELECT, INSERT ON TABLE T TO ROLE {role}")
    for _ in range(3):
        writer.run("INSERT INTO PUBLIC.T SELECT 1")
        writer.run("SELECT COUNT(*) FROM PUBLIC.T")
    session.run(f"REVOKE INSERT ON TABLE T FROM ROLE {role}")
    refused(writer, "INSERT INTO PUBLIC.T SELECT 1", 3001)
    session.run(f"REVOKE SELECT ON TABLE T FROM ROLE {role}")
    refused(writer, "SELECT COUNT(*) FROM PUBLIC.T", 2003)


def test_the_future_grants_of_a_schema_hide_those_of_its_database_for_every_role(
    session: Session, database: str, account: As
) -> None:
    session.script("CREATE SCHEMA A;\nCREATE SCHEMA B")
    one, other = account("ONE"), account("OTHER")
    for name in ("ONE", "OTHER"):
        session.run(f"GRANT USAGE ON ALL SCHEMAS IN DATABASE {database} TO ROLE {name}_{database}")
    session.run(f"GRANT SELECT ON FUTURE TABLES IN SCHEMA A TO ROLE ONE_{database}")
    session.run(f"GRANT SELECT ON FUTURE TABLES IN DATABASE {database} TO ROLE OTHER_{database}")
    session.run(f"GRANT SELECT ON FUTURE VIEWS IN DATABASE {database} TO ROLE OTHER_{database}")
    session.script("CREATE TABLE A.T (I NUMBER);\nCREATE TABLE B.T (I NUMBER);\nCREATE VIEW A.V AS SELECT I FROM A.T")
    assert one.run("SELECT * FROM A.T") == []
    refused(other, "SELECT * FROM A.T", 2003)
    assert other.run("SELECT * FROM B.T") == []
    assert other.run("SELECT * FROM A.V") == [], "views are another kind of object"


def test_a_view_is_read_with_the_rights_of_its_owner(session: Session, database: str, account: As) -> None:
    maker, reader = account("MAKER"), account("READER")
    session.script("CREATE TABLE T (ID NUMBER);\nINSERT INTO T VALUES (7)")
    session.run(f"GRANT CREATE VIEW ON SCHEMA PUBLIC TO ROLE MAKER_{database}")
    refused(maker, "CREATE VIEW V AS SELECT ID FROM T", 2003)
    session.run(f"GRANT SELECT ON TABLE T TO ROLE MAKER_{database}")
    maker.run("CREATE VIEW V AS SELECT ID FROM T")
    refused(reader, "SELECT * FROM V", 2003)
    maker.run(f"GRANT SELECT ON VIEW V TO ROLE READER_{database}")
    assert reader.run("SELECT * FROM V") == [(7,)]
    refused(reader, "SELECT * FROM T", 2003)
    session.run(f"REVOKE SELECT ON TABLE T FROM ROLE MAKER_{database}")
    refused(reader, "SELECT * FROM V", 2037, "Failure during expansion of view 'V'")


def test_a_task_runs_as_the_role_that_owns_it(session: Session, database: str, account: As) -> None:
    owner = account("OWNER")
    role = f"OWNER_{database}"
    session.script("CREATE TABLE SECRET (I NUMBER);\nCREATE TABLE SEEN (R VARCHAR)")
    session.run(f"GRANT CREATE TASK ON SCHEMA PUBLIC TO ROLE {role}")
    session.run(f"GRANT SELECT, INSERT ON TABLE SEEN TO ROLE {role}")
    refused(owner, "CREATE TASK T AS INSERT INTO SEEN SELECT CURRENT_ROLE()", 3001, "account")
    session.run(f"CREATE WAREHOUSE W_{database}")
    session.run(f"GRANT USAGE ON WAREHOUSE W_{database} TO ROLE {role}")
    owner.run(f"CREATE TASK T WAREHOUSE = W_{database} AS INSERT INTO SEEN SELECT CURRENT_ROLE()")
    owner.run(f"CREATE TASK PRIES WAREHOUSE = W_{database} AS INSERT INTO SECRET SELECT 1")

    def ended(task: str, runs: int) -> str | None:
        owner.run(f"EXECUTE TASK {task}")
        history = f"SELECT STATE, ERROR_MESSAGE FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY(TASK_NAME => '{task}')) "
        history += (
            f"WHERE DATABASE_NAME = '{database}' AND STATE IN ('SUCCEEDED', 'FAILED') ORDER BY COMPLETED_TIME DESC"
        )

        def found() -> list[tuple[str, str | None]] | None:
            rows = owner.run(history)
            return rows if len(rows) == runs else None

        state, message = eventually(found, f"{task} to end")[0]
        return message if state == "FAILED" else None

    assert "EXECUTE TASK privilege must be granted to owner role" in (ended("T", 1) or "")
    session.run(f"GRANT EXECUTE TASK ON ACCOUNT TO ROLE {role}")
    assert ended("T", 2) is None
    assert session.run("SELECT R FROM SEEN") == [(role,)]
    assert "does not exist or not authorized" in (ended("PRIES", 1) or "")
    other = account("OTHER")
    assert other.run(f"SELECT * FROM TABLE(INFORMATION_SCHEMA.TASK_HISTORY()) WHERE DATABASE_NAME = '{database}'") == []
    refused(other, "EXECUTE TASK T", 2003)
    session.run(f"GRANT MONITOR ON TASK T TO ROLE OTHER_{database}")
    refused(other, "EXECUTE TASK T", 3001, "Insufficient privileges to operate on task 'T'")
    session.run(f"GRANT OPERATE ON TASK T TO ROLE OTHER_{database}")
    other.run("EXECUTE TASK T")
    refused(other, "DROP TASK T", 3001)
    session.run(f"DROP WAREHOUSE W_{database}")


def test_a_warehouse_that_the_roles_may_not_use_is_no_current_warehouse(
    session: Session, database: str, account: As
) -> None:
    session.run(f"CREATE WAREHOUSE W_{database}")
    session.script("CREATE TABLE T (I NUMBER)")
    one = account("ONE", warehouse=f"W_{database}")
    session.run(f"GRANT SELECT ON TABLE T TO ROLE ONE_{database}")
    refused(one, f"USE WAREHOUSE W_{database}", 2043)
    refused(one, "SELECT * FROM PUBLIC.T", 606, "No active warehouse selected")
    session.run(f"GRANT OPERATE ON WAREHOUSE W_{database} TO ROLE ONE_{database}")
    refused(one, "SELECT * FROM PUBLIC.T", 606)
    session.run(f"GRANT USAGE ON WAREHOUSE W_{database} TO ROLE ONE_{database}")
    assert one.run("SELECT * FROM PUBLIC.T") == []
    refused(one, f"ALTER WAREHOUSE W_{database} SET AUTO_SUSPEND = 30", 3001)
    session.run(f"GRANT CREATE WAREHOUSE ON ACCOUNT TO ROLE ONE_{database}")
    one.run(f"CREATE WAREHOUSE THEIRS_{database}")
    session.run(f"ALTER WAREHOUSE THEIRS_{database} SET AUTO_SUSPEND = 30")  # ACCOUNTADMIN has MANAGE WAREHOUSES
    refused(session, f"DROP WAREHOUSE THEIRS_{database}", 3001)
    one.run(f"DROP WAREHOUSE THEIRS_{database}")
    session.run(f"DROP WAREHOUSE W_{database}")


def test_grants_are_made_by_the_owner_by_grant_option_or_by_manage_grants(
    session: Session, database: str, account: As
) -> None:
    owner, other = account("OWNER"), account("OTHER")
    session.run(f"GRANT CREATE TABLE ON SCHEMA PUBLIC TO ROLE OWNER_{database}")
    owner.run("CREATE TABLE T (I NUMBER)")
    owner.run(f"GRANT SELECT ON TABLE T TO ROLE OTHER_{database}")
    refused(
        other, f"GRANT SELECT ON TABLE T TO ROLE OWNER_{database}", 3102, "Grant not executed: Insufficient privileges."
    )
    refused(owner, f"GRANT SELECT ON FUTURE TABLES IN SCHEMA PUBLIC TO ROLE OTHER_{database}", 3001, "schema 'PUBLIC'")
    owner.run(f"GRANT INSERT ON TABLE T TO ROLE OTHER_{database} WITH GRANT OPTION")
    other.run(f"GRANT INSERT ON TABLE T TO ROLE OWNER_{database}")
    refused(other, f"GRANT SELECT, INSERT ON TABLE T TO ROLE OWNER_{database}", 3011, "privileges [SELECT] not granted")
    refused(other, f"GRANT ROLE OWNER_{database} TO ROLE OTHER_{database}", 3001, "role")
    session.run(f"GRANT MANAGE GRANTS ON ACCOUNT TO ROLE OTHER_{database}")
    other.run(f"GRANT SELECT ON FUTURE TABLES IN SCHEMA PUBLIC TO ROLE OTHER_{database}")
    other.run(f"GRANT TRUNCATE ON TABLE T TO ROLE OTHER_{database}")
    refused(other, "UPDATE T SET I = 1", 3001)


def test_ownership_is_transferred_with_the_other_grants_or_without_them(
    session: Session, database: str, account: As
) -> None:
    one, other, reader = account("ONE"), account("OTHER"), account("READER")
    session.run(f"GRANT CREATE TABLE ON SCHEMA PUBLIC TO ROLE ONE_{database}")
    one.run("CREATE TABLE T (I NUMBER)")
    one.run(f"GRANT SELECT ON TABLE T TO ROLE READER_{database}")
    refused(one, f"GRANT OWNERSHIP ON TABLE T TO ROLE OTHER_{database}", 3036, "Dependent grant of privilege 'SELECT'")
    one.run(f"GRANT OWNERSHIP ON TABLE T TO ROLE OTHER_{database} COPY CURRENT GRANTS")
    assert reader.run("SELECT * FROM T") == []
    refused(one, "SELECT * FROM T", 2003)
    other.run(f"GRANT OWNERSHIP ON TABLE T TO ROLE ONE_{database} REVOKE CURRENT GRANTS")
    refused(reader, "SELECT * FROM T", 2003)
    one.run("CREATE OR REPLACE TABLE T (I NUMBER)")
    grants = [(row[1], row[5]) for row in one.run("SHOW GRANTS ON TABLE T")]
    assert grants == [("OWNERSHIP", f"ONE_{database}")]


def test_what_a_role_may_not_see_is_not_listed(session: Session, database: str, account: As) -> None:
    one = account("ONE")
    session.script(
        "CREATE TABLE SEEN (I NUMBER);\nCREATE TABLE HIDDEN (I NUMBER);\nCREATE STREAM ST ON TABLE HIDDEN;\n"
        "CREATE SCHEMA H;\nUSE SCHEMA PUBLIC"
    )
    session.run(f"GRANT REFERENCES ON TABLE SEEN TO ROLE ONE_{database}")
    assert [row[1] for row in one.run("SHOW TABLES IN DATABASE")] == ["SEEN"]
    assert [row[1] for row in one.run("SHOW DATABASES")] == [database]
    assert [row[1] for row in one.run("SHOW SCHEMAS")] == ["PUBLIC", "INFORMATION_SCHEMA"]
    assert one.run("SHOW STREAMS IN DATABASE") == []
    tables = "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES ORDER BY 1"
    assert (one.run(tables), session.run(tables)) == ([("SEEN",)], [("HIDDEN",), ("SEEN",)])
    refused(one, "SELECT * FROM PUBLIC.SEEN", 3001)
    refused(one, "DESCRIBE TABLE PUBLIC.HIDDEN", 2003)
    refused(one, f"USE SCHEMA {database}.H", 2043)
    refused(one, "SELECT SYSTEM$STREAM_HAS_DATA('PUBLIC.ST')", 2003)


def test_stages_formats_streams_and_sequences_have_privileges_of_their_own(
    session: Session, database: str, account: As, tmp_path: Path
) -> None:
    one, role = account("ONE"), f"ONE_{database}"
    session.script(
        "CREATE TABLE T (I NUMBER);\nCREATE STREAM ST ON TABLE T;\nCREATE SEQUENCE N;\n"
        "CREATE FILE FORMAT F TYPE = CSV;\nCREATE STAGE G"
    )
    (tmp_path / "a.csv").write_text("1\n")
    put = f"PUT file://{tmp_path}/a.csv @PUBLIC.G"
    copy = "COPY INTO PUBLIC.T FROM @PUBLIC.G FILE_FORMAT = (FORMAT_NAME = 'PUBLIC.F')"
    session.run(f"GRANT INSERT ON TABLE T TO ROLE {role}")
    refused(one, put, 2003)
    session.run(f"GRANT READ ON STAGE G TO ROLE {role}")
    refused(one, put, 3001, "stage 'G'")
    session.run(f"GRANT WRITE ON STAGE G TO ROLE {role}")
    one.run(put)
    refused(one, copy, 2003, "File format")
    session.run(f"GRANT USAGE ON FILE FORMAT F TO ROLE {role}")
    one.run(copy)
    refused(one, "SELECT PUBLIC.N.NEXTVAL", 2003)
    session.run(f"GRANT USAGE ON SEQUENCE N TO ROLE {role}")
    assert one.value("SELECT PUBLIC.N.NEXTVAL") == 1
    session.run(f"GRANT SELECT ON STREAM ST TO ROLE {role}")
    refused(one, "SELECT I FROM PUBLIC.ST", 3001, "table 'T'")
    session.run(f"GRANT SELECT ON TABLE T TO ROLE {role}")
    assert one.run("SELECT I FROM PUBLIC.ST") == [(1,)]


def test_secondary_roles_add_to_what_is_allowed_but_not_to_what_may_be_created(
    session: Session, server: Server, database: str, account: As
) -> None:
    account("ONE")
    account("TWO")
    user = f"U_ONE_{database}"
    session.script("CREATE TABLE T (I NUMBER)")
    session.run(f"GRANT USAGE, CREATE TABLE ON SCHEMA PUBLIC TO ROLE TWO_{database}")
    session.run(f"GRANT SELECT ON TABLE T TO ROLE TWO_{database}")
    session.run(f"GRANT ROLE TWO_{database} TO USER {user}")
    session.run(f"ALTER USER {user} UNSET DEFAULT_SECONDARY_ROLES")
    one = server.session(user=user, password=f"Secret-ONE_{database}-1", database=database)
    assert one.value("SELECT CURRENT_ROLE()") == f"ONE_{database}"
    assert one.run("SELECT * FROM PUBLIC.T") == [], "ALL is the default"
    refused(one, "CREATE TABLE PUBLIC.NEW (I NUMBER)", 3001)
    one.run("USE SECONDARY ROLES NONE")
    refused(one, "SELECT * FROM PUBLIC.T", 2003)
    one.run(f"USE ROLE TWO_{database}")
    one.run("CREATE TABLE PUBLIC.NEW (I NUMBER)")
    assert [row[9] for row in one.run("SHOW TABLES LIKE 'NEW' IN SCHEMA PUBLIC")] == [f"TWO_{database}"]
    refused(one, "USE ROLE ACCOUNTADMIN", 3013, "Requested role 'ACCOUNTADMIN' is not assigned to the executing user.")
    one.close()


def test_a_connection_names_a_role_that_the_user_has(
    session: Session, server: Server, database: str, account: As
) -> None:
    account("ONE")
    user, password = f"U_ONE_{database}", f"Secret-ONE_{database}-1"
    for role in ("ACCOUNTADMIN", "NO_SUCH_ROLE"):
        with pytest.raises(
            DatabaseError, match="specified in the connect string does not exist or not authorized"
        ) as told:
            server.session(user=user, password=password, role=role)
        assert "390189" in str(told.value)
    session.run(f"REVOKE ROLE ONE_{database} FROM USER {user}")
    with pytest.raises(DatabaseError, match=r"configured default role .* is not granted to this user"):
        server.session(user=user, password=password)
    public = server.session(user=user, password=password, role="PUBLIC")
    assert public.value("SELECT CURRENT_USER() || CURRENT_ROLE()") == f"{user}PUBLIC"
    public.close()
    with pytest.raises(DatabaseError, match="Incorrect username or password"):
        server.session(user=user, password="wrong")


def test_a_user_logs_in_with_a_key_pair(session: Session, server: Server, tmp_path: Path) -> None:
    user = f"K{uuid.uuid4().hex[:8].upper()}"
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
    publics = [
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        for key in keys
    ]
    paths = []
    for number, key in enumerate(keys):
        paths.append(tmp_path / f"key{number}.p8")
        paths[-1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    session.run(f"CREATE USER {user} TYPE = SERVICE RSA_PUBLIC_KEY = '{base64.b64encode(publics[0]).decode()}'")
    login = {key: value for key, value in server.login.items() if key != "password"} | {"user": user}
    with snowflake.connector.connect(
        **login, private_key_file=str(paths[0]), authenticator="SNOWFLAKE_JWT"
    ) as connection:
        assert connection.cursor().execute("SELECT CURRENT_USER(), CURRENT_ROLE()").fetchone() == (user, "PUBLIC")
    with pytest.raises(DatabaseError, match="JWT token is invalid"):
        snowflake.connector.connect(**login, private_key_file=str(paths[1]), authenticator="SNOWFLAKE_JWT")
    described = {row[0]: row[1] for row in session.run(f"DESCRIBE USER {user}")}
    expected = f"SHA256:{base64.b64encode(hashlib.sha256(publics[0]).digest()).decode()}"
    assert described["RSA_PUBLIC_KEY_FP"] == expected
    session.run(f"ALTER USER {user} SET RSA_PUBLIC_KEY_2 = '{base64.b64encode(publics[1]).decode()}'")
    snowflake.connector.connect(**login, private_key_file=str(paths[1]), authenticator="SNOWFLAKE_JWT").close()
    first = server.login["user"]
    session.run(f"ALTER USER {first} SET RSA_PUBLIC_KEY = '{base64.b64encode(publics[0]).decode()}'")
    with snowflake.connector.connect(
        **login | {"user": first}, private_key_file=str(paths[0]), authenticator="SNOWFLAKE_JWT"
    ) as connection:
        assert connection.cursor().execute("SELECT CURRENT_ROLE()").fetchone() == ("ACCOUNTADMIN",)
    session.run(f"ALTER USER {first} UNSET RSA_PUBLIC_KEY")
    error = session.fails(f"ALTER USER {user} SET RSA_PUBLIC_KEY = 'bm8ga2V5'")
    assert "New public key rejected" in str(error)
    session.run(f"DROP USER {user}")


def test_grants_and_owners_outlive_a_restart(own_server: Server) -> None:
    session = own_server.session(database="LOCAL")
    for statement in (
        "CREATE ROLE KEEPER", "GRANT ROLE KEEPER TO ROLE ACCOUNTADMIN", "GRANT USAGE ON DATABASE LOCAL TO ROLE KEEPER",
        "GRANT USAGE, CREATE TABLE ON SCHEMA PUBLIC TO ROLE KEEPER", "CREATE TABLE THEIRS (I NUMBER)",
        "USE ROLE KEEPER", "CREATE TABLE OURS (I NUMBER)",
    ):  # fmt: skip
        session.run(statement)
    own_server.kill()
    own_server.start()
    session = own_server.session(database="LOCAL", role="KEEPER")
    session.run("USE SECONDARY ROLES NONE")
    assert session.run("SELECT * FROM OURS") == []
    refused(session, "SELECT * FROM THEIRS", 2003)


def test_a_folder_of_before_belongs_to_accountadmin_and_to_who_had_all_privileges_on_a_schema(
    own_server: Server,
) -> None:
    session = own_server.session(database="LOCAL")
    for statement in (
        "CREATE ROLE MAKER", "GRANT ROLE MAKER TO ROLE ACCOUNTADMIN", "GRANT USAGE ON DATABASE LOCAL TO ROLE MAKER",
        "CREATE SCHEMA MADE", "CREATE TABLE MADE.T (I NUMBER)",
        "CREATE VIEW MADE.V AS SELECT I FROM MADE.T", "CREATE TASK MADE.K AS SELECT 1",
        "CREATE TABLE PUBLIC.T (I NUMBER)",
    ):  # fmt: skip
        session.run(statement)
    own_server.stop()
    with duckdb.connect(str(own_server.folder / "warehouse.duckdb")) as file:  # as an earlier version has left it
        file.execute("DROP TABLE _sf.enforced; DROP TABLE _sf.future_grants; ALTER TABLE _sf.grants DROP granted_by")
        file.execute("DELETE FROM _sf.grants WHERE privilege = 'OWNERSHIP'")
        file.execute(
            "INSERT INTO _sf.grants VALUES (now(), 'ALL PRIVILEGES', 'SCHEMA', 'LOCAL.MADE', 'ROLE', 'MAKER', FALSE)"
        )
    own_server.start()
    session = own_server.session(database="LOCAL")
    owners = {(row[3], row[1]): row[9] for row in session.run("SHOW TABLES IN DATABASE")}
    assert owners == {("MADE", "T"): "MAKER", ("PUBLIC", "T"): "ACCOUNTADMIN"}
    assert [row[5] for row in session.run("SHOW TASKS IN SCHEMA MADE")] == ["MAKER"]
    assert session.run("SELECT * FROM MADE.V") == []
    session.run("USE ROLE MAKER")
    session.run("CREATE TABLE MADE.NEW (I NUMBER)")
