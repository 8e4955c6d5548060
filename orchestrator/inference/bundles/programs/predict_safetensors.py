"""Photographs in, an ensemble's probabilities out. It needs ensemble-of-image-classifiers.

python predict.py PHOTOS... > answers.csv
from predict import predict_proba; predict_proba(["a.jpg", "b.jpg"])  # (N, K) float32
"""

import sys
from pathlib import Path

from orchestrator import Ensemble

ENSEMBLE = Ensemble.load(Path(__file__).parent)
predict_proba = ENSEMBLE.predict_proba

if __name__ == "__main__":
    photos = sys.argv[1:] or sys.exit(__doc__)
    ENSEMBLE.predict(photos).to_csv(sys.stdout, index=False)
