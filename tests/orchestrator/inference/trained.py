"""One run whose members see and predict in every way that there is, trained by the real commands."""

from __future__ import annotations

SPEC = """\
name: used
data:
  train: photos/train
  test: photos/eval
  copies: {black: {train: black/train, test: black/eval}}
folds: {k: 3}
defaults: {model: test_resnet, image_size: [32, 32], epochs: 2, batch_size: 32, lr: 0.01}
members:
  - {name: seeds, seeds: [1, 2]}
  - {name: best, model: test_efficientnet, select: best, crop: [0.8, 0.9], normalize: computed}
  - {name: common, select: common_epoch, image_size: [40, 24]}
  - {name: views, choose_views: [[plain], [plain, flip], [crops]], test_normalize: profiles}
  - {name: ages, targets: [age], views: [flip]}
  - {name: faces, targets: [mask, gender], model: test_vit}
  - {name: cut, photos: black, loss: f1}
  - {name: second, stack: {of: [seeds, best]}}
join:
  - {name: joined, of: [ages, faces]}
"""
# the vote's folder -> how it is cast
VOTES = {
    "hard": "--mode hard",
    "soft": "--mode soft --offsets --temperature --weights cut=0",
    "weighted": "--mode weighted",
    "weighted-log_loss": "--objective log_loss --pool log_linear --negative --offsets --temperature",
    "weighted-simplest": "--choice simplest",
    "weighted-stacker": "--choice stacker",
    "weighted-macro_f1": "--objective macro_f1",
    "weighted-mean-log_loss": "--choice mean --objective log_loss --prior test",
}
