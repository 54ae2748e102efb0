"""The Kubernetes manifests: kustomize builds them, the API's own schema takes them, and they do what deploy/README.md says."""

import copy
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from deployment import DEPLOY, UID, settings, stop_seconds_max

FOLDER = DEPLOY / "kubernetes"
RELEASES = ("1.30", "1.37")
"""The oldest that has everything that they use (a sleeping preStop), and the newest whose schema is at hand."""

Document = dict[str, Any]


@cache
def built() -> list[Document]:
    """What `kubectl kustomize` makes of the folder."""
    kubectl = shutil.which("kubectl")
    assert kubectl, "kubectl is not installed: apt-get install kubernetes-client"
    made = subprocess.run([kubectl, "kustomize", FOLDER], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(made.stdout))


def one(kind: str, name: str = "pentrap", among: list[Document] | None = None) -> Document:
    """The document of that kind and name."""
    (found,) = [
        document
        for document in (built() if among is None else among)
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
    ]
    return found


def pod(stateful_set: Document) -> Document:
    """The pod's specification."""
    return stateful_set["spec"]["template"]["spec"]


def restricted(spec: Document) -> list[str]:
    """What of a pod the pod security standard "restricted" forbids (Kubernetes' pod-security-standards)."""
    wrong = [f"{name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    whole = spec.get("securityContext", {})
    if not whole.get("runAsNonRoot"):
        wrong.append("may run as root")
    if whole.get("runAsUser") == 0:
        wrong.append("runs as root")
    if whole.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        wrong.append("no seccomp profile")
    safe = {"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"}
    wrong += [f"sysctl {one['name']}" for one in whole.get("sysctls", []) if one["name"] not in safe]
    kinds = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    wrong += [
        f"volume {volume['name']}"
        for volume in spec.get("volumes", [])
        if not set(volume) - {"name"} <= kinds
    ]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False:
            wrong.append("may gain privileges")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or set(own["capabilities"].get("add", [])) - {
            "NET_BIND_SERVICE"
        }:
            wrong.append("capabilities")
        if own.get("privileged") or own.get("runAsUser") == 0:
            wrong.append("privileged")
    return wrong


@pytest.mark.parametrize("release", RELEASES)
def test_the_schema_takes_every_document(release: str) -> None:
    """Strictly: an unknown field, which the server would drop without a word, is an error."""
    for document in built():
        kubernetes_validate.validate(document, release, strict=True)
    broken = copy.deepcopy(one("StatefulSet"))
    pod(broken)["terminationGracePeriodSecond"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, release, strict=True)


def test_the_pod_asks_for_nothing_that_the_strictest_standard_forbids() -> None:
    """And its namespace enforces that standard."""
    assert restricted(pod(one("StatefulSet"))) == []
    labels = one("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda spec: spec["securityContext"].update(runAsNonRoot=False),
        lambda spec: spec["securityContext"].pop("seccompProfile"),
        lambda spec: spec["securityContext"]["sysctls"].append({"name": "net.core.somaxconn", "value": "1"}),
        lambda spec: spec["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
        lambda spec: spec.update(hostNetwork=True),
        lambda spec: spec["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
        lambda spec: spec["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_TIME"]),
        lambda spec: spec["containers"][0]["securityContext"]["capabilities"].update(drop=[]),
    ],
)
def test_the_standard_here_is_strict(spoil: Callable[[Document], None]) -> None:
    """Each way to weaken the pod is seen by `restricted` above."""
    spec = copy.deepcopy(pod(one("StatefulSet")))
    spoil(spec)
    assert len(restricted(spec)) == 1


def test_the_root_is_read_only_and_the_user_is_the_images() -> None:
    """Two places can be written to: the volume, and a scratch of bounded size."""
    spec = pod(one("StatefulSet"))
    (container,) = spec["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [spec["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")] == [UID] * 3
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/var/lib/pentrap", "/tmp"}
    (scratch,) = [volume for volume in spec["volumes"] if volume["name"] == "scratch"]
    assert scratch["emptyDir"]["sizeLimit"]
    assert spec["automountServiceAccountToken"] is False


def test_sources_are_kept() -> None:
    """Where strangers and partners come in, no node's address stands in for theirs, whichever balancer is in front."""
    for name in ("pentrap-intake", "pentrap-pull"):
        assert one("Service", name)["spec"]["externalTrafficPolicy"] == "Local"


def test_the_network_lets_in_what_is_asked_for_and_lets_nothing_out() -> None:
    """Check-ins and pulls from anywhere, metrics from monitoring alone; the collector opens no connection. Else: nothing."""
    spec = one("NetworkPolicy")["spec"]
    assert (spec["egress"], set(spec["policyTypes"])) == ([], {"Ingress", "Egress"})
    anybody = {port["port"] for rule in spec["ingress"] if "from" not in rule for port in rule["ports"]}
    some = {port["port"] for rule in spec["ingress"] if "from" in rule for port in rule["ports"]}
    assert (anybody, some) == ({"http", "https", "pull"}, {"manage"})
    rest = one("NetworkPolicy", "nothing-else")["spec"]
    assert (rest["podSelector"], "ingress" in rest, "egress" in rest) == ({}, False, False)


def test_a_stop_has_its_time_and_a_drain_asks() -> None:
    """The grace covers the longest stop and the wait before it; the only collector is not evicted."""
    spec = pod(one("StatefulSet"))
    before = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= stop_seconds_max() + before
    budget = one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 0
    labels = one("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()


def test_probes_ask_the_image_and_only_death_restarts() -> None:
    """Each probe is the image's health check; a start has five minutes, and only five minutes of silence end a pod."""
    (container,) = pod(one("StatefulSet"))["containers"]
    probes = {name: container[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    for probe in probes.values():
        assert probe["exec"]["command"] == [
            "/opt/pentrap/bin/pentrap", "status", "--config", "/etc/pentrap/pentrap.toml", "--ready"
        ]  # fmt: skip
    for name in ("startup", "liveness"):
        assert probes[name]["periodSeconds"] * probes[name]["failureThreshold"] >= 300


def test_its_settings_are_the_production_ones_but_for_what_a_pod_needs() -> None:
    """One file for all ways to run: in a pod metrics are reached from outside, with a token, and partners.toml has a folder."""
    ours, everybody = settings("kubernetes/pentrap.toml"), settings("pentrap.production.toml")
    assert (ours["manage"].pop("listen"), everybody["manage"].pop("listen")) == (
        "0.0.0.0:9464",
        "127.0.0.1:9464",
    )
    assert (ours.pop("partners"), everybody.pop("partners")) == ("partners/partners.toml", "partners.toml")
    assert ours == everybody
    assert ours["manage"]["token_file"]
    config = [one for one in built() if one["kind"] == "ConfigMap"]
    assert [list(one["data"]) for one in config] == [["pentrap.toml"]]


def test_every_listener_has_its_port_and_every_folder_its_mount() -> None:
    """What the settings listen on is a port of the container and of a service; what they read is mounted there."""
    (container,) = pod(one("StatefulSet"))["containers"]
    read = settings("kubernetes/pentrap.toml")
    listens = {
        int(text.rpartition(":")[2])
        for text in (*read["intake"]["listen"], read["manage"]["listen"], read["pull"]["listen"])
    }
    ports = {port["containerPort"]: port["name"] for port in container["ports"]}
    assert set(ports) == listens
    offered = {
        port["targetPort"]
        for document in built()
        if document["kind"] == "Service"
        for port in document["spec"]["ports"]
    }
    assert offered == set(ports.values())
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    folders = {
        f"/etc/pentrap/{Path(name).parent}"
        for name in (*read["operations"], read["partners"], read["export"]["signing_key"])
    }
    assert folders < mounted
    root = (DEPLOY / "image/root.sh").read_text()
    for folder in folders:
        assert folder.removeprefix("/") in root, (
            "the image's root is read-only: it must have the mount's folder"
        )


def test_a_pod_tells_its_name_as_the_sensor() -> None:
    """Two collectors never share a sensor's name, and Kubernetes' own PENTRAP_ variables are no settings."""
    (container,) = pod(one("StatefulSet"))["containers"]
    assert [(entry["name"], entry["valueFrom"]["fieldRef"]["fieldPath"]) for entry in container["env"]] == [
        ("PENTRAP_SENSOR", "metadata.name")
    ]
