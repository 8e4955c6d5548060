"""serve.yaml for `serve deploy` on a cluster, and the same as a RayService of KubeRay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from ensembles.files import places
from orchestrator.errors import WrongRequest
from orchestrator.inference.parts import Trained
from orchestrator.limits import REQUEST, REQUEST_FILE, REQUEST_PHOTOS, REQUEST_PIXELS
from orchestrator.serving.settings import APPLICATION, VOTE, is_loopback, member_name
from orchestrator.version import __version__

IMPORT_PATH = "orchestrator.serving.deployments:build"
SECRET, SECRET_FOLDER = "ensemble-serve-token", "/etc/ensemble"
_LIMITS = (REQUEST, REQUEST_PHOTOS, REQUEST_FILE, REQUEST_PIXELS)


@dataclass(frozen=True)
class Place:
    """What the files say of where the service runs. token_file: as all nodes see it, or None."""

    host: str
    port: int
    token_file: str | None
    queue: int
    replicas: int


def write_configs(trained: Trained, place: Place, file: str | Path) -> list[str]:
    """Write FILE and, beside it, FILE with `.kuberay` before its ending; returns both. Raises
    WrongRequest where FILE does not end in .yaml, or one of them is there already.
    """
    path = Path(file)
    if path.suffix not in (".yaml", ".yml"):
        raise WrongRequest(
            f"--write-config {file}: YAML is written. Give a file that ends in .yaml"
        )
    files = [str(path), str(path.with_suffix(f".kuberay{path.suffix}"))]
    if there := [own for own in files if places.exists(own)]:
        raise WrongRequest(
            f"--write-config {file}: {' and '.join(there)} there already, perhaps changed by hand. Move "
            "it away, or give another FILE."
        )
    for own, text in zip(
        files, (serve_yaml(trained, place), kuberay_yaml(trained, place)), strict=True
    ):
        places.write_bytes(own, text.encode())
    return files


def config_of(trained: Trained, place: Place) -> dict[str, Any]:
    """What Serve reads, as `ray.serve.schema.ServeDeploySchema` has it."""
    args = {"place": trained.place, "vote": trained.vote, "queue": place.queue}
    if place.token_file is not None:
        args["token_file"] = place.token_file
    raised = {own.variable: str(own.value) for own in _LIMITS if own.value != own.default}
    members = [
        {
            "name": member_name(part.name),
            "num_replicas": place.replicas,
            "ray_actor_options": {"num_cpus": 1, "num_gpus": 0},
        }
        for part in trained.members
    ]
    application: dict[str, Any] = {
        "name": APPLICATION,
        "route_prefix": "/",
        "import_path": IMPORT_PATH,
        "args": args,
        "deployments": [{"name": VOTE, "num_replicas": 1}, *members],
    }
    if raised:
        application["runtime_env"] = {"env_vars": raised}
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": place.host, "port": place.port},
        "logging_config": {"log_level": "WARNING", "enable_access_log": False},
        "applications": [application],
    }


def serve_yaml(trained: Trained, place: Place) -> str:
    return _SERVE_HEAD + _dumped(config_of(trained, place))


def kuberay_yaml(trained: Trained, place: Place) -> str:
    """A Service that the cluster's own programs reach, so callers need a token: a Secret."""
    inside = Place("0.0.0.0", 8000, f"{SECRET_FOLDER}/token", place.queue, place.replicas)
    config = _dumped(config_of(trained, inside))
    n = len(trained.members) * place.replicas
    text = _KUBERAY.replace("RAY_VERSION", metadata.version("ray")).replace("VERSION", __version__)
    text = text.replace("SECRET_FOLDER", SECRET_FOLDER).replace("SECRET", SECRET)
    text = text.replace("CPUS", str(n)).replace("MEMORY", str(2 + 2 * n))
    return text.replace(
        "      CONFIG\n", "".join(f"      {line}\n" for line in config.splitlines())
    )


def problems_of(trained: Trained, place: Place) -> Sequence[str]:
    """What stands against these files being of use on several machines, a sentence each."""
    found = []
    if "://" not in trained.place:
        found.append(
            f"{trained.place} must be there on every node: a shared folder, or a run under s3://."
        )
    if place.token_file is None and is_loopback(place.host):
        found.append(
            f"it listens on {place.host} of each node; for callers elsewhere give --host and "
            "--token-file."
        )
    return found


def _dumped(config: dict[str, Any]) -> str:
    return yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=110)


_SERVE_HEAD = """\
# An ensemble as a service of Ray Serve, written by `ensemble serve --write-config`.
#
#   serve deploy serve.yaml        # on a machine of the cluster, or with --address http://HEAD:8265
#   serve status
#
# Every node needs this project (its folder in PYTHONPATH, or installed) with ray[serve] and
# python-multipart, and sees `place`: a shared folder or s3://. A token is a file, `token_file`, on the
# nodes: what stands here is no secret.
#
# num_replicas: processes a member; the slowest member decides how many photographs pass in a second.
# num_gpus: above 0 its networks run on a GPU, which several may share (0.25, say).
"""

_KUBERAY = """\
# An ensemble as a service on Kubernetes, by KubeRay; written by `ensemble serve --write-config`.
#
# Checked: against the schemas of KubeRay 1.7.0 and of Ray Serve. Never run on a Kubernetes cluster.
#
# The image and the volume are those of cluster.kuberay.yaml, with one line more in the image:
#   RUN pip install --no-cache-dir 'ray[serve]==RAY_VERSION' python-multipart
#
# Fill in the values marked <<<, then:
#
#   kubectl create secret generic SECRET --from-literal=token=$(openssl rand -hex 32)
#   kubectl apply --filename THIS_FILE
#   kubectl get rayservice ensemble-serve --watch
#   kubectl port-forward service/ensemble-serve-serve-svc 8000      # then: curl -H 'Authorization: ...'
apiVersion: ray.io/v1
kind: RayService
metadata:
  name: ensemble-serve
spec:
  serveConfigV2: |
      CONFIG
  rayClusterConfig:
    rayVersion: RAY_VERSION
    # Who has this token may run anything on the cluster; the service has one of its own.
    authOptions: {mode: token, secretName: ensemble-token}
    headGroupSpec:
      # num-cpus: no networks here; object-store-memory: pixels on their way to the members.
      rayStartParams: {num-cpus: "0", dashboard-host: 0.0.0.0, object-store-memory: "1000000000"}
      template:
        spec:
          containers:
            - name: ray-head
              image: &image registry.example.com/ensemble:VERSION   # <<<
              env: &env
                - {name: PYTHONPATH, value: /home/ray/ensemble}
              ports:
                - {name: gcs-server, containerPort: 6379}
                - {name: dashboard, containerPort: 8265}
                - {name: serve, containerPort: 8000}
              resources:
                requests: &head {cpu: "2", memory: 8Gi}
                limits: *head
              volumeMounts: &mounts
                - {name: storage, mountPath: /srv/ensemble}   # <<< where the run lies
                - {name: token, mountPath: SECRET_FOLDER, readOnly: true}
          volumes: &volumes
            - {name: storage, persistentVolumeClaim: {claimName: ensemble}}   # <<<
            - {name: token, secret: {secretName: SECRET}}
    workerGroupSpecs:
      - groupName: members
        replicas: 1
        minReplicas: 1
        maxReplicas: 1                       # <<< the upper limit of the bill
        rayStartParams: {object-store-memory: "1000000000"}
        template:
          spec:
            containers:
              - name: ray-worker
                image: *image
                env: *env
                resources:                   # a CPU a process of a member; <<< a GPU, where there is one
                  requests: &worker {cpu: "CPUS", memory: MEMORYGi}
                  limits: *worker
                volumeMounts: *mounts
            volumes: *volumes
"""
