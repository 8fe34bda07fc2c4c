"""Tables of the journal. Times are seconds since 1970-01-01 UTC; UIDs are as in DICOM."""

import sqlalchemy as sa

metadata = sa.MetaData()

instances = sa.Table(
    "instances",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sop_instance_uid", sa.String(64), nullable=False, index=True),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("path", sa.Text, nullable=False),  # relative to the spool folder
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # "C-STORE <AE title>" or "archive <name>"
    sa.Column("received_at", sa.Float, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),  # stored, indexed, copy, refused
    sa.Column("reason", sa.Text),  # why it was refused, or of which it is a copy, for people
    sa.Column("sop_class_uid", sa.String(64)),
    sa.Column("study_uid", sa.String(64), index=True),
    sa.Column("series_uid", sa.String(64)),
    sa.Column("patient", sa.String(64)),  # digest of PatientID: equal or not is all that is asked of it
    # One object sent twice with the same bytes is one row; with other bytes both are kept.
    sa.UniqueConstraint("sop_instance_uid", "sha256"),
)

studies = sa.Table(
    "studies",
    metadata,
    sa.Column("study_uid", sa.String(64), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),  # receiving, waiting, unrouted, routed, deleted
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("first_received_at", sa.Float, nullable=False),
    sa.Column("changed_at", sa.Float, nullable=False),  # last new instance
    sa.Column("complete_at", sa.Float),
    sa.Column("check_at", sa.Float, nullable=False),  # not looked at again before
)

archive_studies = sa.Table(
    "archive_studies",
    metadata,
    sa.Column("archive", sa.String(64), primary_key=True),
    sa.Column("study_uid", sa.String(64), primary_key=True),
    sa.Column("touched_at", sa.Float, nullable=False),
    sa.Column("fetched_at", sa.Float),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)

feed_positions = sa.Table(
    "feed_positions",
    metadata,
    sa.Column("archive", sa.String(64), primary_key=True),
    sa.Column("position", sa.Text, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String(36), primary_key=True),
    sa.Column("study_uid", sa.String(64), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),  # 1, 2, ... for one study and rule
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),  # queued, running, finished, failed, superseded
    sa.Column("outcome", sa.String(16)),
    sa.Column("reason", sa.Text),
    sa.Column("supersedes", sa.String(36)),
    sa.Column("superseded_by", sa.String(36)),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
)

results = sa.Table(
    "results",
    metadata,
    sa.Column("run_id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(8), primary_key=True),  # SEG, LABELMAP, SPLIT1, PM1, SC1, SR, TREE, PDF, FHIR
    sa.Column("path", sa.Text, nullable=False),  # relative to the results folder
    sa.Column("sop_class_uid", sa.String(64)),
    sa.Column("sop_instance_uid", sa.String(64), index=True),
    sa.Column("series_uid", sa.String(64)),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.String(36), nullable=False, index=True),
    sa.Column("destination", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),  # pending, delivered, dead, superseded
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("delivered_at", sa.Float),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),  # of the result; each review makes one more
    sa.UniqueConstraint("run_id", "destination"),
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.String(36), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),  # 1, 2, ... for one run; the last counts
    sa.Column("verdict", sa.String(16), nullable=False),  # accepted, edited, rejected
    sa.Column("reviewer_system", sa.Text, nullable=False),
    sa.Column("reviewer_value", sa.Text, nullable=False),
    sa.Column("reviewer_name", sa.Text, nullable=False),  # empty when it was not given
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("struck", sa.JSON, nullable=False),  # number of each finding that does not count, and why
    sa.Column("via", sa.String(128), nullable=False),  # name of the key that was shown, or the command line
    sa.Column("reviewed_at", sa.Float, nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),  # pending, applied, failed
    sa.Column("trouble", sa.Text),  # why it failed
    sa.UniqueConstraint("run_id", "number"),
)

commitments = sa.Table(
    "commitments",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("transaction_uid", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of the peer's AE title and what it asks
    sa.Column("calling", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("asked", sa.JSON, nullable=False),  # pairs of SOP Class UID and SOP Instance UID
    sa.Column("state", sa.String(16), nullable=False, index=True),  # pending, reported, dead
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("reported_at", sa.Float),
    # One request sent twice is one row.
    sa.UniqueConstraint("transaction_uid", "digest"),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("placer_number", sa.Text, nullable=False, index=True),  # these four are empty where nobody said them
    sa.Column("filler_number", sa.Text, nullable=False, index=True),
    sa.Column("accession_number", sa.Text, nullable=False, index=True),
    sa.Column("study_uid", sa.String(64), nullable=False, index=True),
    sa.Column("content", sa.JSON, nullable=False),  # ainode_fhir.order.Order
    sa.Column("previous", sa.JSON(none_as_null=True)),  # the same as it was shown last, until this version is
    sa.Column("sent_at", sa.Float, nullable=False),  # of the newest message; 0 where it had no time
    sa.Column("changed_at", sa.Float, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),  # 1, 2, ...: each change, and each wish to look again
    sa.Column("shown", sa.Boolean, nullable=False, index=True),  # whether the FHIR store has what this version says
)

study_headers = sa.Table(
    "study_headers",
    metadata,
    sa.Column("study_uid", sa.String(64), primary_key=True),
    sa.Column("changed_at", sa.Float, nullable=False),  # of the study, as it was when its headers were read
    sa.Column("instance_id", sa.Integer, nullable=False),  # whose header it is; 0 for none
    sa.Column("patient_id", sa.Text, nullable=False, index=True),
    sa.Column("patient_name", sa.Text, nullable=False, index=True),  # in lower case
    sa.Column("accession_number", sa.Text, nullable=False, index=True),
    sa.Column("study_date", sa.Text, nullable=False, index=True),
    sa.Column("study_time", sa.Text, nullable=False),
    sa.Column("study_id", sa.Text, nullable=False),
    sa.Column("study_description", sa.Text, nullable=False),
    sa.Column("referring_physician", sa.Text, nullable=False),  # in lower case
    sa.Column("attributes", sa.JSON, nullable=False),  # DICOM JSON (PS3.18 F)
)

series_headers = sa.Table(
    "series_headers",
    metadata,
    sa.Column("study_uid", sa.String(64), primary_key=True),
    sa.Column("series_uid", sa.String(64), primary_key=True),
    sa.Column("instance_id", sa.Integer, nullable=False),  # whose header it is
    sa.Column("modality", sa.Text, nullable=False),
    sa.Column("series_number", sa.Text, nullable=False),
    sa.Column("series_description", sa.Text, nullable=False),
    sa.Column("performed_date", sa.Text, nullable=False),
    sa.Column("performed_time", sa.Text, nullable=False),
    sa.Column("scheduled_step_id", sa.Text, nullable=False),
    sa.Column("requested_procedure_id", sa.Text, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),  # DICOM JSON (PS3.18 F)
)

commitment_instances = sa.Table(
    "commitment_instances",
    metadata,
    sa.Column("commitment_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sop_instance_uid", sa.String(64), primary_key=True, index=True),
)

deletions = sa.Table(
    "deletions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_uid", sa.String(64), nullable=False, index=True),  # empty for an object that was refused
    sa.Column("sop_instance_uid", sa.String(64)),
    sa.Column("area", sa.String(16), nullable=False),  # spool, results
    sa.Column("path", sa.Text, nullable=False),  # relative to the folder of the area
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("row", sa.JSON),  # what the journal said of the instance, until its file is gone
    sa.Column("marked_at", sa.Float, nullable=False),
    sa.Column("gone_at", sa.Float, index=True),
)
