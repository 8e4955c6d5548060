"""The votes of this project beside published ones: seconds, fitted and held-out scores.

    python benchmarks/voting.py                   # everything, about 20 minutes on one core
    python benchmarks/voting.py speed             # synthetic tables of 25 members
    python benchmarks/voting.py log_loss          # the exact optimum at three sizes
    python benchmarks/voting.py scikit_learn wine --seeds 20   # its members, noise added
    python benchmarks/voting.py tables runs/demo  # the OOF tables of a run, halved by group
    python benchmarks/voting.py real --tables FOLDER  # 45 sets of benchmarks/table_sets.py (--help)

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


def gate_vote(members, labels, folds, groups=None):
    from ensembles.voting import gate
    from ensembles.weights.stack import stack_members

    choice = gate.choose(stack_members(members, labels), folds, groups)
    return choice.rule, choice.name


def fixed_vote(objective: str):
    def fit(members, labels, folds, groups=None):
        from ensembles import fit_weights
        from ensembles.rules.pools import Rule

        found = fit_weights(members, labels, objective)
        return Rule(found.weights), "" if found.gap is None else f"gap {found.gap:.0e}"

    return fit


def greedy_vote(size: int):
    def fit(members, labels, folds, groups=None):
        from ensembles.rules.pools import Rule
        from ensembles.weights.greedy import greedy_weights
        from ensembles.weights.stack import stack_members

        return Rule(greedy_weights(stack_members(members, labels), "macro_f1", size)[0]), ""

    return fit


def autogluon_vote(size: int):
    def fit(members, labels, folds, groups=None):
        from autogluon.core.metrics import get_metric
        from autogluon.core.models.greedy_ensemble.ensemble_selection import EnsembleSelection

        from ensembles.rules.pools import Rule

        metric = get_metric("f1_macro", "multiclass")
        peer = EnsembleSelection(size, "multiclass", metric, tie_breaker="second_metric")
        return Rule(peer.fit(list(members), labels).weights_), ""

    return fit


def slsqp_vote(with_gradient: bool):
    def fit(members, labels, folds, groups=None):
        import numpy as np
        from scipy.optimize import minimize

        from ensembles.rules.pools import Rule
        from ensembles.weights.simplex import certified_gap
        from ensembles.weights.stack import true_class_probabilities

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

    from ensembles.rules import votes
    from ensembles.rules.pools import Rule
    from ensembles.scores import scorers

    warnings.filterwarnings("ignore")
    n_members, n_classes = len(members), members.shape[2]

    def loss(x):
        weights = abs(x) + 1e-12
        mixed = votes.weighted(members, weights)
        return -scorers.macro_f1(labels, mixed.argmax(axis=1), n_classes)

    options = {"seed": 1, "verbose": -9, "maxfevals": 40 * n_members}
    best = cma.fmin2(loss, np.full(n_members, 1 / n_members), 0.2, options)[0]
    return Rule(abs(best) / abs(best).sum()), ""


def uniform_vote(members, labels, folds, groups=None):
    import numpy as np

    from ensembles.rules.pools import Rule

    return Rule(np.full(len(members), 1 / len(members))), ""


def single_vote(members, labels, folds, groups=None):
    import numpy as np

    from ensembles.rules.pools import Rule
    from ensembles.weights.fit import best_member
    from ensembles.weights.stack import stack_members

    return Rule(np.eye(len(members))[best_member(stack_members(members, labels), "macro_f1")]), ""


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

    from ensembles.scores import metrics

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
            inside = metrics.score_all(labels, rule.apply(oof))
            outside = metrics.score_all(test_labels, rule.apply(test))
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
    from benchmarks.voting_tables import of_noisy_members

    draws = [of_noisy_members(25, 18_900, 18, seed) for seed in range(5)]
    quick = [m for m in METHODS if m not in ("CMA-ES", "gate (ours)", "AutoGluon T=100")]
    measure("synthetic, 25 members x 18,900 rows x 18 classes", draws, quick)
    slow = ["gate (ours)", "AutoGluon T=100", "CMA-ES", AGAINST]
    measure("the same, one draw", draws[:1], slow)


def log_loss_only(n_members: int, n_rows: int) -> None:
    """Seconds and gap of ours and SLSQP on the true classes' probabilities alone."""
    import numpy as np
    from scipy.optimize import minimize

    from benchmarks.voting_tables import noisy_members
    from ensembles.weights.simplex import certified_gap, log_loss_weights
    from ensembles.weights.stack import true_class_probabilities

    true = np.empty((n_members, n_rows))
    for begin in range(0, n_rows, 20_000):
        rows = slice(begin, min(begin + 20_000, n_rows))
        part, labels = noisy_members(n_members, rows.stop - begin, 18, 0, begin)
        true[:, rows] = true_class_probabilities(part, labels)

    class Enough(Exception):
        pass

    def slsqp():
        steps, started = 0, time.process_time()

        def gradient(w):
            nonlocal steps
            steps += 1
            if time.process_time() - started > 60:
                raise Enough(f"stopped after {steps} steps")
            return -(true @ (1 / (w @ true))) / n_rows

        found = minimize(
            lambda w: -np.log(w @ true).mean(), np.full(n_members, 1 / n_members), jac=gradient,
            bounds=[(0, 1)] * n_members, method="SLSQP",
            constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
            options={"ftol": 1e-12, "maxiter": 1000},
        )  # fmt: skip
        return np.maximum(found.x, 0) / np.maximum(found.x, 0).sum()

    def median_of_three(fit):
        seconds = []
        for _ in range(3):
            started = time.process_time()
            weights = fit()
            seconds.append(time.process_time() - started)
        return sorted(seconds)[1], certified_gap(weights, true), int((weights > 0).sum())

    print(f"\nlog-loss alone, {n_members} members x {n_rows:,} rows, median of three")
    ours, gap, used = median_of_three(lambda: log_loss_weights(true).weights)
    print(f"{'ours':<22}{ours:>9.3f} s  gap {gap:.0e}, {used} used")
    try:
        theirs, gap, used = median_of_three(slsqp)
    except Enough as stop:
        print(f"{'SLSQP, gradient':<22}{stop}")
        return
    print(f"{'SLSQP, gradient':<22}{theirs:>9.3f} s  gap {gap:.0e}; {theirs / ours:.1f} times ours")
    ours, gap, used = median_of_three(lambda: log_loss_weights(true, gap).weights)
    print(
        f"{'ours, to that gap':<22}{ours:>9.3f} s  gap {gap:.0e}; {theirs / ours:.1f} times as fast"
    )


def scikit_learn(names: list[str], n_seeds: int) -> None:
    from benchmarks.voting_tables import NOISE, of_scikit_learn

    for name in names or NOISE:
        draws = [of_scikit_learn(name, seed) for seed in range(n_seeds)]
        methods = [m for m in METHODS if m != "SLSQP, none"]
        n_members, n_rows = draws[0][0].shape[:2]
        measure(f"scikit-learn's {name}, {n_members} members x {n_rows} OOF rows", draws, methods)


def run_tables(folder: str, n_seeds: int) -> None:
    from benchmarks.voting_tables import of_run

    draws = [of_run(folder, seed) for seed in range(n_seeds)]
    n_members, n_rows = draws[0][0].shape[:2]
    measure(f"{folder}, {n_members} members x {n_rows} OOF rows", draws, list(METHODS))


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
    if what in ("all", "scikit_learn"):
        scikit_learn(folders, n_seeds)
    if what == "all":
        folders = [f"runs/{name}" for name in ("demo", "elpv") if Path(f"runs/{name}").exists()]
    if what in ("all", "tables"):
        for folder in folders:
            run_tables(folder, n_seeds)


def real(arguments: list[str]) -> None:
    """On the sets of benchmarks/table_sets.py, whose packages are in an environment of their own."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.sets.environment import in_environment

    if in_environment(__file__):
        from benchmarks.sets.compare import main as compare

        compare(arguments)


if __name__ == "__main__":
    if sys.argv[1:2] == ["real"]:
        real(sys.argv[2:])
    elif in_peers_environment():
        main()
