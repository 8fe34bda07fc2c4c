"""What the REST interface takes and says of reviews, field by field."""

from typing import Annotated, Literal

from pydantic import Field

from ainode.api.answers import Answer
from ainode.journal.reviews import ReviewDraft, ReviewRow
from ainode_fhir.review import Reviewer, Struck, labels
from ainode_models.findings import Findings

_LINE = r"^[^\x00-\x1f\x7f]*$"
Word = Annotated[str, Field(min_length=1, max_length=256, pattern=_LINE)]
Name = Annotated[str, Field(max_length=256, pattern=_LINE)]
Text = Annotated[str, Field(max_length=2000, pattern=_LINE)]
Verdict = Literal["accepted", "edited", "rejected"]


class StruckFinding(Answer):
    """A finding that does not count."""

    number: int = Field(description="As findings of GET /runs/{run}/review.")
    reason: Annotated[str, Field(min_length=1, max_length=2000, pattern=_LINE)]


class NamedReviewer(Answer):
    """A human, by an identifier."""

    system: Word = Field(description="URI of the identifier system.")
    value: Word
    name: Name = ""


class ReviewRequest(Answer):
    """A verdict on the result of a run."""

    verdict: Verdict
    reason: Text = Field(default="", description="Needed by rejected.")
    comment: Text = ""
    struck: list[StruckFinding] = Field(default_factory=list, max_length=1000, description="Needed by edited, alone.")
    reviewer: NamedReviewer | None = Field(
        default=None, description="Who it is, for keys that speak for all reviewers of one identifier system."
    )

    def draft(self, run_id: str, reviewer: Reviewer, *, via: str) -> ReviewDraft:
        """For the journal."""
        return ReviewDraft(
            run_id=run_id,
            verdict=self.verdict,
            reviewer=reviewer,
            via=via,
            reason=self.reason,
            comment=self.comment,
            struck=tuple(Struck(item.number, item.reason) for item in self.struck),
        )


class ReviewAnswer(Answer):
    """A review as it was written down."""

    number: int = Field(description="1, 2, ... for one run; the last counts.")
    verdict: Verdict
    reviewer: NamedReviewer
    reviewed_at: str = Field(description="ISO 8601.")
    reason: str
    comment: str
    struck: list[StruckFinding]
    via: str = Field(description="Name of the key that was shown, or command line.")
    state: Literal["pending", "applied", "failed"] = Field(description="applied: FHIR says so.")
    trouble: str | None = Field(description="Why it failed.")


class ReviewedFinding(Answer):
    """Something that can be struck."""

    number: int
    label: str


class ReviewsAnswer(Answer):
    """What can be reviewed of a run, and what was decided."""

    run: str
    findings: list[ReviewedFinding]
    reviews: list[ReviewAnswer] = Field(description="The first first.")


def review_answer(row: ReviewRow) -> ReviewAnswer:
    """One row of the journal."""
    review = row.review
    who = review.reviewer
    return ReviewAnswer.model_validate(
        {
            "number": review.number,
            "verdict": review.verdict,
            "reviewer": {"system": who.system, "value": who.value, "name": who.name},
            "reviewed_at": review.reviewed_at.isoformat(),
            "reason": review.reason,
            "comment": review.comment,
            "struck": [{"number": item.number, "reason": item.reason} for item in review.struck],
            "via": row.via,
            "state": row.state,
            "trouble": row.trouble,
        }
    )


def reviews_answer(run_id: str, findings: Findings, rows: list[ReviewRow]) -> ReviewsAnswer:
    """All of one run."""
    listed = [ReviewedFinding(number=number, label=label) for number, label in labels(findings).items()]
    return ReviewsAnswer(run=run_id, findings=listed, reviews=[review_answer(row) for row in rows])
