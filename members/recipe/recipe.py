"""A recipe: everything that decides how one network is trained, with its defaults.

    recipe = Recipe(model="efficientnet_b3", image_size=[300, 300], loss="focal")

`Recipe` imports neither torch nor timm, so that a spec is read in a blink. It refuses what it can
tell from the values alone; members/training/check.py finds what only the libraries can tell.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from members.recipe import values
from members.recipe.blocks import (
    NAMED_STATISTICS,
    Block,
    Erasing,
    HeadFirst,
    Mixing,
    WeightAveraging,
)
from members.recipe.chains import CHAINS
from members.recipe.contradictions import contradictions


class Recipe(Block):
    """How to train one network. Sizes are [height, width]; rates are per optimiser step."""

    # the network
    model: str = Field(
        description="a timm model, e.g. efficientnet_b3; with a tag (swin_large_patch4_window12_384"
        ".ms_in22k) the tag says which published weights `pretrained: true` loads"
    )
    pretrained: values.Source = Field(
        False,
        description="false: random start. true: timm's published weights (needs the internet or a "
        "filled cache). A path to .safetensors/.pth. package:NAME: the file that a package carries",
    )
    freeze: str | None = Field(
        None,
        description="what does not learn: backbone (all but the head), or a block, e.g. layer2 or "
        "blocks.3, and all before it; null: nothing",
    )
    zero_head: bool = Field(
        False,
        description="the new head starts at zero, so that all classes are alike at first; false: as "
        "timm draws it, for EfficientNets of few classes so large that it spoils what was learned before",
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="before the last layer; null: the network's own default"
    )
    drop_path: float | None = Field(
        None, ge=0, lt=1, description="stochastic depth; null: the network's own default"
    )

    # the photographs
    image_size: values.Size = Field(
        (224, 224), description="[height, width] that the network sees; a number is a square"
    )
    sizes: values.Sizes = Field(
        (),
        description="[height, width] of the training photos, one after the other, each for its share "
        "of the epochs: [[64, 48], [96, 72]] is half of them each; a size that stands twice has two "
        "shares. Validation and predictions are at image_size; []: training too",
    )
    margin: float | None = Field(
        None,
        gt=1,
        le=4,
        description="the decoded copies for training are so many times as high and as wide as the "
        "network's input, e.g. 1.5, and the augmentation cuts each photo from its copy, by "
        "RandomResizedCrop or RandomCrop; validation and predictions are as without; null: no larger",
    )
    crop: values.Crop = Field(
        None,
        description="centre crop [height, width] before the resize: fractions of the photo where "
        "<= 1, else pixels; null: that of the augmentation chain",
    )
    augmentation: values.Augmentation = Field(
        "base",
        description="what training does to photos. A chain by name: "
        + ", ".join(CHAINS)
        + "; or a list of albumentations' transforms: [HorizontalFlip, {GaussNoise: {p: 0.3}}], of which "
        "crops without a size of their own go to the network's",
    )
    auto_augment: values.Policy = Field(
        None,
        description="a policy of timm after the chain, by timm's string: rand-m9-mstd0.5-inc1 "
        "(RandAugment), original, originalr, v0, v0r (AutoAugment), augmix-m3-w3 (AugMix), 3a; "
        "null: none",
    )
    erasing: Erasing | None = Field(
        None,
        description="{probability, mode, count}: timm's random erasing, of 2 to 33 % of a photo's "
        "area, before photos are mixed; null: none",
    )
    views: values.Views = Field(
        ("plain",),
        min_length=1,
        description="what predictions are the mean of: plain, flip (left and right swapped), crops "
        "(the four corners and the middle, nine tenths of each side, at full size again)",
    )
    choose_views: values.ViewsToChoose = Field(
        (),
        description="instead of `views` some to choose from, [[plain], [plain, flip]]: those with "
        "the least log-loss of the member's whole OOF table predict, one choice for all folds, seeds "
        "and test photos; of equal ones the first",
    )
    validation_views: bool = Field(
        False,
        description="each epoch is validated by the mean over `views`, too, and so chosen and "
        "stopped; takes as many passes as there are pictures; false: as the photos are",
    )
    normalize: values.Normalization = Field(
        "imagenet",
        description=", ".join(NAMED_STATISTICS)
        + "; model (what timm states for it); computed (from the training part of each fold); or "
        "{mean, std}",
    )
    test_normalize: values.TestNormalization = Field(
        None, description="for the photos to predict, where they look different; null: the same"
    )

    sampling: values.Sampling = Field(
        "shuffle",
        description="shuffle: each training photo once an epoch; {balance: COLUMN}: drawn with "
        "replacement, each value of class, a target or age_group equally often",
    )
    repeats: int = Field(
        1,
        ge=1,
        description="repeated augmentation: each photo that is drawn stands so often in a row, varied "
        "each time; an epoch has as many photos as without, that part of them different ones",
    )
    mixing: Mixing | None = Field(
        None, description="{kind: mixup | cutmix | half_face, probability, last_epoch, partners}"
    )

    # the training
    epochs: int = Field(10, ge=1, description="passes over the training part, at most")
    batch_size: int = Field(32, ge=1, description="photos a batch")
    validation_batch_size: int | None = Field(
        None, ge=1, description="photos at once without gradients; null: twice batch_size"
    )
    accumulate: int = Field(
        1,
        ge=1,
        description="batches per optimiser step. Without batch norm the same update as one large "
        "batch; the f1 part of a loss still counts over each batch of batch_size",
    )
    optimizer: str = Field(
        "adamw", description="any optimiser of timm, by its name: lamb, lion, muon, ..."
    )
    optimizer_args: dict[str, Any] = Field(
        {}, description="passed on to it, e.g. {momentum: 0.8} or {betas: [0.9, 0.95]}"
    )
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    weight_decay: float = Field(0.01, ge=0, description="not applied to biases and norm layers")
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="lr times this for each block further from the head, e.g. 0.8"
    )
    clip_grad_norm: float | None = Field(
        None,
        gt=0,
        description="the norm of all gradients together, at most; null: gradients as they come",
    )
    clip_grad_value: float | None = Field(
        None, gt=0, description="each number of them, at most; null: as they come"
    )
    clip_grad_agc: float | None = Field(
        None,
        gt=0,
        description="adaptive: the norm of those of each unit, at most this part of that of its weights, "
        "e.g. 0.01, but for the head; null: as they come",
    )
    schedule: Literal["cosine", "step", "milestones", "plateau", "constant"] = Field(
        "cosine",
        description="cosine falls to min_lr; the others multiply by gamma: step every step_epochs, "
        "milestones after those epochs, plateau after plateau_epochs without a better metric",
    )
    warmup_epochs: float = Field(
        0, ge=0, description="linear rise to lr, in epochs or parts of one"
    )
    step_epochs: int = Field(4, ge=1, description="schedule: step only")
    milestones: values.Epochs = Field(
        (), description="e.g. [10, 20, 25]; with gamma: 0.1 the rate is divided by 10 after each"
    )
    plateau_epochs: int = Field(2, ge=1, description="schedule: plateau only")
    gamma: float = Field(
        0.5, gt=0, le=1, description="factor of each fall of the rate: step, milestones, plateau"
    )
    head_first: HeadFirst | None = Field(
        None,
        description="{epochs, lr}: first only the head learns and the rest stays as it is, as at "
        "test time, batch norm's statistics too; then all, with an optimiser, warm-up and schedule "
        "that begin there, and so does patience; null: all from the start",
    )
    swa: WeightAveraging | None = Field(
        None,
        description="{epochs, lr}: in the last epochs the rate is constant, and the mean of the "
        "weights after each is validated and predicts, batch norm's statistics taken anew from the "
        "training photos; the schedule ends where they begin. Wants select: last; null: no mean",
    )
    min_lr: float = Field(0.0, ge=0, description="no schedule goes below it after the warm-up")

    # the loss
    loss: values.Loss = Field(
        "cross_entropy",
        description=", ".join(values.LOSSES)
        + ", or a weighted sum of them: {f1: 1, cross_entropy: 1}; "
        "f1 is one minus the soft macro F1, over as many classes as the data has; bce asks for each class "
        "by itself whether it is there",
    )
    smoothing: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="label_smoothing and bce only; with 0 the former is the same as cross_entropy",
    )
    bce_threshold: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="bce only: shares of a label above this count as 1, others as 0, e.g. 0.2, with "
        "which both of two mixed photos are there; null: as they are",
    )
    bce_sum: bool = Field(
        False, description="bce only: the sum over the classes, instead of their mean"
    )
    focal_gamma: float = Field(2.0, ge=0, description="focal only; 0 is cross_entropy")
    class_weights: values.ClassWeights = Field(
        None,
        description="how much each class counts in the loss: one number a class, or balanced "
        "(inverse to its photos in the training part); null: all alike",
    )

    # which weights are kept, and when to stop
    ema: values.Mean = Field(
        None,
        description="validate and keep a running mean of the weights instead of the last ones, "
        "e.g. 0.999: about the last 1000 steps; or timm's, {decay: 0.9998, warmup_power: 0.667}; "
        "null: the weights themselves",
    )
    metric: str = Field(
        "macro_f1",
        description="on the validation part; decides the best epoch. loss (its own), macro_f1, "
        "accuracy, or another metric that `fit` is given",
    )
    patience: int | None = Field(
        None, ge=1, description="stop after so many epochs without a better one; null: never"
    )
    select: Literal["best", "last", "common_epoch"] = Field(
        "best",
        description="whose weights predict. best: of each fold its own best epoch, chosen on the "
        "rows that its OOF score is of, which flatters that score a little. last: nothing is "
        "chosen. common_epoch: one for all folds and seeds, the best of their mean curve; until "
        "it is known, and after, the disk holds every epoch's weights and probabilities",
    )
    submissions_above: float | None = Field(
        None,
        description="every epoch whose metric is at least this (loss: at most) keeps its weights "
        "and a pair of submissions, hard labels and soft probabilities, in units/.../epochs/",
    )

    # the machine
    mixed_precision: Literal["auto", "off", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16, else fp16, on a GPU; off on a CPU"
    )
    channels_last: bool = Field(
        True, description="memory order of the pictures; 1.1-1.7 times faster for convolutions"
    )
    grad_checkpointing: bool = Field(
        False,
        description="timm's: the backward pass computes activations once more instead of keeping them. The "
        "same updates from much less memory, for one pass forward more; for networks that have it",
    )
    compile: bool = Field(
        False,
        description="torch.compile for training: slow to start, then faster; needs a C++ compiler",
    )

    @model_validator(mode="after")
    def _keys_together(self) -> Recipe:
        if found := contradictions(self):
            raise ValueError(". ".join(found))
        return self
