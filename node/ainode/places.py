"""Where the node keeps its state below ``[node] folder``."""

from dataclasses import dataclass
from pathlib import Path

from ainode.settings import Settings
from ainode_models.errors import ConfigError


@dataclass(frozen=True)
class Places:
    """Folders and database URLs of one node."""

    folder: Path
    journal_url: str
    """SQLAlchemy URL of the journal."""
    workflow_url: str
    """SQLAlchemy URL of the workflow database."""

    @classmethod
    def of(cls, settings: Settings) -> "Places":
        """Places that the settings name; the folder is made when it is not there, for its owner only."""
        folder = settings.node.folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise ConfigError(f"[node] folder {folder} cannot be made: {exc.strerror}") from exc
        return cls(
            folder=folder,
            journal_url=settings.database.url.reveal() or f"sqlite:///{folder / 'journal.sqlite'}",
            workflow_url=settings.database.workflow_url.reveal() or f"sqlite:///{folder / 'workflows.sqlite'}",
        )

    @property
    def spool(self) -> Path:
        """Received instances, as they came."""
        return self.folder / "spool"

    @property
    def work(self) -> Path:
        """Volumes and predictions between the steps of a run."""
        return self.folder / "work"

    @property
    def results(self) -> Path:
        """Encoded objects."""
        return self.folder / "results"

    @property
    def api(self) -> Path:
        """Jobs and results of the REST interface."""
        return self.folder / "api"

    @property
    def api_keys(self) -> Path:
        """Hashes of the keys of the REST interface."""
        return self.folder / "api-keys"
