"""One network for the folds' (and seeds') networks of a member: what the mean of their weights is worth.

    PYTHONPATH=. python benchmarks/soups.py runs/elpv --judge data/elpv/truth.csv [--only lite1 lite2]

For each member of a run whose units are finished, on photographs that no unit was trained on: all networks
asked and their answers averaged, each network alone, the uniform and the greedy soup, and the uniform
soup with the first network's batch norm, to see what measuring it anew does. Last a plain mean over the
members, with all networks and with soups. Each with standard errors over groups; "behind" is paired.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from members.batches.photos import Photos
from members.data.codec import Codec
from members.networks.mean_weights import mean_weights
from members.pixels.augment import crop_of
from members.recipe.recipe import Recipe
from members.training.predict import predict_each
from orchestrator.inference.networks import load_network
from orchestrator.inference.of_run import to_predict
from orchestrator.inference.parts import Network, Part, Seen
from orchestrator.inference.pixels import see_all
from orchestrator.inference.soups import choice
from orchestrator.inference.soups.averaging import BATCH_NORM_PHOTOS, Pot, Soups, weights_of
from orchestrator.inference.soups.judges import Judge, find_judge
from orchestrator.photographs.files import read_photographs
from orchestrator.runs.damage import read_recorded
from orchestrator.runs.store import Store
from orchestrator.units.record import find_record

METRICS: choice.Measured = {"log_loss": None, "macro_f1": None, "accuracy": None}
UNTOUCHED = "uniform, one's batch norm"
ORDER = (choice.ALL, "alone, mean", choice.SINGLE, choice.UNIFORM, choice.GREEDY, UNTOUCHED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--judge", help="as of `export`; default: what the run has")
    parser.add_argument("--only", nargs="*", help="members")
    given = parser.parse_args()
    store = Store(given.run)
    codec = Codec.from_json(read_recorded("targets.json", store).decode())
    judge = find_judge(given.judge, store, codec, several_seeds=False)
    print(f"{judge.of}: {len(judge.places)} photos of {len(np.unique(judge.rows.groups))} groups")
    whole, fewer = [], []
    for name in given.only or store.list("units"):
        part = member_of(name, store)
        if part is None:
            print(f"{name}: not finished")
            continue
        tables = tables_of(part, judge, store, len(codec.classes))
        report(name, tables, judge)
        whole.append(tables[choice.ALL])
        fewer.append(tables[choice.UNIFORM])
    if len(whole) > 1:
        means = {choice.ALL: np.mean(whole, axis=0), choice.UNIFORM: np.mean(fewer, axis=0)}
        report(f"plain mean of {len(whole)} members", means, judge)


def member_of(name: str, store: Store) -> Part | None:
    """The finished units of a member, of its hash that has most of them; None where those are not two."""
    by_hash: dict[str, list[Network]] = {}
    for own in store.list(f"units/{name}"):
        for unit in sorted(store.list(f"units/{name}/{own}")):
            folder = f"units/{name}/{own}/{unit}"
            if (record := find_record(folder, store)) is not None:
                recipe = to_predict(Recipe(**record.member["recipe"]), record.normalize, None)
                place = store.uri(f"{folder}/model.safetensors")
                digest = record.digests["model.safetensors"]
                by_hash.setdefault(own, []).append(Network(place, digest, recipe))
    networks = max(by_hash.values(), key=len, default=[])
    if len(networks) < 2:
        return None
    recipe = networks[0].recipe
    return Part(name, Seen(recipe.image_size, crop_of(recipe)), tuple(networks))


def tables_of(part: Part, judge: Judge, store: Store, n_classes: int) -> dict[str, np.ndarray]:
    """Name -> (N, K) of each way to answer."""
    pixels = see_all(judge.places, [part.seen])[0][part.seen]
    paths = read_photographs(store).train["path"].to_numpy()
    chosen = np.random.default_rng(0).permutation(len(paths))[:BATCH_NORM_PHOTOS]
    training = see_all(paths[chosen].tolist(), [part.seen])[0][part.seen]
    pot = Pot(part.networks, np.arange(len(pixels)), lambda: training)
    soups, n = Soups([pot], pixels, n_classes), len(part.networks)
    began = time.monotonic()
    judged = choice.judge(soups, n, judge.rows, METRICS)
    seconds = time.monotonic() - began
    print(f"\n{part.name}: {n} networks, judged in {seconds:.0f} s; greedy took "
          f"{' + '.join(Path(part.networks[i].place).parent.name for i in judged.chosen[choice.GREEDY])}"
          f"; accepted: {judged.accepted}")  # fmt: skip
    model, recipe = load_network(part.networks[0], n_classes, "cpu")
    own = {name: value.clone() for name, value in model.state_dict().items()}
    mean = mean_weights(map(weights_of, part.networks))
    norms = {k: own[k] for k in mean if k.endswith((".running_mean", ".running_var"))}
    model.load_state_dict(mean | norms)
    (untouched,) = predict_each(model, Photos(pixels), recipe, [recipe.views])
    alone = {f"alone {i}": soups((i,)) for i in range(n)}
    return {**judged.tables, UNTOUCHED: untouched, **alone}


def report(name: str, tables: dict[str, np.ndarray], judge: Judge) -> None:
    print(f"{name:<28}" + "".join(f"{metric:>20}{'behind all':>20}" for metric in METRICS))
    alone = [own for key, own in tables.items() if key.startswith("alone ")]
    for key in ORDER:
        if key in tables:
            scores = choice.scores_of(tables[key], judge.rows, METRICS)
            gaps = choice.behind(tables[key], tables[choice.ALL], judge.rows, METRICS)
            cells = [
                f"{scores[m][0]:>11.4f} ± {scores[m][1]:.4f}{gaps[m][0]:>+11.4f} ± {gaps[m][1]:.4f}"
                for m in METRICS
            ]
            print(f"  {key:<26}" + "".join(cells))
        elif alone:
            each = [choice.scores_of(own, judge.rows, METRICS) for own in alone]
            cells = [f"{np.mean([own[m][0] for own in each]):>11.4f}{'':>29}" for m in METRICS]
            print(f"  {key:<26}" + "".join(cells))


if __name__ == "__main__":
    main()
