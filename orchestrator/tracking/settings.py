"""What trackers read from the environment: which of it may be passed on, and where the rest must be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# Ray writes what it passes on into logs and shows it in its State API. Only these are no secrets.
_OPEN = {
    "WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL", "WANDB_DIR", "WANDB_TAGS",
    "WANDB_NOTES", "WANDB_SILENT", "WANDB_DISABLED", "WANDB_ERROR_REPORTING", "WANDB_CACHE_DIR",
    "WANDB_DATA_DIR", "WANDB_CONFIG_DIR", "WANDB_RUN_GROUP", "WANDB_JOB_TYPE",
    "WANDB_INIT_TIMEOUT", "WANDB_HTTP_TIMEOUT",
    "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_DISABLE_TELEMETRY", "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_S3_ENDPOINT_URL",
    "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
}  # fmt: skip
_SECRET = re.compile("KEY|TOKEN|PASSWORD|SECRET|USERNAME|AUTH|HEADER|CERT")
_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")


def without_passwords(text: str) -> str:
    """Of every URL in it, `scheme://user:password@host`, the user and the password left out."""
    return _PASSWORD.sub("", text)


def open_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The trackers' settings that are no secrets, for the processes of another machine."""
    return {
        name: value
        for name, value in environment.items()
        if name in _OPEN and not _PASSWORD.search(value)
    }


def withheld(environment: Mapping[str, str], trackers: Sequence[str]) -> dict[str, bool]:
    """Names of these trackers' settings that are not passed on -> whether they hold a secret."""
    prefixes = tuple(f"{name.upper()}_" for name in trackers)
    names = {name for name in environment if name.startswith(prefixes)}
    return {
        name: bool(_SECRET.search(name) or _PASSWORD.search(environment[name]))
        for name in sorted(names - open_settings(environment).keys())
    }
