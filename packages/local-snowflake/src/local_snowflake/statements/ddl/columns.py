"""Column definitions and keys of CREATE TABLE and ALTER TABLE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from local_snowflake.errors import refuse
from local_snowflake.session.session import Session
from local_snowflake.syntax.identifiers import identifier
from local_snowflake.syntax.names import quote
from local_snowflake.translate.datatypes import declared, is_timestamp_tz, to_duckdb
from local_snowflake.translate.translator import render_definition, translate


@dataclass
class Definition:
    """One column: how DuckDB declares it, and what is recorded of it.

    `identity` is (start, increment) of an AUTOINCREMENT column.
    """

    name: str
    kind: str
    default: str | None = None
    not_null: bool = False
    identity: tuple[int, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def sql(self, default: str | None = None) -> str:
        """The definition; `default` replaces the column's own."""
        chosen = default or self.default
        parts = [quote(self.name), self.kind]
        if chosen:
            parts.append(f"DEFAULT ({chosen})")
        if self.not_null:
            parts.append("NOT NULL")
        if self.kind in _UNCOMPRESSED:
            parts.append("USING COMPRESSION uncompressed")
        return " ".join(parts)


_UNCOMPRESSED = {"JSON", "BLOB"}
"""Whole messages and documents: compressing them, even by zstd, takes as much processor time as the rest of COPY.
The price is the size of the file (README.md)."""

Key = dict[str, Any]
"""kind (PRIMARY KEY, UNIQUE, FOREIGN KEY), name, columns, references {table, columns}."""


def definition(session: Session, column: exp.ColumnDef, keys: list[Key]) -> Definition:
    """Read a column; its keys are appended to `keys`."""
    kind = column.args.get("kind")
    if kind is None:
        refuse(f"a column without a data type ({column.name})")
    found = Definition(identifier(column.this), to_duckdb(kind), facts={"type": declared(kind)})
    for constraint in column.args.get("constraints") or []:
        rule = constraint.args.get("kind")
        match rule:
            case exp.NotNullColumnConstraint():
                found.not_null = not rule.args.get("allow_null")
            case exp.DefaultColumnConstraint():
                if is_timestamp_tz(found.kind):
                    refuse(f"a default of a TIMESTAMP_TZ column ({found.name})")
                found.default = render_definition(translate(rule.this.copy(), session.environment()))
            case exp.CommentColumnConstraint():
                found.facts["comment"] = rule.this.name
            case exp.PrimaryKeyColumnConstraint():
                keys.append({"kind": "PRIMARY KEY", "name": None, "columns": [found.name]})
            case exp.UniqueColumnConstraint():
                keys.append({"kind": "UNIQUE", "name": None, "columns": [found.name]})
            case exp.Reference():
                keys.append(_foreign(session, None, [found.name], rule))
            case exp.GeneratedAsIdentityColumnConstraint() | exp.AutoIncrementColumnConstraint():
                start, step = rule.args.get("start"), rule.args.get("increment")
                found.identity = (int(start.name) if start else 1, int(step.name) if step else 1)
            case _:
                refuse(f"the column constraint {constraint.sql('snowflake')}")
    return found


def _foreign(session: Session, name: str | None, columns: list[str], reference: exp.Expr) -> Key:
    table = reference.find(exp.Table)
    if table is None:
        refuse(f"the constraint {reference.sql('snowflake')}")
    target = session.qualify([identifier(part) for part in table.parts])
    referenced = [identifier(item) for item in reference.this.expressions] if reference.this.expressions else []
    return {
        "kind": "FOREIGN KEY", "name": name, "columns": columns,
        "references": {"table": [target.database, target.schema, target.name], "columns": referenced},
    }  # fmt: skip


def table_keys(session: Session, constraints: list[exp.Expr]) -> list[Key]:
    """The keys of table constraints. They are recorded and shown, never enforced, as in Snowflake."""
    found: list[Key] = []
    for constraint in constraints:
        name = identifier(constraint.this) if isinstance(constraint, exp.Constraint) else None
        for rule in constraint.expressions if isinstance(constraint, exp.Constraint) else [constraint]:
            match rule:
                case exp.PrimaryKey():
                    found.append(
                        {"kind": "PRIMARY KEY", "name": name, "columns": [identifier(c) for c in rule.expressions]}
                    )
                case exp.UniqueColumnConstraint():
                    listed = rule.this.expressions if isinstance(rule.this, exp.Schema) else []
                    found.append({"kind": "UNIQUE", "name": name, "columns": [identifier(c) for c in listed]})
                case exp.ForeignKey():
                    found.append(
                        _foreign(session, name, [identifier(c) for c in rule.expressions], rule.args["reference"])
                    )
                case _:
                    refuse(f"the constraint {rule.sql('snowflake')}")
    return found
