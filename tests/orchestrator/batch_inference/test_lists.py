"""A list of photographs is asked about block by block, and what was answered is not asked again."""

from __future__ import annotations

import csv
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ensembles import Table, read_table, write_table
from ensembles.files import parquet
from orchestrator.batch_inference import run
from orchestrator.batch_inference.blocks import Block, divided, ensemble_digest
from orchestrator.batch_inference.kept import Kept
from orchestrator.batch_inference.run import Outcome, answer_list, here
from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.inference import ensemble as ensembles
from orchestrator.inference.ensemble import Ensemble
from orchestrator.inference.parts import Trained
from orchestrator.inference.photos import Photo
from tests.orchestrator.batch_inference.small import ensemble, photos

BROKEN = (3, 17)
N = 23  # in blocks of five: the last has three


class Killed(BaseException):
    """As when the process ends."""


@pytest.fixture(autouse=True)
def _blocks_of_five(monkeypatch):
    monkeypatch.setattr(ensembles, "BLOCK_PHOTOS", 5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Trained:
    return ensemble(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def listed(tmp_path_factory) -> list[Photo]:
    return photos(tmp_path_factory.mktemp("photos"), N, BROKEN)


@pytest.fixture
def ask(trained, tmp_path) -> Callable[..., tuple[Outcome, list[int]]]:
    """Ask about a list: what came of it, and which blocks were asked about; `after` so many, killed."""

    def ask(
        listed: Sequence[Photo],
        trained: Trained = trained,
        after: int | None = None,
        order: Callable[[list[Block]], list[Block]] = list,
        **how,
    ) -> tuple[Outcome, list[int]]:
        asked: list[int] = []
        whole = here(Ensemble(trained, "cpu"), how.get("tables", False))

        def engine(blocks):
            for block in order(list(blocks)):
                if len(asked) == after:
                    raise Killed
                asked.append(block.number)
                yield from whole([block])

        engine.asked = asked
        return answer_list(listed, trained, str(tmp_path / "out"), engine, **how), asked

    return ask


def written(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("out*") if f.is_file()}


def test_the_answers_are_those_of_one_call_in_the_order_of_the_list(ask, trained, listed, tmp_path):
    outcome, asked = ask(listed, tables=True)
    whole = Ensemble(trained, "cpu").answers([own.place for own in listed], tables=True)
    good = [own.id for i, own in enumerate(listed) if i not in BROKEN]
    table = read_table(tmp_path / "out.parquet")
    assert table.ids.tolist() == good
    np.testing.assert_array_equal(table.probabilities, whole.probabilities)
    for name in ("small", "large"):
        own = read_table(tmp_path / f"out-members/{name}/test.parquet")
        np.testing.assert_array_equal(own.probabilities, whole.tables[name])
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == [own.id for own in listed]
    assert [i for i, row in enumerate(rows) if row["problem"]] == list(BROKEN)
    best = np.array(trained.classes)[whole.probabilities.argmax(axis=1)]
    assert [row["answer"] for row in rows if row["answer"]] == best.tolist()
    assert asked == [0, 1, 2, 3, 4]
    assert outcome.n == N
    assert outcome.counts == {
        name: int((best == name).sum()) for name in trained.classes if (best == name).any()
    }
    assert list(outcome.problems) == [listed[i].id for i in BROKEN]
    assert table.meta["problems"] == outcome.problems


def test_blocks_may_end_in_any_order(ask, listed, tmp_path):
    ask(listed)
    first = written(tmp_path)
    ask(listed, order=lambda blocks: blocks[::-1])
    assert written(tmp_path) == first


@pytest.mark.parametrize("after", range(5))
def test_killed_and_called_again_it_asks_about_what_is_missing(ask, listed, tmp_path, after):
    ask(listed, tables=True)
    whole = written(tmp_path)
    for file in whole:
        (tmp_path / file).unlink()
    with pytest.raises(Killed):
        ask(listed, after=after, tables=True)
    assert written(tmp_path) == {}
    seen: list[tuple[int, ...]] = []
    outcome, asked = ask(listed, tables=True, progress=lambda *how: seen.append(how))
    assert asked == list(range(after, 5))
    assert outcome.before == 5 * after
    assert seen == [(min(N, 5 * n), 5 * after, N) for n in range(after, 6)]
    assert written(tmp_path) == whole
    assert not (tmp_path / "out.blocks").exists()


def test_files_of_others_in_the_folder_of_blocks_stay(ask, listed, tmp_path):
    (tmp_path / "out.blocks/more").mkdir(parents=True)
    (tmp_path / "out.blocks/notes.txt").write_text("mine")
    (tmp_path / "out.blocks/table.parquet").write_text("mine")
    ask(listed)
    left = sorted(path.name for path in (tmp_path / "out.blocks").iterdir())
    assert left == ["more", "notes.txt", "table.parquet"]


def test_a_damaged_block_is_asked_about_again(ask, trained, listed, tmp_path):
    with pytest.raises(Killed):
        ask(listed, after=4)
    blocks, kept = divided(listed, trained), Kept(str(tmp_path / "out"))
    flipped = bytearray(Path(kept.place(blocks[1])).read_bytes())
    flipped[40] ^= 1
    Path(kept.place(blocks[1])).write_bytes(flipped)
    Path(kept.place(blocks[2])).write_bytes(b"")
    Path(kept.place(blocks[3])).write_bytes(Path(kept.place(blocks[0])).read_bytes())
    assert ask(listed)[1] == [1, 2, 3, 4]


def another_id(listed, trained):
    return [*listed[:7], Photo("another", listed[7].place), *listed[8:]], trained


def another_place(listed, trained):
    return [*listed[:7], Photo(listed[7].id, listed[0].place), *listed[8:]], trained


def the_first_left_out(listed, trained):
    return listed[1:], trained


def another_vote(listed, trained):
    return listed, replace(trained, rule=replace(trained.rule, weights=np.array([0.5, 0.5])))


def another_temperature(listed, trained):
    return listed, replace(trained, rule=replace(trained.rule, temperature=2.0))


def another_network(listed, trained):
    first, second = trained.members
    fewer = replace(first, networks=first.networks[:1])
    return listed, replace(trained, members=(fewer, second))


def other_weights(listed, trained):
    return listed, ensemble(Path(trained.place), seed=1)


@pytest.mark.parametrize(
    ("change", "kept"),
    [(another_id, 4), (another_place, 4), (the_first_left_out, 0), (another_vote, 0),
     (another_temperature, 0), (another_network, 0), (other_weights, 0)],
)  # fmt: skip
def test_what_is_kept_of_something_else_is_not_used(ask, trained, listed, tmp_path, change, kept):
    given, changed = change(listed, trained)
    ask(given, changed)
    expected = written(tmp_path)
    with pytest.raises(Killed):  # all is kept, but the files are not written
        ask(listed, progress=lambda done, *_: _killed_at_the_end(done, N))
    _, asked = ask(given, changed)
    assert len(divided(given, changed)) - len(asked) == kept
    assert written(tmp_path) == expected


def _killed_at_the_end(done: int, total: int) -> None:
    if done == total:
        raise Killed


def test_a_photograph_that_was_replaced_is_asked_about_again(ask, tmp_path):
    (tmp_path / "photos").mkdir()
    listed = photos(tmp_path / "photos", N)
    with pytest.raises(Killed):
        ask(listed, progress=lambda done, *_: _killed_at_the_end(done, N))
    os.utime(listed[12].place, ns=(1, 1))
    assert ask(listed)[1] == [2]


def test_a_list_that_grew_keeps_its_whole_blocks(ask, listed):
    with pytest.raises(Killed):
        ask(listed[:-1], progress=lambda done, *_: _killed_at_the_end(done, N - 1))
    assert ask(listed)[1] == [4]


def test_where_no_photograph_can_be_read_there_is_no_table(ask, listed, tmp_path):
    outcome, _ = ask([listed[i] for i in BROKEN], tables=True)
    assert [Path(own).name for own in outcome.files] == ["out.csv"]
    assert not (tmp_path / "out.parquet").exists()
    assert (outcome.counts, len(outcome.problems)) == ({}, 2)


def test_a_second_command_with_the_same_answers_is_refused(ask, listed, tmp_path):
    code = (
        "import sys; from orchestrator.batch_inference.kept import Kept\n"
        "with Kept(sys.argv[1]).alone(): print('alone', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "out"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3],
    ) as other:  # fmt: skip
        assert other.stdout
        assert other.stdout.readline() == b"alone\n"
        with pytest.raises(WrongRequest, match=r"another command writes these answers now"):
            ask(listed)
        other.kill()
    assert ask(listed)[0].n == N  # a lock that a killed command held is free


def test_a_block_that_is_deleted_before_the_end_fails_the_command(ask, trained, listed, tmp_path):
    first = divided(listed, trained)[0]

    def delete(done: int, before: int, total: int) -> None:
        if done == total:
            Path(Kept(str(tmp_path / "out")).place(first)).unlink()

    with pytest.raises(RunFailed, match=rf"{first.digest}.*Call it again"):
        ask(listed, progress=delete)
    assert written(tmp_path) == {}
    assert ask(listed)[1] == [0]


def test_the_digest_is_the_same_in_another_process(trained):
    code = (
        "import pickle, sys; from orchestrator.batch_inference.blocks import ensemble_digest\n"
        "print(ensemble_digest(pickle.load(sys.stdin.buffer)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(trained), capture_output=True, check=True, cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert done.stdout.decode().strip() == ensemble_digest(trained)


def test_a_table_written_in_parts_is_the_table_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 2048)
    rng = np.random.default_rng(1)
    n = 5000
    ids = np.array([f"{i}.jpg" for i in range(n)], object)
    table = Table(ids, rng.dirichlet(np.ones(4), n).astype(np.float32), meta={"member": "m"})
    write_table(tmp_path / "once.parquet", table)
    with parquet.writing_table(tmp_path / "parts.parquet", table.meta, 4) as add:
        for start in range(0, n, 700):
            add(table.take(np.arange(start, min(n, start + 700))))
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "once.parquet").read_bytes()
    groups = pq.ParquetFile(tmp_path / "parts.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(3)] == [2048, 2048, 904]


def test_run_is_imported_without_ray_or_torch():
    code = f"import sys, {run.__name__}; sys.exit('ray' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
