import pytest


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a spec into a folder below the working folder; its path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()

    def write(text: str, space: str = "", **files: str):
        for name, content in files.items():
            name = name.replace("__", "/").replace("_json", ".json")
            (tmp_path / name).write_text(content)
        path = tmp_path / "specs/spec.yaml"
        path.write_text(text.replace("SPACE", space))
        return path

    return write
