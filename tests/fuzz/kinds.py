"""The kinds of input: what each changes, and the commands that then read it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.fuzz import edits, tables
from tests.fuzz.workspace import Case, Workspace

Changed = Callable[[bytes], st.SearchStrategy[bytes]]
VOTE = ("vote", "spec.yaml", "--out", "../out")


@dataclass(frozen=True)
class Kind:
    """cases: of a workspace with these parts. quick: how many `make test` tries, by what one takes."""

    cases: Callable[[Workspace], st.SearchStrategy[Case]]
    quick: int
    parts: tuple[str, ...] = ("handed in",)


def _of_files(
    workspace: Workspace,
    paths: Iterable[str],
    changed: Changed,
    *commands: tuple[str, ...],
    only_reads: bool = True,
) -> st.SearchStrategy[Case]:
    """One of the files changed, and read by one of the commands; FILE in a command is its path."""

    def case(path: str, command: tuple[str, ...], content: bytes | None) -> Case:
        return Case(tuple(path if word == "FILE" else word for word in command), {path: content},
                    only_reads)  # fmt: skip

    return st.one_of(
        [
            st.builds(
                case, st.just(path), st.sampled_from(commands), changed(workspace.content(path))
            )
            for path in paths
        ]
    )


# -- specs and --set -------------------------------------------------------------------------------


def _specs(workspace: Workspace) -> st.SearchStrategy[Case]:
    """Read by commands that need no training code, most of them, so that there are many."""

    def case(content: bytes, command: tuple[str, ...]) -> Case:
        # what the photographs of a spec leave is of a run that none had
        return Case(command, {"given.yaml": content}, command[0] != "train-members")

    shipped = [path.read_bytes() for path in sorted(workspace.shipped.rglob("*.yaml"))]
    own = [workspace.content(f"{name}.yaml") for name in ("people", "spec", "pictures")]
    quick = st.sampled_from(
        [
            ("vote", "given.yaml", "--out", "../out", "--mode", "soft"),
            ("vote", "given.yaml", "--out", "../out", "--run", "runs/earlier"),
            ("leaderboard", "given.yaml"),
            ("leaderboard", "given.yaml", "--small"),
        ]
    )
    of_run = st.just(("vote", "given.yaml", "--out", "../out"))
    planned = st.just(("train-members", "given.yaml"))
    changed = st.one_of([edits.changed_yaml(content) for content in (*own, *shipped)])
    return st.one_of(
        st.builds(case, changed, quick),
        st.builds(case, changed, quick),
        st.builds(case, edits.changed_yaml(own[1]), of_run),
        st.builds(case, edits.changed_yaml(own[1]), planned),
    )


_KEYS = (
    "name", "data", "data.train", "data.test", "data.layout", "data.root", "data.columns", "data.repair",
    "data.bits", "data.copies", "folds", "folds.k", "folds.seed", "folds.scheme", "folds.file",
    "defaults", "defaults.lr", "defaults.image_size", "defaults.augmentation", "members", "members.all",
    "members.all.lr", "members.ages.targets", "members.0.lr", "members.nobody.lr", "members.all.seeds",
    "members.rest.milestones", "members.all.sampling", "members.ages.mixing.partners", "join", "join.of",
    "join.joined.of", "search", "search.space", "search.space.lr", "search.space.loss.choice",
    "search.candidates", "search.members", "search.asha.grace_epochs", "vote", "vote.mode", "vote.top",
    "vote.weights", "vote.ridge", "resources", "resources.gpus", "tracking", "small", "small.members",
    "", ".", "a..b", "members.", ".lr", "=", "members.all.lr.x", "vote.mode.x", "é", "members[0]", "0",
)  # fmt: skip


def _sets(workspace: Workspace) -> st.SearchStrategy[Case]:
    value = st.one_of(
        st.sampled_from(edits.RAW),
        edits.odd_values.map(lambda value: json.dumps(value, ensure_ascii=False)),
        edits.odd_values.map(str),
        st.text(max_size=10),
    )
    # the system hands over no command line with a NUL in it
    text = st.builds("{}={}".format, st.sampled_from(_KEYS), value).map(
        lambda t: t.replace("\0", "")
    )
    command = st.builds(
        lambda texts, small: ("leaderboard", "people.yaml", *small, *(f"--set={t}" for t in texts)),
        st.lists(st.one_of(text, text, text, st.text(max_size=8)), min_size=1, max_size=2),
        st.sampled_from(((), ("--small",))),
    )
    return command.map(lambda command: Case(_encodable(command), {}))


# the words that a right command line begins with
_BASES = (
    ("vote", "spec.yaml"), ("vote", "--run", "runs/earlier"), ("vote", "--tables", "tables"),
    ("vote", "--submissions", "handed_in/hard.csv", "handed_in/truth.csv", "--mode", "hard"),
    ("vote", "--submissions", "handed_in/soft.csv", "--mode", "soft"),
    ("leaderboard", "spec.yaml"), ("leaderboard", "--run", "runs/earlier"), ("leaderboard",),
    ("evaluate", "handed_in/soft.csv", "--truth", "handed_in/truth.csv"),
    ("compare", "handed_in/hard.csv", "handed_in/truth.csv"), ("train-members", "spec.yaml"),
    ("evaluate",), ("compare",), ("vote",), ("sample", "../out/people", "--profiles", "1"), ("prepare",),
)  # fmt: skip
_WORDS = (
    "", " ", "-", "--", "=", "--x", "-x", "0", "-1", "1", "2", "1e3", "nan", "inf", "-inf", "1e400", "x",
    "9" * 25, "1_0", "0x1", "a=1", "plain=1", "plain=nan", "plain=-1", "searched=1e400", "=1", "a=", ".",
    "..", "nowhere/x", "spec.yaml", "photos", "photos.csv", "handed_in/truth.csv", "runs/earlier", "runs",
    "tables", "a" * 300, "é", "\u202ex", "\x1b[31m", "\udcff", "a\nb", "soft", "weighted", "macro_f1",
    "macro_f1:age", "log_loss:", ":", "linear", "names", "new/n1.png", "ImageID", "ans", "../out/file",
)  # fmt: skip


def _arguments(workspace: Workspace) -> st.SearchStrategy[Case]:
    """Every option of every command with odd values. Not --address: that is of networks."""
    given: dict[str, list[str]] = {}
    for command, own in workspace.commands().items():
        flags = [flag for option in own for flag in option.opts if flag.startswith("--")]
        given[command] = [*(flag for flag in flags if flag != "--address"), "--help", "--no-such"]

    def cases(base: tuple[str, ...]) -> st.SearchStrategy[Case]:
        word = st.one_of(st.sampled_from(_WORDS), st.sampled_from(_WORDS), st.text(max_size=5))
        pair = st.one_of(
            st.tuples(st.sampled_from(given[base[0]]), word),
            st.tuples(st.sampled_from(given[base[0]]), word),
            st.tuples(st.sampled_from(given[base[0]])),
            st.tuples(word),
        )
        more = st.lists(pair, min_size=1, max_size=3).map(lambda pairs: sum(pairs, ()))
        return more.map(lambda words: Case(_encodable((*base, *words)), {}, only_reads=False))

    return st.one_of([cases(base) for base in _BASES])


def _encodable(command: tuple[str, ...]) -> tuple[str, ...]:
    clean = (word.encode(errors="replace").decode().replace("\0", "") for word in command)
    return tuple(word for word in clean)


# -- lists, tables, submissions --------------------------------------------------------------------


def _lists(workspace: Workspace) -> st.SearchStrategy[Case]:
    of_run = _of_files(
        workspace, ["photos.csv", "new.csv"], edits.changed_csv, ("check", "spec.yaml")
    )
    people = ["people/train/train.csv", "people/eval/info.csv", "corrections.csv", "folds.csv"]
    return st.one_of(
        of_run, _of_files(workspace, people, edits.changed_csv, ("check", "people.yaml"))
    )


def _truth(workspace: Workspace) -> st.SearchStrategy[Case]:
    return _of_files(
        workspace,
        ["handed_in/truth.csv"],
        edits.changed_csv,
        ("evaluate", "handed_in/hard.csv", "--truth", "FILE"),
        ("evaluate", "handed_in/table.parquet", "--truth", "FILE"),
        ("evaluate", "handed_in/soft.csv", "--truth", "FILE"),
        ("leaderboard", "spec.yaml", "--truth", "FILE"),
    )


def _tables(workspace: Workspace) -> st.SearchStrategy[Case]:
    paths = [f"tables/{m}/{k}.parquet" for m in ("plain", "searched") for k in ("oof", "test")]
    over = ("vote", "--tables", "tables", "--out", "../out")
    votes = _of_files(
        workspace, paths, tables.changed_table, (*over, "--mode", "soft"), (*over, "--mode", "hard"),
        (*over, "--mode", "weighted", "--objective", "macro_f1"), ("vote", "--tables", "tables", "--pareto"),
        (*over, "--mode", "soft", "--common-rows"), ("vote", "--tables", "tables", "--why", "new/n1.png"),
    )  # fmt: skip
    alone = _of_files(
        workspace, ["handed_in/table.parquet"], tables.changed_table,
        ("evaluate", "FILE", "--truth", "handed_in/truth.csv"), ("compare", "FILE", "handed_in/hard.csv"),
    )  # fmt: skip
    return st.one_of(votes, votes, votes, alone)


def _submissions(workspace: Workspace) -> st.SearchStrategy[Case]:
    commands = (
        (
            "vote",
            "--submissions",
            "FILE",
            "handed_in/hard.csv",
            "--mode",
            "hard",
            "--out",
            "../out",
        ),
        (
            "vote",
            "--submissions",
            "handed_in/soft.csv",
            "FILE",
            "--mode",
            "soft",
            "--out",
            "../out",
        ),
        ("evaluate", "FILE", "--truth", "handed_in/truth.csv"),
        ("compare", "FILE", "handed_in/truth.csv"),
        ("compare", "FILE", "FILE"),
        ("evaluate", "FILE", "--truth", "handed_in/truth.csv", "--id-column", "ImageID"),
    )
    folder = "handed_in"
    sheets = [f"{folder}/{name}.csv" for name in ("hard", "soft", "arrays")]
    return st.one_of(
        _of_files(workspace, sheets, edits.changed_csv, *commands),
        _of_files(
            workspace,
            [f"{folder}/semicolons.csv"],
            lambda content: edits.changed_csv(content, ";"),
            *commands,
        ),
        _of_files(
            workspace,
            [f"{folder}/records.json", f"{folder}/columns.json"],
            edits.changed_json,
            *commands,
        ),
        _of_files(workspace, [f"{folder}/table.parquet"], tables.changed_table, *commands),
        _of_files(workspace, [f"{folder}/soft.npy"], edits.changed_bytes, *commands),
    )


# -- weights, photographs --------------------------------------------------------------------------


def _weights(workspace: Workspace) -> st.SearchStrategy[Case]:
    from tests.fuzz.weights import changed_weights

    return st.one_of(
        [
            _of_files(
                workspace, [f"weights/{name}"], changed_weights, ("check", f"from-{name}.yaml")
            )
            for name in ("own.safetensors", "own.pth", "wrapped.pt", "old.pth.pt")
        ]
    )


def _photographs(workspace: Workspace) -> st.SearchStrategy[Case]:
    paths = [f"pictures/{path.name}" for path in (workspace.folder / "pictures").iterdir()]
    most = lambda content: edits.changed_bytes(content, most=6)  # noqa: E731
    return _of_files(
        workspace, sorted(paths), most, ("train-members", "pictures.yaml"), only_reads=False
    )


# -- run folders -----------------------------------------------------------------------------------

_READ_RUN = (
    (*VOTE, "--mode", "soft"),
    ("vote", "--out", "../out", "--mode", "soft"),
    ("leaderboard", "spec.yaml"),
    ("leaderboard", "--truth", "handed_in/truth.csv"),
    ("leaderboard", "--run", "runs/earlier"),
    ("evaluate", "runs/earlier/votes/soft/submission.csv", "--truth", "handed_in/truth.csv"),
    ("compare", "runs/earlier/votes/soft/submission.csv", "runs/earlier/votes/hard/submission.csv"),
)
_TRAIN = (
    ("train-members", "spec.yaml"),
    ("train-members", "with_interrupted.yaml"),
)
_CHANGED: dict[str, Changed] = {
    ".json": edits.changed_json,
    ".parquet": tables.changed_table,
    ".csv": edits.changed_csv,
    ".yaml": edits.changed_yaml,
    ".txt": edits.changed_bytes,
    "latest": edits.changed_bytes,
}


def _of_run(
    workspace: Workspace, *commands: tuple[str, ...], only_reads: bool
) -> st.SearchStrategy[Case]:
    """One of the files of a run changed, or missing."""
    found = []
    for path in sorted((workspace.folder / "runs").rglob("*")):
        name = str(path.relative_to(workspace.folder))
        for ending, change in _CHANGED.items():
            if name.endswith(ending):
                found.append(_of_files(workspace, [name], change, *commands, only_reads=only_reads))
                break
    missing = _of_files(
        workspace,
        sorted(
            str(p.relative_to(workspace.folder))
            for p in (workspace.folder / "runs").rglob("*")
            if p.is_file()
        ),
        lambda content: st.none(),
        *commands,
        only_reads=only_reads,
    )
    return st.one_of(*found, missing)


def _runs_read(workspace: Workspace) -> st.SearchStrategy[Case]:
    return _of_run(workspace, *_READ_RUN, only_reads=True)


def _runs_trained(workspace: Workspace) -> st.SearchStrategy[Case]:
    return _of_run(workspace, *_TRAIN, only_reads=False)


KINDS: dict[str, Kind] = {
    "submissions": Kind(_submissions, 100),
    "tables": Kind(_tables, 60),
    "truth": Kind(_truth, 40),
    "runs read": Kind(_runs_read, 60),
    "runs trained": Kind(_runs_trained, 30),
    "arguments": Kind(_arguments, 60),
    "sets": Kind(_sets, 40, ()),
    "specs": Kind(_specs, 40, ()),
    "lists": Kind(_lists, 40, ("people",)),
    "weights": Kind(_weights, 25, ("weights",)),
    "photographs": Kind(_photographs, 25, ("pictures",)),
}
