"""The votes of this project beside published ones: seconds, fitted and held-out scores.

    python benchmarks/voting.py                   # everything, about 20 minutes on one core
    python benchmarks/voting.py speed             # synthetic tables of 25 members
    python benchmarks/voting.py log_loss          # the exact optimum at three sizes
    python benchmarks/voting.py real              # real members of scikit-learn, five draws
    python benchmarks/voting.py real wine --seeds 20
    python benchmarks/voting.py tables runs/demo  # the OOF tables of a run, halved by group

AutoGluon and cma live in an environment of their own, data/venv-voting, made on the first call; the
script runs itself there, in one process with one BLAS thread. Times are CPU seconds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
PEERS = ROOT / "data" / "venv-voting"
PACKAGES = ["autogluon.core==1.6.3", "autogluon.common==1.6.3", "autogluon.features==1.6.3"]
# What is added to the features of scikit-learn's data sets, in standard deviations.
NOISE = {"digits": 1.6, "wine": 1.2, "breast_cancer": 1.5}
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


def in_peers_environment() -> bool:
    """Whether this process has the peers; else run again in one that has."""
    if Path(sys.prefix).resolve() == PEERS.resolve():
        return True
    python = PEERS / "bin" / "python"
    if not (PEERS / "installed").exists():
        venv.create(PEERS, with_pip=True, clear=True)
        site = next((PEERS / "lib").glob("python3*")) / "site-packages"
        # What the peers import otherwise (numpy, pandas, scikit-learn) is the project's own.
        own = [entry for entry in sys.path if entry.endswith("site-packages")]
        (site / "project.pth").write_text("\n".join(own) + "\n")
        command = [python, "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES, "cma==4.5.0"]
        subprocess.run(command, check=True)
        (PEERS / "installed").touch()
    environment = {**os.environ, **THREADS, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [python, __file__, *sys.argv[1:]]
    done = subprocess.run(command, env=environment, check=False)
    sys.exit(done.returncode)


def synthetic(n_members: int, n_rows: int, n_classes: int, seed: int, part: int = 0):
    """Members that see what can be known of a photograph, each with noise of its own.

    (M, N, K) float32 and (N,) labels. What can be known is itself uncertain; classes are uneven.
    Another `part` holds other photographs, seen by the same members.
    """
    import numpy as np

    ours, rng = np.random.default_rng(seed), np.random.default_rng([seed, part])
    prior = ours.dirichlet(np.full(n_classes, 2.0))
    known = rng.normal(size=(n_rows, n_classes)).astype(np.float32)
    known[np.arange(n_rows), rng.choice(n_classes, n_rows, p=prior)] += 6.3
    known += np.log(prior).astype(np.float32)
    chances = softmax(known)
    labels = (chances.cumsum(axis=1) > rng.random(n_rows)[:, None]).argmax(axis=1)
    members = np.empty((n_members, n_rows, n_classes), np.float32)
    for member in members:
        member[:] = rng.standard_normal(size=member.shape, dtype=np.float32)
        member *= ours.uniform(1.2, 2.2)
        member += known * ours.uniform(0.8, 1.1)
        member += ours.normal(scale=0.6, size=n_classes).astype(np.float32)
        member[:] = softmax(member * ours.uniform(0.6, 1.4))
    return members, labels


def softmax(logits):
    import numpy as np

    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def scikit_learn_members(name: str, seed: int):
    """Cross-fitted probabilities of 15 classifiers: OOF (M, N, K), labels, folds, test (M, T, K),
    test labels. Noise is added to the features so that there is something to be wrong about.
    """
    import warnings

    import numpy as np
    from sklearn import datasets
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, train_test_split
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    warnings.filterwarnings("ignore")
    found = getattr(datasets, f"load_{name}")()
    rng = np.random.default_rng(seed)
    x = StandardScaler().fit_transform(found.data)
    x += rng.normal(scale=NOISE[name], size=x.shape)
    y = found.target
    # uneven classes, as people's ages are
    x, y = _uneven(x, y, rng)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.4, stratify=y, random_state=seed)
    models = [
        LogisticRegression(C=0.01), LogisticRegression(C=1.0), LogisticRegression(C=100.0),
        GaussianNB(), LinearDiscriminantAnalysis(),
        KNeighborsClassifier(3), KNeighborsClassifier(15),
        DecisionTreeClassifier(max_depth=4, random_state=seed),
        DecisionTreeClassifier(max_depth=10, random_state=seed + 1),
        RandomForestClassifier(40, random_state=seed),
        RandomForestClassifier(40, max_depth=4, random_state=seed + 1),
        ExtraTreesClassifier(40, random_state=seed),
        ExtraTreesClassifier(40, max_depth=6, class_weight="balanced", random_state=seed + 1),
        MLPClassifier((16,), max_iter=60, random_state=seed),
        MLPClassifier((48,), max_iter=60, alpha=1.0, random_state=seed + 1),
    ]  # fmt: skip
    n_classes = len(np.unique(y))
    oof = np.zeros((len(models), len(y), n_classes), np.float32)
    test = np.zeros((len(models), len(y_test), n_classes), np.float32)
    folds = np.empty(len(y), int)
    splits = StratifiedKFold(5, shuffle=True, random_state=seed).split(x, y)
    for fold, (inside, outside) in enumerate(splits):
        folds[outside] = fold
        for j, model in enumerate(models):
            fitted = make_pipeline(StandardScaler(), model).fit(x[inside], y[inside])
            oof[j, outside] = fitted.predict_proba(x[outside])
            test[j] += fitted.predict_proba(x_test) / 5
    return oof, y, folds, test, y_test


def _uneven(x, y, rng):
    """Every second class keeps a third of its rows."""
    import numpy as np

    rare = np.isin(y, np.unique(y)[1::2])
    kept = ~rare | (rng.random(len(y)) < 0.35)
    return x[kept], y[kept]


def gate_vote(members, labels, folds, groups=None):
    from ensembles import gate
    from ensembles.stack import stack

    choice = gate.choose(stack(members, labels), folds, groups)
    return choice.rule, choice.name


def fixed_vote(objective: str):
    def fit(members, labels, folds, groups=None):
        from ensembles import fit_weights
        from ensembles.pools import Rule

        found = fit_weights(members, labels, objective)
        return Rule(found.weights), "" if found.gap is None else f"gap {found.gap:.0e}"

    return fit


def greedy_vote(size: int):
    def fit(members, labels, folds, groups=None):
        from ensembles.greedy import greedy_weights
        from ensembles.pools import Rule
        from ensembles.stack import stack

        return Rule(greedy_weights(stack(members, labels), "macro_f1", size)[0]), ""

    return fit


def autogluon_vote(size: int):
    def fit(members, labels, folds, groups=None):
        from autogluon.core.metrics import get_metric
        from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

        from ensembles.pools import Rule

        metric = get_metric("f1_macro", "multiclass")
        peer = EnsembleSelection(size, "multiclass", metric, tie_breaker="second_metric")
        return Rule(peer.fit(list(members), labels).weights_), ""

    return fit


def slsqp_vote(with_gradient: bool):
    def fit(members, labels, folds, groups=None):
        import numpy as np
        from scipy.optimize import minimize

        from ensembles.pools import Rule
        from ensembles.simplex import certified_gap, true_class_probabilities

        true = true_class_probabilities(members, labels)
        n_members, n_rows = true.shape
        found = minimize(
            lambda w: -np.log(np.maximum(w @ true, 1e-300)).mean(),
            np.full(n_members, 1 / n_members),
            jac=(lambda w: -(true @ (1 / (w @ true))) / n_rows) if with_gradient else None,
            bounds=[(0, 1)] * n_members,
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        )
        weights = np.maximum(found.x, 0)
        return Rule(
            weights / weights.sum()
        ), f"gap {certified_gap(weights / weights.sum(), true):.0e}"

    return fit


def cma_vote(members, labels, folds, groups=None):
    import warnings

    import cma
    import numpy as np

    from ensembles import metrics, vote
    from ensembles.pools import Rule

    warnings.filterwarnings("ignore")
    n_members, n_classes = len(members), members.shape[2]

    def loss(x):
        weights = abs(x) + 1e-12
        mixed = vote.weighted(members, weights)
        return -metrics.macro_f1(labels, mixed.argmax(axis=1), n_classes)

    options = {"seed": 1, "verbose": -9, "maxfevals": 40 * n_members}
    best = cma.fmin2(loss, np.full(n_members, 1 / n_members), 0.2, options)[0]
    return Rule(abs(best) / abs(best).sum()), ""


def uniform_vote(members, labels, folds, groups=None):
    import numpy as np

    from ensembles.pools import Rule

    return Rule(np.full(len(members), 1 / len(members))), ""


def single_vote(members, labels, folds, groups=None):
    import numpy as np

    from ensembles.pools import Rule
    from ensembles.stack import stack
    from ensembles.weights import best_member

    return Rule(np.eye(len(members))[best_member(stack(members, labels), "macro_f1")]), ""


METHODS = {
    "gate (ours)": gate_vote,
    "log-loss (ours)": fixed_vote("log_loss"),
    "macro F1 (ours)": fixed_vote("macro_f1"),
    "greedy T=25 (ours)": greedy_vote(25),
    "greedy T=100 (ours)": greedy_vote(100),
    "AutoGluon T=25": autogluon_vote(25),
    "AutoGluon T=100": autogluon_vote(100),
    "SLSQP, gradient": slsqp_vote(True),
    "SLSQP, none": slsqp_vote(False),
    "CMA-ES": cma_vote,
    "uniform": uniform_vote,
    "best single": single_vote,
}
AGAINST = "AutoGluon T=25"


def measure(name: str, draws: list, methods: list[str]) -> None:
    """draws: a list of (OOF, labels, folds, groups, test, test labels). Prints one table."""
    import numpy as np

    from ensembles import metrics

    print(f"\n{name}, {len(draws)} draws")
    head = ("", "CPU s", "F1 OOF", "F1 held out", "log-loss h.o.", "used")
    print(f"{head[0]:<22}{head[1]:>9}{head[2]:>9}{head[3]:>13}{head[4]:>15}{head[5]:>6}  note")
    found = {}
    for method in methods:
        rows, notes = [], []
        for oof, labels, folds, groups, test, test_labels in draws:
            started = time.process_time()
            rule, note = METHODS[method](oof, labels, folds, groups)
            seconds = time.process_time() - started
            inside = metrics.scores(labels, rule.apply(oof))
            outside = metrics.scores(test_labels, rule.apply(test))
            used = int((abs(rule.weights) > 1e-6).sum())
            rows.append(
                (seconds, inside["macro_f1"], outside["macro_f1"], outside["log_loss"], used)
            )
            notes.append(note)
        found[method] = np.array(rows)
        middle = np.median(rows, axis=0)[0], *np.mean(rows, axis=0)[1:]
        shown = "{:>9.3f}{:>9.4f}{:>13.4f}{:>15.4f}{:>6.0f}".format(*middle)
        print(f"{method:<22}{shown}  {', '.join(sorted(set(notes)))}", flush=True)
    if AGAINST not in found:
        return
    from scipy.stats import t

    for method in [m for m in methods if "ours" in m]:
        parts = []
        for column, what in ((2, "F1"), (3, "log-loss")):
            difference = found[method][:, column] - found[AGAINST][:, column]
            n = len(difference)
            half = t.ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
            parts.append(f"{what} {difference.mean():+.4f} ± {half:.4f}")
        ratio = np.median(found[AGAINST][:, 0]) / np.median(found[method][:, 0])
        print(f"  {method} against {AGAINST}: {', '.join(parts)}, {ratio:.1f} times as fast")


def speed() -> None:
    import numpy as np

    draws = []
    for seed in range(5):
        members, labels = synthetic(25, 2 * 18_900, 18, seed)
        first = np.arange(18_900)
        half = members[:, 18_900:], labels[18_900:]
        oof = np.ascontiguousarray(members[:, :18_900])
        draws.append((oof, labels[first], first % 5, None, *half))
    quick = [m for m in METHODS if m not in ("CMA-ES", "gate (ours)", "AutoGluon T=100")]
    measure("synthetic, 25 members x 18,900 rows x 18 classes", draws, quick)
    slow = ["gate (ours)", "AutoGluon T=100", "CMA-ES", AGAINST]
    measure("the same, one draw", draws[:1], slow)


def log_loss_only(n_members: int, n_rows: int) -> None:
    """Seconds and gap of ours and SLSQP on the true classes' probabilities alone."""
    import numpy as np
    from scipy.optimize import minimize

    from ensembles.simplex import certified_gap, log_loss_weights, true_class_probabilities

    true = np.empty((n_members, n_rows))
    for begin in range(0, n_rows, 20_000):
        rows = slice(begin, min(begin + 20_000, n_rows))
        part, labels = synthetic(n_members, rows.stop - begin, 18, 0, begin)
        true[:, rows] = true_class_probabilities(part, labels)
    started = time.process_time()
    fit = log_loss_weights(true)
    ours = time.process_time() - started
    print(f"\nlog-loss alone, {n_members} members x {n_rows:,} rows")
    used = int((fit.weights > 0).sum())
    print(f"{'ours':<22}{ours:>9.3f} s  gap {certified_gap(fit.weights, true):.0e}, {used} used")
    steps, started = 0, time.process_time()

    class Enough(Exception):
        pass

    def gradient(w):
        nonlocal steps
        steps += 1
        if time.process_time() - started > 60:
            raise Enough
        return -(true @ (1 / (w @ true))) / n_rows

    try:
        peer = minimize(
            lambda w: -np.log(w @ true).mean(), np.full(n_members, 1 / n_members), jac=gradient,
            bounds=[(0, 1)] * n_members, method="SLSQP",
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-12, "maxiter": 1000},
        )  # fmt: skip
        weights = np.maximum(peer.x, 0) / np.maximum(peer.x, 0).sum()
        end = f"gap {certified_gap(weights, true):.0e}"
    except Enough:
        end = f"stopped after {steps} steps"
    theirs = time.process_time() - started
    print(f"{'SLSQP, gradient':<22}{theirs:>9.3f} s  {end}; {theirs / ours:.1f} times ours")


def real(names: list[str], n_seeds: int) -> None:
    for name in names:
        draws = []
        for seed in range(n_seeds):
            oof, labels, folds, test, test_labels = scikit_learn_members(name, seed)
            draws.append((oof, labels, folds, None, test, test_labels))
        n_rows = len(draws[0][1])
        methods = [m for m in METHODS if m != "SLSQP, none"]
        measure(f"scikit-learn's {name}, 15 members x {n_rows} OOF rows", draws, methods)


def run_tables(folder: str, n_seeds: int) -> None:
    """The OOF tables of a run: fitted on half of the groups, scored on the other half."""
    import numpy as np
    import pyarrow.parquet as pq

    from ensembles import align, read_members

    oof = align(read_members(f"{folder}/tables", "oof"), "oof")
    first = next(iter(oof.values()))
    images = pq.read_table(f"{folder}/images.parquet", columns=["image_id", "group"]).to_pydict()
    group_of = dict(zip(images["image_id"], images["group"], strict=True))
    groups = np.unique([str(group_of[i]) for i in first.ids], return_inverse=True)[1]
    members = np.stack([table.probabilities for table in oof.values()])
    draws = []
    for seed in range(n_seeds):
        fitted = np.random.default_rng(seed).permutation(groups.max() + 1) % 2 == 0
        inside, outside = np.flatnonzero(fitted[groups]), np.flatnonzero(~fitted[groups])
        labels = first.label.astype(int)
        draws.append(
            (
                np.take(members, inside, axis=1), labels[inside], first.fold[inside],
                groups[inside], np.take(members, outside, axis=1), labels[outside],
            )
        )  # fmt: skip
    measure(f"{folder}, {len(oof)} members x {len(draws[0][1])} OOF rows", draws, list(METHODS))


def main() -> None:
    arguments = sys.argv[1:]
    n_seeds = 5
    if "--seeds" in arguments:
        at = arguments.index("--seeds")
        n_seeds = int(arguments[at + 1])
        del arguments[at : at + 2]
    what, *folders = arguments or ["all"]
    if what in ("all", "speed"):
        speed()
    if what in ("all", "log_loss"):
        for n_members, n_rows in ((25, 18_900), (200, 18_900), (50, 1_000_000)):
            log_loss_only(n_members, n_rows)
    if what in ("all", "real"):
        real(folders or list(NOISE), n_seeds)
    if what == "all":
        folders = [f"runs/{name}" for name in ("demo", "elpv") if Path(f"runs/{name}").exists()]
    if what in ("all", "tables"):
        for folder in folders:
            run_tables(folder, n_seeds)


if __name__ == "__main__" and in_peers_environment():
    main()
