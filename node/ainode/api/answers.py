"""What the REST interface says of predictions, field by field: the description that it serves is made from here."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(ge=0, le=1)]
Method = Literal["gradcam", "lime"]


class Answer(BaseModel):
    """Base of all answers: nothing is in them that is not described."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Concept(Answer):
    """A code of a terminology (PS3.3 section 8)."""

    value: str
    scheme: str
    meaning: str


class Codes(Answer):
    """What a class means."""

    category: Concept | None = Field(description="Segmented Property Category; null for a classifier.")
    type: Concept
    anatomy: Concept


class ClassDetail(Answer):
    """One class in one input. Fields that a kind of model does not give are null."""

    number: int = Field(description="Value in the mask; for a classifier the place among its classes, from 1.")
    name: str
    short_name: str
    color: str | None = Field(description="sRGB, such as #e41a1c.")
    description: str
    codes: Codes | None = Field(description="null for the background.")
    voxels: int | None = None
    percent: float | None = Field(default=None, description="Of all voxels of the input.")
    volume_ml: float | None = None
    longest_diameter_mm: float | None = None
    confidence: Probability | None = Field(
        default=None, description="Mean probability that the model gives its own voxels."
    )
    probability: Probability | None = Field(default=None, description="Of a class of a classifier.")
    decision: Literal["present", "absent", "uncertain"] | None = Field(
        default=None, description="uncertain: within the band for which a human must decide."
    )


class ModelInfo(Answer):
    """The model that answered."""

    title: str
    manufacturer: str
    inputs: list[str]
    classes: dict[str, str] = Field(description="Number to name.")
    output_shape: list[int] | None = Field(description="(slices, rows, columns) of the mask; null for a classifier.")
    parameters: int | None = Field(
        description="Of all its networks, as PyTorch or Keras counts them; null where a third party's runtime does not."
    )
    weights_sha256: str
    intended_use: str
    limits: str


class Links(Answer):
    """Addresses of what belongs to a result, for as long as it is kept; null for what it does not have."""

    result: str
    mask: str | None = Field(default=None, description="NIfTI on the grid of the input.")
    seg: str | None = Field(
        default=None, description="DICOM Segmentation, when the input was DICOM and something was found."
    )
    overlay: str | None = Field(default=None, description="Heat map of the most probable class over the image, as PNG.")
    overlays: dict[str, str] = Field(default_factory=dict, description="The same for each class that has one.")


class PredictionAnswer(Answer):
    """The prediction for one input."""

    success: Literal[True] = True
    status: Literal["success"] = "success"
    message: str
    id: str
    model: str
    version: str
    device: str = Field(
        description="Where it was computed: cpu, or number and name of a GPU such as cuda:0 NVIDIA H200."
    )
    elapsed_time: float = Field(
        description="Seconds from the first byte read of the files to the result; it took them once, if cached."
    )
    cached: bool = Field(description="Whether the same files went through the same weights before.")
    unique_classes: list[int] = Field(
        description="Values in the mask, 0 being the background; of a classifier those present."
    )
    num_classes_detected: int = Field(description="How many unique_classes has.")
    output_path: str | None = Field(description="As links.mask.")
    model_info: ModelInfo
    class_details: list[ClassDetail]
    predicted_class: str | None = Field(
        default=None, description="Of a classifier: the class with the highest probability."
    )
    predictions: dict[str, Probability] | None = Field(
        default=None, description="Of a classifier: probability by class."
    )
    confidence: Probability | None = None
    margin_top2: Probability | None = None
    model_disagreement: float | None = None
    members: dict[str, dict[str, Probability]] | None = Field(
        default=None, description="The same by each net of an ensemble."
    )
    explanation: Method | None = None
    remarks: list[str]
    disclaimer: str
    links: Links


class Refusal(Answer):
    """One input of a batch that came to nothing: it says nothing about the patient."""

    success: Literal[False] = False
    status: Literal["error"] = "error"
    message: str


class BatchAnswer(Answer):
    """The predictions for several inputs, in their order."""

    success: bool = Field(description="Whether all of them came to something.")
    status: Literal["success", "partial", "error"]
    message: str
    model: str
    version: str
    elapsed_time: float
    results: list[PredictionAnswer | Refusal]


State = Literal["queued", "loading", "running", "done", "failed"]


class JobAnswer(Answer):
    """A job: what is known of it, and its result once it is done."""

    id: str
    state: State
    model: str
    version: str
    cases: int
    cases_done: int
    created_at: str = Field(description="ISO 8601.")
    finished_at: str | None
    reason: str | None = Field(description="Why it failed.")
    links: dict[str, str]
    result: PredictionAnswer | BatchAnswer | None
