"""What a run folder says of itself: its spec, its photographs' files, and which belong together."""

from __future__ import annotations

from pyarrow import types

from ensembles.errors import reads
from ensembles.files import places
from ensembles.files.digests import require_right
from orchestrator.errors import WrongRequest
from orchestrator.runs.damage import read_recorded
from orchestrator.runs.store import Store
from orchestrator.spec.load import load_recorded
from orchestrator.spec.spec import Spec


def recorded_spec(store: Store) -> Spec:
    """The spec that the run was trained by, searched settings filled in. Raises WrongRequest."""
    try:
        text = read_recorded("spec.yaml", store).decode()
    except FileNotFoundError:
        raise WrongRequest(f"{store.root} is no run folder: it has no spec.yaml") from None
    except UnicodeDecodeError as error:
        raise WrongRequest(
            f"{store.uri('spec.yaml')}: damaged, no text ({error}). train-members makes it again."
        ) from None
    return load_recorded(text, store.uri("spec.yaml"))


def groups_of(store: Store) -> dict[str, str] | None:
    """image id -> group, where the run has them: rows of a person err together."""
    if not store.exists("images.parquet"):
        return None
    return _read_groups(store.uri("images.parquet"))


@reads("the images.parquet of a run, which train-members makes again")
def _read_groups(place: str) -> dict[str, str]:
    require_right(place)
    table = places.read_parquet(place)
    problems = [
        f"{place}: `{name}` must stand there once and be text, without nulls. train-members makes this "
        "file again."
        for name in ("image_id", "group")
        if table.column_names.count(name) != 1
        or not (types.is_string(table[name].type) or types.is_large_string(table[name].type))
        or table[name].null_count
    ]
    if problems:
        raise WrongRequest(problems)
    return dict(zip(table["image_id"].to_pylist(), table["group"].to_pylist(), strict=True))


def paths_of(store: Store, table: str) -> dict[str, str]:
    """Image id -> its file, of `images` or `test`; {} where the run has no such table of photographs."""
    if not store.exists(f"{table}.parquet"):
        return {}
    return _read_paths(store.uri(f"{table}.parquet"))


@reads("a table of photographs of a run, which train-members makes again")
def _read_paths(place: str) -> dict[str, str]:
    require_right(place)
    table = places.read_parquet(place)
    if not {"image_id", "path"} <= set(table.column_names):
        return {}
    return dict(zip(table["image_id"].to_pylist(), table["path"].to_pylist(), strict=True))
