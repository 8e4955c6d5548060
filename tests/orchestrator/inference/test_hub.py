"""A bundle is pushed to the Hugging Face Hub by its own client; a stand-in of the Hub answers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.inference.bundles.export import Request, export_bundle
from tests.orchestrator.inference import made
from tests.orchestrator.inference.hub_server import TOKEN, running

ROOT = Path(__file__).parents[3]
PUSH = """\
import sys
from pathlib import Path
from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.inference.bundles.hub import hub_problems, push
folder, repo = sys.argv[1:]
try:
    if problems := hub_problems(repo):
        raise WrongRequest(problems)
    print(push(Path(folder), repo))
except (WrongRequest, RunFailed) as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    ensemble = made.made(folder, made.rules()["mean"])
    export_bundle(ensemble, {}, Request(str(folder / "bundle"), "safetensors"))
    return folder / "bundle"


@pytest.fixture
def hub():
    with running() as hub:
        yield hub


@pytest.fixture
def push(bundle, tmp_path, hub):
    """`push(repo)`: in a process of its own, since the client reads its settings when it is imported."""

    def push(repo: str = "somebody/cats", **variables: str) -> str:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        given = {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path),
                 "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", PUSH, str(bundle), repo], cwd=tmp_path, env={**kept, **given, **variables},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return push


def test_every_file_is_there_in_one_commit_and_the_card_is_the_readme(push, hub, bundle):
    assert push().startswith(f"{hub.address}/somebody/cats/commit/")
    found = hub.files["somebody/cats"]
    assert hub.private == {"somebody/cats": True}
    assert hub.commits == ["Bundle bundle"]
    expected = {
        path.relative_to(bundle).as_posix(): path.read_bytes()
        for path in bundle.rglob("*")
        if path.is_file()
    }
    expected["README.md"] = expected.pop("MODEL_CARD.md")
    assert found == {**expected, ".gitattributes": b""}
    assert found["README.md"].startswith(b"---\nlicense: unknown\n")


def test_networks_of_an_earlier_bundle_go_and_what_others_put_there_stays(push, hub):
    there = {"networks/old.onnx": b"old", "notes.txt": b"mine"}
    hub.files["somebody/cats"] = dict(there)
    push()
    assert "networks/old.onnx" not in hub.files["somebody/cats"]
    assert hub.files["somebody/cats"]["notes.txt"] == b"mine"
    assert hub.private == {}


def test_what_cannot_be_pushed_is_said(push, hub):
    assert "no name of a repository. Give OWNER/NAME" in push("cats")
    assert "no token. Run `hf auth login`" in push(HF_TOKEN="")
    assert "HF_HUB_OFFLINE forbids connections" in push(HF_HUB_OFFLINE="1")
    said = push(HF_TOKEN="hf_another")
    assert said.startswith("WrongRequest: --push-to-hub somebody/cats: the Hub refused it (")
    assert "Give a repository that your token may write to." in said
    hub.fails_with = 400
    assert push().startswith("RunFailed: --push-to-hub somebody/cats: the Hub refused it (")
    assert hub.files == {}
    said = push(HF_ENDPOINT="http://127.0.0.1:9")
    assert said.startswith(
        "RunFailed: --push-to-hub somebody/cats: http://127.0.0.1:9 does not answer"
    )
