"""What searches over DICOMweb are answered from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the headers of studies and series, in columns by which they are searched."""
    op.create_table(
        "study_headers",
        sa.Column("study_uid", sa.String(64), primary_key=True),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.Column("instance_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False, index=index) for name, index in _STUDY_KEYS.items()),
        sa.Column("attributes", sa.JSON, nullable=False),
    )
    op.create_table(
        "series_headers",
        sa.Column("study_uid", sa.String(64), primary_key=True),
        sa.Column("series_uid", sa.String(64), primary_key=True),
        sa.Column("instance_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in _SERIES_KEYS),
        sa.Column("attributes", sa.JSON, nullable=False),
    )


_STUDY_KEYS = {
    "patient_id": True,
    "patient_name": True,
    "accession_number": True,
    "study_date": True,
    "study_time": False,
    "study_id": False,
    "study_description": False,
    "referring_physician": False,
}
_SERIES_KEYS = (
    "modality",
    "series_number",
    "series_description",
    "performed_date",
    "performed_time",
    "scheduled_step_id",
    "requested_procedure_id",
)
