"""The failures of the registry room.

RegistryError
├── PackageError           these bytes are not a package that may be used
│   ├── DigestMismatch     a blob or a manifest is not the bytes that its digest names
│   ├── PickleRefused      the model file can run code when it is read
│   ├── ModelRefused       the runtime cannot serve this model, or would not serve it safely
│   ├── SignatureRefused   a model signature that is none, not the package's, or nobody's who is trusted
│   ├── NotAdmitted        the policy, or what is known of the governance log, does not let it answer
│   └── GoldenMismatch     the loaded model does not give the answers that it gave when it was published
├── PublishError           what was given cannot be made into a package; the message says what to change
├── StoreError
│   ├── NotFound           the store does not have that digest
│   ├── StoreDamaged       the store's own files are not what they should be
│   └── StoreUnavailable   the store does not answer, or does not let us in
├── DeviceUnavailable      the device that the settings ask for is not there
└── NotExplainable         this runtime has no exact explanation
"""

# ruff: noqa: N818 - the names say what happened, and docs/contracts.md gives them.

from __future__ import annotations


class RegistryError(Exception):
    """Root of the failures of this room."""


class PackageError(RegistryError):
    """These bytes are not a package that may be used; the message says which part and why."""


class DigestMismatch(PackageError):
    """A blob or a manifest is not the bytes that its digest names."""


class PickleRefused(PackageError):
    """The model file is a pickle (or holds one): reading it would run whatever code it carries."""


class ModelRefused(PackageError):
    """The runtime cannot serve this model, or would not serve it safely."""


class SignatureRefused(PackageError):
    """A model signature that is none, is not of this package, or is by nobody who is trusted."""


class NotAdmitted(PackageError):
    """The policy does not let it answer, or what is known of the governance log does not show that it does."""


class GoldenMismatch(PackageError):
    """The loaded model does not give the answers that it gave when it was published."""


class PublishError(RegistryError):
    """What was given cannot be made into a package; the message says what to change."""


class StoreError(RegistryError):
    """Root of the stores' failures."""


class NotFound(StoreError):
    """The store does not have that digest."""


class StoreDamaged(StoreError):
    """The store's own files (its index) are not what they should be."""


class StoreUnavailable(StoreError):
    """The store does not answer, or does not let us in."""


class DeviceUnavailable(RegistryError):
    """The device that the settings ask for is not there, or this build of the runtime cannot use it."""


class NotExplainable(RegistryError):
    """This runtime has no exact explanation."""


class DeploymentRefused(RegistryError):
    """This change of what is served makes no sense, or may not be; the message says why."""
