"""A spec with some of its text changed, read or refused."""

from __future__ import annotations

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.spec import load
from orchestrator.spec.spec import Spec


class Changed:
    """Of the text of a spec, in which each change (old, new) must find what it replaces."""

    def __init__(self, text: str):
        self.text = text

    def read(self, tmp_path, *changes: tuple[str, str], **how) -> Spec:
        text = self.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "spec.yaml").write_text(text)
        return load(tmp_path / "spec.yaml", **how)

    def refused(self, tmp_path, *changes: tuple[str, str], **how) -> list[str]:
        """The problems, without the folder."""
        with pytest.raises(WrongRequest) as caught:
            self.read(tmp_path, *changes, **how)
        return [problem.removeprefix(f"{tmp_path}/") for problem in caught.value.problems]
