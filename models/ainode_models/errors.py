"""The one error tree of ainode; every message names what is wrong, where, and what to do.

::

    AinodeError
      + ConfigError              a settings or rules file that cannot be used
      |   . SettingsError
      |   . RulesError
      + InputError               an instance, series or study that cannot be used
      |   . InstanceError        not DICOM, truncated, or without the UIDs that identify it
      |   . GeometryError        slices that do not form one volume
      |   . SeriesMismatchError  inputs of one model that do not share a frame of reference
      + ModelError               a model package or its runtime
      |   . PackageError         manifest, checksum or weights
      |   . RuntimeUnavailable   a library that the runtime needs is not installed
      |   . OutOfMemory          more memory is needed than there is, whatever was tried
      |   . WorkerCrashed        the model's process ended without an answer
      |   . WorkerTimeout        the model's process gave no answer in time
      + EncodingError            findings that cannot be written as DICOM or FHIR
      + PeerError                an archive, PACS or EHR that refused or did not answer
          . PeerUnreachable      worth trying again
          . PeerRefused          answered with a failure; the same call would fail again

It lives in the lowest package so that all five can raise from it.
"""


class AinodeError(Exception):
    """Base of all errors that ainode raises on purpose."""


class ConfigError(AinodeError):
    """A settings or rules file cannot be used."""


class SettingsError(ConfigError):
    """The settings file or an ``AINODE_`` variable has an unknown key or a bad value."""


class RulesError(ConfigError):
    """The rules file has an unknown key or a bad value."""


class InputError(AinodeError):
    """An instance, series or study cannot be used as it is."""


class InstanceError(InputError):
    """A stored object is not DICOM, is truncated, or lacks the UIDs that identify it."""


class GeometryError(InputError):
    """The slices of a series do not form one volume."""


class SeriesMismatchError(InputError):
    """The series for one model's inputs do not share a frame of reference."""


class ModelError(AinodeError):
    """A model package or its runtime failed."""


class PackageError(ModelError):
    """A model package has a bad manifest, checksum or weights."""


class RuntimeUnavailable(ModelError):  # noqa: N818 - reads as the state that it names
    """A library that the runtime needs is not installed."""


class OutOfMemory(ModelError):  # noqa: N818 - reads as the state that it names
    """The model needs more memory than there is, in smaller windows and on the CPU, too."""


class WorkerCrashed(ModelError):  # noqa: N818 - reads as the event that it names
    """The model's process ended without an answer."""


class WorkerTimeout(ModelError):  # noqa: N818 - reads as the event that it names
    """The model's process gave no answer in time."""


class EncodingError(AinodeError):
    """Findings cannot be written as DICOM or FHIR."""


class PeerError(AinodeError):
    """An archive, PACS or EHR refused, or did not answer."""


class PeerUnreachable(PeerError):  # noqa: N818 - reads as the state that it names
    """The peer did not answer, or asked to come back later; worth trying again."""


class PeerRefused(PeerError):  # noqa: N818 - reads as the event that it names
    """The peer answered with a failure that trying again would not change."""


def kind_of(error: AinodeError) -> str:
    """Name of the class, of those in this file, that ``error`` is nearest to: what another process knows it by."""
    return next(each.__name__ for each in type(error).__mro__ if each.__module__ == __name__)


def error_of(kind: str, message: str) -> AinodeError:
    """The error that another process told of; a kind that is not known is a `ModelError`."""
    known = globals().get(kind)
    return known(message) if isinstance(known, type) and issubclass(known, AinodeError) else ModelError(message)
