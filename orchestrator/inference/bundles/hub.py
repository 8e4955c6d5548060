"""A bundle published as a model repository of the Hugging Face Hub, in one commit."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from members.errors import first_line
from orchestrator.errors import RunFailed, WrongRequest

CARD, README = "MODEL_CARD.md", "README.md"
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def hub_problems(repo: str) -> list[str]:
    """What is wrong with where a bundle is to be pushed, before anything is written or sent."""
    problems = []
    if not _REPO.fullmatch(repo) or "--" in repo or ".." in repo:
        problems.append(
            f"--push-to-hub {repo}: no name of a repository. Give OWNER/NAME, with letters, digits, "
            "'-', '_' and '.'."
        )
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode():
        problems.append(
            f"--push-to-hub {repo}: HF_HUB_OFFLINE forbids connections. Unset it, or leave "
            "--push-to-hub out."
        )
    elif get_token() is None:
        problems.append(
            f"--push-to-hub {repo}: no token. Run `hf auth login`, or set HF_TOKEN to one that may write."
        )
    return problems


def push(folder: Path, repo: str) -> str:
    """All files of a bundle as one commit to `repo`, whose README.md is the model card. A repository
    that is not there is made, a private one. Returns the commit's address.

    Where, and with which token, is what huggingface-hub reads: HF_ENDPOINT, HF_TOKEN or the login.
    Raises WrongRequest where the Hub refuses it, RunFailed where it does not answer or fails.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    api = HfApi()
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(own for own in folder.rglob("*") if own.is_file())
    }
    files[README] = files.pop(CARD)
    try:
        api.create_repo(repo, private=True, exist_ok=True)
        there = set(api.list_repo_files(repo))
        # of a bundle before this one; what others put there stays
        gone = sorted(
            name for name in there - {*files} if name.startswith(("networks/", "stacks/"))
        )
        operations: list[Any] = [
            *(CommitOperationAdd(name, os.fspath(path)) for name, path in files.items()),
            *(CommitOperationDelete(name) for name in gone),
        ]
        done = api.create_commit(repo, operations, commit_message=f"Bundle {folder.name}")
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        text = f"--push-to-hub {repo}: the Hub refused it ({first_line(error)})."
        if status in (401, 403, 404):
            raise WrongRequest(
                f"{text} The bundle is in {folder}. Give a repository that your token may write to."
            ) from error
        raise RunFailed(f"{text} The bundle is in {folder}; push it again later.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise RunFailed(
            f"--push-to-hub {repo}: {api.endpoint} does not answer ({first_line(error)}). The bundle is "
            f"in {folder}; push it again later."
        ) from error
    except Exception as error:
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests")):
            raise
        raise RunFailed(
            f"--push-to-hub {repo}: {api.endpoint} does not answer ({first_line(error)}). The bundle is "
            f"in {folder}; push it again later."
        ) from error
    return done.commit_url
