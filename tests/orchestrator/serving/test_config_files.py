"""serve.yaml and the RayService of KubeRay, held against Ray Serve's own schema."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml
from ray.serve.schema import ServeDeploySchema

from orchestrator.errors import WrongRequest
from orchestrator.serving.config_files import Place, problems_of, write_configs
from tests.orchestrator.serving.asked import ensemble
from tests.test_cluster_kuberay import CLUSTER, closed

LOOPBACK = Place("127.0.0.1", 8000, None, 64, 1)
OPEN = Place("0.0.0.0", 9000, "/etc/token", 16, 2)


@pytest.fixture
def written(tmp_path):
    def write(place: Place) -> tuple[dict, dict]:
        files = write_configs(ensemble(), place, tmp_path / "serve.yaml")
        assert [Path(own).name for own in files] == ["serve.yaml", "serve.kuberay.yaml"]
        return tuple(yaml.safe_load(Path(own).read_text()) for own in files)

    return write


@pytest.mark.parametrize("place", [LOOPBACK, OPEN])
def test_serve_s_own_schema_accepts_both(place, written):
    serve, service = written(place)
    for config in (serve, yaml.safe_load(service["spec"]["serveConfigV2"])):
        read = ServeDeploySchema.model_validate(config)
        (application,) = read.applications
        # it lets unknown keys pass: none is written that it does not know
        assert set(config) <= set(ServeDeploySchema.model_fields)
        assert set(config["applications"][0]) <= set(type(application).model_fields)
        for own, model in zip(
            config["applications"][0]["deployments"], application.deployments, strict=True
        ):
            assert set(own) <= set(type(model).model_fields)
        module, _, name = application.import_path.partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_deployments_are_those_of_the_application(written):
    from orchestrator.serving.deployments import application
    from orchestrator.serving.settings import Settings

    serve, _ = written(OPEN)
    named = {own["name"]: own["num_replicas"] for own in serve["applications"][0]["deployments"]}
    assert named == {"vote": 1, "member-plain": 2, "member-shy": 2}
    front = application(ensemble(), Settings())._bound_deployment
    members = front.init_args[2]
    assert named.keys() == {front.name, *(own._bound_deployment.name for own in members.values())}


def test_it_says_where_it_listens_what_it_serves_and_where_the_token_lies(written):
    serve, _ = written(OPEN)
    assert serve["http_options"] == {"host": "0.0.0.0", "port": 9000}
    assert serve["applications"][0]["args"] == {
        "place": "/nowhere/colours", "vote": "weighted", "queue": 16, "token_file": "/etc/token",
    }  # fmt: skip


def test_on_kubernetes_callers_need_the_token_of_a_secret(written):
    _, service = written(LOOPBACK)
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    file = config["applications"][0]["args"]["token_file"]
    cluster = service["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounts = {own["name"]: own["mountPath"] for own in container["volumeMounts"]}
        assert file.startswith(f"{mounts['token']}/")
        (secret,) = [own["secret"] for own in pod["volumes"] if "secret" in own]
        assert secret == {"secretName": "ensemble-serve-token"}
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_the_cluster_is_as_the_one_that_trains(written):
    _, service = written(LOOPBACK)
    cluster = service["spec"]["rayClusterConfig"]
    assert (service["apiVersion"], service["kind"]) == ("ray.io/v1", "RayService")
    assert cluster["rayVersion"] == ray.__version__ == CLUSTER["rayVersion"]
    assert cluster["authOptions"] == CLUSTER["authOptions"]
    # a CPU for each process of a member
    (group,) = cluster["workerGroupSpecs"]
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] == "2"


def test_kuberay_s_schema_accepts_it(written):
    folder = os.environ.get("KUBERAY_CRDS")
    if folder is None:
        pytest.skip("KUBERAY_CRDS names no folder with KubeRay's schemas")
    crd = yaml.safe_load((Path(folder) / "ray.io_rayservices.yaml").read_text())
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == "v1"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    jsonschema.Draft7Validator(closed(spec)).validate(written(LOOPBACK)[1]["spec"])


def test_a_raised_limit_is_written_down(written, monkeypatch):
    monkeypatch.setenv("ENSEMBLE_MAX_REQUEST_PHOTOS", "7")
    serve, _ = written(LOOPBACK)
    assert serve["applications"][0]["runtime_env"] == {
        "env_vars": {"ENSEMBLE_MAX_REQUEST_PHOTOS": "7"}
    }


def test_files_that_are_there_stay_and_others_than_yaml_are_refused(tmp_path):
    write_configs(ensemble(), LOOPBACK, tmp_path / "serve.yaml")
    (tmp_path / "serve.yaml").unlink()
    with pytest.raises(WrongRequest, match=r"serve\.kuberay\.yaml there already"):
        write_configs(ensemble(), LOOPBACK, tmp_path / "serve.yaml")
    assert not (tmp_path / "serve.yaml").exists()
    with pytest.raises(WrongRequest, match=r"ends in \.yaml"):
        write_configs(ensemble(), LOOPBACK, tmp_path / "serve.json")


def test_it_is_said_what_a_cluster_needs_besides():
    own = problems_of(ensemble(), LOOPBACK)
    assert "must be there on every node" in own[0]
    assert "listens on 127.0.0.1" in own[1]
    assert len(problems_of(ensemble(), OPEN)) == 1


def test_the_builder_takes_the_args_of_the_file_and_no_others(written, monkeypatch, tmp_path):
    from orchestrator import Ensemble
    from orchestrator.serving.deployments import build
    from orchestrator.serving.token import lets_in

    token = tmp_path / "token"
    token.write_text("x" * 32)
    loaded = []
    monkeypatch.setattr(Ensemble, "load", lambda *args: loaded.append(args) or Ensemble(ensemble()))
    serve, _ = written(Place("0.0.0.0", 8000, str(token), 16, 1))
    front = build(serve["applications"][0]["args"])._bound_deployment
    assert loaded == [("/nowhere/colours", "weighted")]
    settings = front.init_args[1]
    assert settings.queue == 16
    assert lets_in(f"Bearer {'x' * 32}", settings.digest)
    for wrong in ({}, {"place": "x", "qeue": 1}):
        with pytest.raises(
            WrongRequest, match=r"`place` is needed, place, queue, token_file, vote"
        ):
            build(wrong)
