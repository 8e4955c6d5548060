"""Keys that other programs have and a spec has not: where it decides the same."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.errors import unknown

_SAME: dict[str, tuple[str, ...]] = {
    "Photos are always read as RGB, 3 channels: grey is expanded to three equal ones, transparency "
    "laid over white. Take the key out.": (
        "in_chans", "in_channels", "input_channels", "num_channels", "n_channels", "channels",
        "chans", "grayscale", "greyscale", "color_mode", "colour_mode",
    ),
    "The number of classes is that of the labels in the data. Take the key out.": (
        "num_classes", "n_classes", "nb_classes", "classes", "num_labels", "class_names",
        "id2label", "label2id", "class_map", "class_to_idx",
    ),
    "Here it is the key `image_size` of a member or of `defaults`: [height, width], or one number "
    "for a square.": (
        "img_size", "imgsz", "input_size", "image_sz", "resolution", "resize", "size", "height",
        "width", "target_size",
    ),
    "Here it is the key `sizes`, a list: [[64, 48], [96, 72]].": (
        "progressive_resizing", "progressive_sizes", "img_sizes", "image_sizes",
    ),
    "Here mean and std stand in `normalize: {mean: [...], std: [...]}`, or it names some: imagenet, "
    "model, computed.": ("mean", "std", "img_mean", "img_std", "image_mean", "image_std"),
    "Here it is the key `dropout`.": ("drop_rate", "drop", "dropout_rate", "head_dropout"),
    "Here it is the key `drop_path`.": ("drop_path_rate", "stochastic_depth", "droppath"),
    "Here it is the key `pretrained`: true, a weights file, or package:NAME.": (
        "weights", "checkpoint", "checkpoint_path", "initial_checkpoint", "pretrained_path", "ckpt",
    ),
    "Here it is the key `model`.": ("arch", "architecture", "backbone", "model_name", "net"),
    "Here it is the key `lr`.": ("learning_rate", "base_lr", "lr_base", "max_lr"),
    "Here it is the key `batch_size`.": ("batch", "bs", "train_batch_size", "batchsize"),
    "Here it is the key `epochs`.": ("num_epochs", "n_epochs", "max_epochs"),
    "Here it is the key `optimizer`.": ("opt", "optim", "optimiser"),
    "Here it stands in `optimizer_args`, e.g. `optimizer_args: {momentum: 0.9}`.": (
        "momentum", "betas", "opt_eps", "opt_betas", "nesterov",
    ),
    "Here it is the key `weight_decay`.": ("wd",),
    "Here it is the key `schedule`, with `warmup_epochs` and `min_lr`.": (
        "sched", "scheduler", "lr_scheduler", "lr_schedule",
    ),
    "Here it is `loss: label_smoothing` with the key `smoothing`.": ("label_smoothing",),
    "Here it is `loss: bce`, with the keys `smoothing`, `bce_threshold` and `bce_sum`.": (
        "bce_loss", "bce_target_thresh",
    ),
    "Here it is `mixing: {kind: mixup}` or `{kind: cutmix}`, or both: {kind: mixup, alpha: 0.8, switch: "
    "{kind: cutmix}}.": (
        "mixup", "cutmix", "mixup_alpha", "cutmix_alpha", "mixup_prob", "mixup_switch_prob", "mixup_mode",
    ),
    "Here it is the key `augmentation`: a chain by name or a list of transforms.": (
        "augment", "augmentations", "transforms", "transform", "hflip", "vflip", "color_jitter",
    ),
    "Here it is the key `auto_augment`, by timm's strings: rand-m9-mstd0.5-inc1.": (
        "aa", "autoaugment", "randaugment", "rand_augment", "augmix",
    ),
    "Here it is the key `erasing`, e.g. {probability: 0.25, mode: pixel}.": (
        "reprob", "re_prob", "remode", "recount", "random_erasing", "random_erase", "cutout",
    ),
    "Here it is the key `repeats`, e.g. 3.": ("aug_repeats", "repeated_aug", "num_aug_repeats"),
    "Here crops are in `augmentation`: resized_crop, or a list with RandomResizedCrop.": (
        "scale", "ratio", "train_crop_mode", "rrc", "random_resized_crop",
    ),
    "Here it is the key `crop`: [height, width] as fractions.": ("crop_pct", "center_crop"),
    "Here it is the key `views`: plain, flip, crops.": ("tta", "test_time_augmentation"),
    "Here it is the key `ema`, e.g. 0.999, or timm's, {decay: 0.9998, warmup_power: 0.667}.": (
        "model_ema", "ema_decay", "model_ema_decay", "model_ema_warmup",
    ),
    "Here it is the key `swa`, e.g. {epochs: 5, lr: 0.0005}.": (
        "swa_start", "swa_epochs", "swa_lr", "stochastic_weight_averaging", "weight_averaging",
    ),
    "Here it is the key `clip_grad_norm`.": ("grad_clip", "gradient_clip_val"),
    "Here each way is a key: `clip_grad_norm`, `clip_grad_value` and `clip_grad_agc`.": (
        "clip_grad", "clip_mode",
    ),
    "Here it is the key `patience`.": ("early_stopping", "early_stop", "early_stopping_patience"),
    "Here it is the key `head_first`, e.g. {epochs: 2, lr: 0.01}.": (
        "freeze_epochs", "head_epochs", "head_lr", "unfreeze_epoch", "warmup_head_epochs",
    ),
    "Here it is the key `zero_head`: true or false.": (
        "zero_init_head", "head_init", "head_init_scale", "init_head",
    ),
    "Here it is the key `accumulate`.": (
        "grad_accum_steps", "accumulate_grad_batches", "gradient_accumulation_steps",
    ),
    "Here it is the key `mixed_precision`.": ("amp", "fp16", "bf16", "precision", "amp_dtype"),
    "Here it stands in `resources:`, as `loader_workers`.": ("num_workers",),
    "Here it stands in `resources:`, as `gpus`.": ("device", "cuda", "accelerator", "num_gpus"),
    "Here it is the key `seeds` of a member (a list), and `seed` in `folds:`.": (
        "random_state", "random_seed",
    ),
    "Here the held-out photos are those of `folds:`, e.g. {scheme: holdout, ratio: 0.2}, or "
    "{scheme: own} with a column of folds.": (
        "val", "valid", "validation", "val_dir", "val_split", "validation_split", "valid_pct",
    ),
    "Here it is `k` in `folds:`.": ("n_folds", "num_folds", "n_splits", "kfold"),
    "Here it is `train` in `data:`.": ("train_dir", "data_dir", "train_path", "train_csv"),
    "Here it is `test` in `data:`.": ("test_dir", "test_path", "test_csv", "predict"),
    "What is a photo is decided by its content, under any ending. Take the key out.": (
        "extensions", "img_suffix", "image_extensions", "suffix", "file_extension",
    ),
}  # fmt: skip
POINTERS = {key: text for text, keys in _SAME.items() for key in keys}


def unknown_key(key: object, allowed: Iterable[str]) -> str:
    """`orchestrator.errors.unknown`, with where to look instead of the nearest key where known."""
    pointer = POINTERS.get(str(key).casefold().replace("-", "_"))
    return f"unknown key {str(key)!r}. {pointer}" if pointer else unknown("key", key, allowed)
