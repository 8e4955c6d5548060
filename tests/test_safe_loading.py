"""Nothing that a file holds is run: read from every call in the packages, the benchmarks and docs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    file
    for folder in ("members", "ensembles", "orchestrator", "benchmarks", "docs")
    for file in (ROOT / folder).rglob("*.py")
)
# what runs code that a file or a text holds
FORBIDDEN = {
    *("eval", "exec", "compile", "__import__"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load"),
    *("pd.read_pickle", "pandas.read_pickle", "torch.jit.load", "torch.hub.load", "torch.package"),
}
MODULES = {"marshal", "shelve", "dill", "cloudpickle", "joblib"}
# call -> the keyword that makes it safe, and its value
SAFE = {
    "torch.load": ("weights_only", True),
    "timm.models.load_state_dict": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """The dotted name of everything that is called, and the call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def unsafe(source: str) -> list[str]:
    """What a source calls or imports that may run what it reads."""
    tree, found = ast.parse(source), []
    for name, call in calls(tree):
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name in FORBIDDEN or given.get("shell", "False") != "False":
            found.append(f"line {call.lineno}: {name}")
        if name in SAFE and given.get(SAFE[name][0]) != str(SAFE[name][1]):
            found.append(f"line {call.lineno}: {name} without {SAFE[name][0]}={SAFE[name][1]}")
        if name.startswith("yaml.") and "Loader" in given and given["Loader"] != "_Loader":
            found.append(f"line {call.lineno}: {name} with {given['Loader']}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            if (module or "").partition(".")[0] in MODULES:
                found.append(f"line {node.lineno}: import {module}")
            # `from torch import load` would hide the name that is looked for here
            hidden = {f"{module}.{own.name}" for own in node.names} & {*FORBIDDEN, *SAFE}
            if isinstance(node, ast.ImportFrom) and hidden:
                found.append(f"line {node.lineno}: {hidden}")
    return found


@pytest.mark.fault(
    "any file that is loaded holds code",
    "no call in the packages runs it: `weights_only=True`, no pickles, plain YAML",
)
@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_that_is_read_is_run(file):
    assert unsafe(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch.load(file)",
        "torch.load(file, weights_only=False)",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "yaml.load(text)",
        "yaml.compose(text, Loader=yaml.Loader)",
        "pickle.loads(content)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "from torch import load",
        "from joblib import load",
        "timm.models.load_state_dict(path)",
    ],
)
def test_what_would_run_it_is_found(source):
    assert unsafe(source)


def test_the_loader_of_specs_constructs_nothing_but_plain_values():
    import yaml

    from orchestrator.spec.yaml_lines import _Loader

    assert issubclass(_Loader, yaml.SafeLoader)
    assert _Loader.yaml_constructors == yaml.SafeLoader.yaml_constructors
    assert not any("python" in str(tag) for tag in _Loader.yaml_constructors)
