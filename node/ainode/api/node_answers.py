"""What the REST interface says of its models and of itself, field by field."""

from typing import Literal

from pydantic import Field

from ainode.api.answers import Answer


class ModelInput(Answer):
    """One input of a model."""

    name: str
    modality: str
    description: str


class ModelProfile(Answer):
    """A way to run a model: as it was trained, or faster and measured against that."""

    name: str
    precision: Literal["fp32", "bf16", "int8"] = Field(description="Of the network's numbers on a CPU.")
    mirroring: bool | None = Field(description="Null as the package says.")
    step_size: float | None = Field(description="From one window to the next, in windows; null as the package says.")
    cases: int = Field(description="On which it was measured; 0 as trained.")
    dice: dict[str, float] = Field(description="Against the network as trained, by label.")
    predict: str = Field(description="Address to send files to.")


class ModelAnswer(Answer):
    """A model that can be called."""

    name: str
    version: str
    title: str
    manufacturer: str
    kind: Literal["segmentation", "classification"]
    runtime: str
    inputs: list[ModelInput]
    classes: dict[str, str]
    intended_use: str
    limits: str
    disclaimer: str
    aliases: list[str]
    profiles: list[ModelProfile] = Field(description="The one called exact runs where none is named.")
    predict: str = Field(description="Address to send files to.")


class ModelsAnswer(Answer):
    """The models of this node."""

    models: list[ModelAnswer]
    unreadable: int = Field(description="Packages that cannot be read; ainode models list says why.")


class HealthAnswer(Answer):
    """Whether there is a model to predict with."""

    status: Literal["ok", "failing"]
    version: str
    models: int
    waiting: int = Field(description="Jobs that are not done.")
    device: str = Field(description="Where models run, by the settings of the node: auto, cpu or cuda.")


class Problem(Answer):
    """What went wrong (RFC 9457), with the fields by which clients of the earlier service know it."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    success: Literal[False] = False
    message: str = Field(description="As detail.")
