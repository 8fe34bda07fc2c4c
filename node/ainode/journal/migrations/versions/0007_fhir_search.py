"""What FHIR searches sort by, names of patients in the index, and indexes for histories and pages."""

import json

import sqlalchemy as sa
from alembic import op

from ainode_fhir.indexing import index_rows, sort_values

revision = "0007"
down_revision = "0006"

_NO_DATE = str(-(2**62))
_RESOURCE = sa.table(
    "fhir_resource",
    *(
        sa.column(name)
        for name in ("type", "id", "version", "current", "deleted", "content", "status", "date", "issued")
    ),
)
_INDEX = sa.table(
    "fhir_index", *(sa.column(name) for name in ("type", "id", "parameter", "system", "value", "low", "high"))
)


def upgrade() -> None:
    """Create the columns and indexes, and fill them from the resources that are there."""
    with op.batch_alter_table("fhir_resource") as table:
        table.add_column(
            sa.Column(
                "status",
                sa.String(length=64),
                server_default="",
                nullable=False,
                comment="to search and sort by; empty when it has none",
            )
        )
        for name, what in (("date", "done"), ("issued", "released")):
            comment = f"to sort by: when it was {what}"
            table.add_column(sa.Column(name, sa.BigInteger(), server_default=_NO_DATE, nullable=False, comment=comment))
    status = ["type", "current", "status", "last_updated", "id"]
    op.create_index("fhir_resource_status", "fhir_resource", status, unique=False)
    op.create_index("fhir_resource_date", "fhir_resource", ["type", "current", "date", "id"], unique=False)
    op.create_index("fhir_resource_history", "fhir_resource", ["type", "last_updated", "id", "version"], unique=False)
    op.drop_index("fhir_index_value", "fhir_index")
    op.create_index("fhir_index_value", "fhir_index", ["type", "parameter", "value", "id"], unique=False)
    op.drop_index("fhir_index_resource", "fhir_index")
    op.create_index("fhir_index_resource", "fhir_index", ["type", "id", "parameter", "value"], unique=False)
    _fill()


def _fill() -> None:
    connection = op.get_bind()
    key = (_RESOURCE.c.type, _RESOURCE.c.id, _RESOURCE.c.version)
    current = sa.select(*key, _RESOURCE.c.content).where(_RESOURCE.c.current, ~_RESOURCE.c.deleted)
    for row in connection.execute(current).all():
        content = json.loads(row.content)
        same = (column == value for column, value in zip(key, row[:3], strict=True))
        connection.execute(_RESOURCE.update().where(*same).values(**sort_values(content)))
        connection.execute(_INDEX.delete().where(_INDEX.c.type == row.type, _INDEX.c.id == row.id))
        names = _INDEX.c.keys()
        rows = [{name: each[name] for name in names} for each in index_rows(content)]
        if rows:
            connection.execute(_INDEX.insert(), rows)
