import ast
from pathlib import Path

import pytest

import ensembles


def test_every_public_name_is_there():
    assert all(callable(getattr(ensembles, name)) for name in ensembles.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ensembles.nothing


def test_type_checkers_see_each_public_name_where_it_is_imported_from():
    tree = ast.parse(Path(ensembles.__file__).read_text())
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(typed.test) == "TYPE_CHECKING"
    found = {
        alias.asname: f"{node.module}.{alias.name}" for node in typed.body for alias in node.names
    }
    assert found == {name: f"ensembles.{home}.{name}" for name, home in ensembles._HOME.items()}
