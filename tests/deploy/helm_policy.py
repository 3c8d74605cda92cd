"""What each pod must keep: the restricted pod security standard, bounds, probes, and images that say which they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.deploy.helm_chart import Pod

_SECRET = ("PASSWORD", "SECRET", "TOKEN", "KEY")
_VOLUMES = frozenset({"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"})


def broken(pod: Pod) -> list[str]:
    """The rules that a pod breaks."""
    found = [f"{pod.where}: {each}" for each in _pod(pod)]
    for role, container in pod.containers():
        found += [f"{pod.where}: {container['name']}: {each}" for each in _container(pod, role, container)]
    return found


def _pod(pod: Pod) -> Iterator[str]:
    spec, security = pod.spec, pod.spec.get("securityContext", {})
    if not security.get("runAsNonRoot") or security.get("runAsUser") == 0:
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    if security.get("fsGroupChangePolicy") != "OnRootMismatch":
        yield "its volumes' files change their modes at each mount"
    if spec.get("automountServiceAccountToken") is not False or not spec.get("serviceAccountName"):
        yield "has a token of the cluster"
    for host in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
        if spec.get(host):
            yield f"has {host}"
    for volume in spec.get("volumes", ()):
        if not _VOLUMES & set(volume):
            yield f"volume {volume['name']} is of a kind that is not allowed"
    if pod.long_lived and spec.get("terminationGracePeriodSeconds", 0) < 10:
        yield "has no time to end"


def _container(pod: Pod, role: str, container: Mapping[str, Any]) -> Iterator[str]:
    security = container.get("securityContext", {})
    capabilities = security.get("capabilities", {})
    if security.get("privileged") or security.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "its root can be written to"
    if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
        yield "may run as root"
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "keeps capabilities"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    if not {"cpu", "memory"} <= set(container.get("resources", {}).get("limits", {})):
        yield "is not bounded"
    if not {"cpu", "memory"} <= set(container.get("resources", {}).get("requests", container)):
        yield "asks for nothing"
    image = container["image"]
    name, _, tag = image.rpartition(":")
    if "@sha256:" not in image and (not name or "/" in tag or tag == "latest"):
        yield f"{image} does not say which image"
    if role != "init" and pod.long_lived:
        if "livenessProbe" not in container:
            yield "nobody sees that it hangs"
        # A gateway answers while its sidecar cannot ship: only the gateway itself says when it no longer may.
        if role == "main" and "readinessProbe" not in container:
            yield "nobody sees whether it is ready"
    given = {each["name"] for each in pod.spec.get("volumes", ())} | {"data"}  # a StatefulSet's own claim
    for mount in container.get("volumeMounts", ()):
        if mount["name"] not in given:
            yield f"mounts {mount['name']}, which is not there"
    read = [mount["mountPath"] for mount in container.get("volumeMounts", ()) if mount.get("readOnly")]
    for mount in container.get("volumeMounts", ()):
        # Nobody can make the folder for a mount below another one that is only read.
        if any(mount["mountPath"].startswith(f"{other}/") for other in read):
            yield f"mounts {mount['mountPath']} below another mount"
    for variable in container.get("env", ()):
        if variable["name"].endswith(_SECRET) and "value" in variable:
            yield f"{variable['name']} stands in the manifest"
