"""What storage commitment is answered with: statuses of N-ACTION, and reasons why an instance is not committed."""

from enum import Enum


class ActionStatus(Enum):
    """Status (0000,0900) of the N-ACTION-RSP: value, clause, and when it is sent."""

    SUCCESS = (0x0000, "PS3.4 J.3.2.1.3", "the request is in the journal; N-EVENT-REPORT follows")
    NO_SUCH_SOP_INSTANCE = (0x0112, "PS3.7 10.1.4.1.10", "the SOP Instance is not `1.2.840.10008.1.20.1.1`")
    NO_SUCH_ACTION = (0x0123, "PS3.7 10.1.4.1.10", "Action Type ID is not 1")
    INVALID_ARGUMENT_VALUE = (
        0x0115,
        "PS3.7 10.1.4.1.10",
        "Transaction UID or Referenced SOP Sequence is missing, or one of their UIDs breaks PS3.5 9.1",
    )
    RESOURCE_LIMITATION = (0x0213, "PS3.7 10.1.4.1.10", "the journal cannot take the request; try later")
    PROCESSING_FAILURE = (0x0110, "PS3.7 10.1.4.1.10", "the data set cannot be decoded, or an error not foreseen")

    def __init__(self, code: int, clause: str, meaning: str) -> None:
        self.code = code
        self.clause = clause
        self.meaning = meaning


class FailureReason(Enum):
    """Failure Reason (0008,1197) of an instance (PS3.3 C.14.1.1): value and when it is given."""

    NO_SUCH_OBJECT_INSTANCE = (0x0112, "not held, refused after it was read, or its file is not whole")
    CLASS_INSTANCE_CONFLICT = (0x0119, "held with another SOP Class UID")
    DUPLICATE_TRANSACTION_UID = (0x0131, "the Transaction UID came before, with other instances or from another AE")

    def __init__(self, code: int, meaning: str) -> None:
        self.code = code
        self.meaning = meaning
