"""cluster.kuberay.yaml: its objects fit together, and what KubeRay says of them.

KubeRay's schemas are 2 MB and not ours: where KUBERAY_CRDS names a folder with `ray.io_rayclusters.yaml`
and `ray.io_rayjobs.yaml` (its repository has them in helm-chart/kuberay-operator/crds), the objects are
checked against them; unknown keys, which a cluster would drop without a word, are mistakes too.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

from tests.clusters import ROOT
from tests.test_cluster_yaml import read

OBJECTS = {
    each["kind"]: each for each in yaml.safe_load_all((ROOT / "cluster.kuberay.yaml").read_text())
}
CLUSTER = OBJECTS["RayCluster"]["spec"]
HEAD, (WORKER,) = CLUSTER["headGroupSpec"], CLUSTER["workerGroupSpecs"]
PODS = [group["template"]["spec"] for group in (HEAD, WORKER)]


def closed(schema: Any) -> Any:
    """The schema, without room for keys that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        inner.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):  # the type is left to this key
        return {"type": ["integer", "string"]}
    return inner


@pytest.mark.parametrize("kind", ["RayCluster", "RayJob"])
def test_kuberay_s_schema_accepts_it(kind):
    folder = os.environ.get("KUBERAY_CRDS")
    if folder is None:
        pytest.skip("KUBERAY_CRDS names no folder with KubeRay's schemas")
    crd = yaml.safe_load((Path(folder) / f"ray.io_{kind.lower()}s.yaml").read_text())
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == "v1"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    jsonschema.Draft7Validator(closed(spec)).validate(OBJECTS[kind]["spec"])


def test_there_is_a_cluster_its_storage_and_a_job():
    assert {kind: each["apiVersion"] for kind, each in OBJECTS.items()} == {
        "PersistentVolumeClaim": "v1",
        "RayCluster": "ray.io/v1",
        "RayJob": "ray.io/v1",
    }


def test_the_job_trains_on_the_cluster():
    job = OBJECTS["RayJob"]["spec"]
    assert job["clusterSelector"] == {"ray.io/cluster": OBJECTS["RayCluster"]["metadata"]["name"]}
    shell, flag, line = shlex.split(job["entrypoint"])
    assert (shell, flag) == ("sh", "-c")
    words = shlex.split(line)
    assert words[words.index("orchestrator") + 1] == "train-members"
    assert (ROOT / words[words.index("train-members") + 1]).exists()
    mount = PODS[0]["containers"][0]["volumeMounts"][0]["mountPath"]
    assert words[words.index("--run") + 1].startswith(f"{mount}/")


def test_the_ray_is_the_one_of_the_requirements():
    assert CLUSTER["rayVersion"] == ray.__version__
    assert f"rayproject/ray:{ray.__version__}-py311" in (ROOT / "cluster.kuberay.yaml").read_text()


def test_everybody_needs_the_token():
    assert CLUSTER["authOptions"] == {"mode": "token", "secretName": "ensemble-token"}
    text = (ROOT / "cluster.kuberay.yaml").read_text()
    assert "create secret generic ensemble-token --from-file=auth_token=" in text


def test_workers_have_gpus_on_spot_come_when_they_are_asked_for_and_the_head_is_safe():
    assert CLUSTER["enableInTreeAutoscaling"] is True
    assert (WORKER["replicas"], WORKER["minReplicas"]) == (0, 0)
    assert WORKER["maxReplicas"] > 0
    head, worker = PODS
    assert "nodeSelector" not in head
    assert head["containers"][0]["resources"]["limits"].keys() == {"cpu", "memory"}
    (spot,) = worker["nodeSelector"]
    tolerated = {each["key"] for each in worker["tolerations"]}
    assert tolerated == {spot, "nvidia.com/gpu"}
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert (
        HEAD["rayStartParams"]["num-cpus"] == "0"
    )  # the head's CPUs would be a slot without a GPU
    assert HEAD["rayStartParams"]["dashboard-host"] == "0.0.0.0"


def test_all_see_the_same_files_and_the_photographs():
    claim = OBJECTS["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in PODS:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["storage"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes.keys()
        env = {each["name"]: each["value"] for each in container["env"]}
        start = " ".join(read("cluster.yaml")["head_start_ray_commands"])
        assert f"SM_CHANNEL_TRAIN={env['SM_CHANNEL_TRAIN']} " in start
        assert container["resources"]["requests"] == container["resources"]["limits"]
