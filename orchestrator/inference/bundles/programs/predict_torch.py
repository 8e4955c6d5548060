"""Photographs in, an ensemble's probabilities out. Needs numpy, pillow and torch.

python predict.py PHOTOS... > answers.csv
from predict import predict_proba; predict_proba(["a.jpg", "b.jpg"])
"""

import csv
import hashlib
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pixels import decoded, seen  # pixels.py, beside this file

HERE = Path(__file__).parent
BUNDLE = json.loads((HERE / "ensemble.json").read_text("utf-8"))
CLASSES = BUNDLE["classes"]


@cache
def loaded(name):
    """A file of the bundle, ready to be run; it is the one that was written, or the program ends."""
    content = (HERE / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != BUNDLE["files"][name]:
        sys.exit(f"{name}: damaged: its sha256 is not the one in ensemble.json. Get it anew.")
    return torch.export.load(HERE / name).module()


def predict_proba(places):
    """(N, K) float32 of N paths, at least one, columns as CLASSES.

    Raises ValueError, OSError or what else Pillow raises for a file that is no photograph.
    """
    photos, said = [decoded(place) for place in places], []
    for member in BUNDLE["members"]:
        crop = member["crop"] or [1, 1]
        pixels = np.stack([seen(photo, member["size"], crop) for photo in photos])
        for network in member["networks"]:
            said.append(loaded(network["file"])(torch.from_numpy(pixels)))
    return loaded(BUNDLE["vote"]["file"])(*said).numpy()


def main(places):
    """A line of CSV for each photograph: its class, the probabilities, or what is wrong with it."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["image_id", "answer", "confidence", "problem", *CLASSES])
    for place in places:
        try:
            row = predict_proba([place])[0]
            table.writerow([place, CLASSES[row.argmax()], row.max(), "", *row])
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            table.writerow([place, "", "", error, *[""] * len(CLASSES)])


if __name__ == "__main__":
    main(sys.argv[1:]) if sys.argv[1:] else sys.exit(__doc__)
