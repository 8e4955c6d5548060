"""The command `serve`: an ensemble answers over HTTP until it is stopped."""

from __future__ import annotations

import importlib.util
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from orchestrator import stopping
from orchestrator.cluster.joining import reach
from orchestrator.errors import WrongRequest, counted
from orchestrator.inference.ensemble import Ensemble
from orchestrator.inference.parts import Trained
from orchestrator.inference.weights import require_weights
from orchestrator.runs import folders
from orchestrator.serving.config_files import Place, problems_of, write_configs
from orchestrator.serving.settings import PORT, Settings, is_loopback, require_host, share
from orchestrator.serving.token import VARIABLE, digest_of, read_token

_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
_LOOK = 2.0  # seconds between two looks at a service that runs


@dataclass(frozen=True)
class Command:
    """The command's options by their names. place: of a run or a bundle, None: the run trained last."""

    place: str | None = None
    vote: str | None = None
    host: str = "127.0.0.1"
    port: int = PORT
    token_file: Path | None = None
    address: str | None = None
    replicas: int = 1
    queue: int = Settings.queue
    write_config: Path | None = None


def serve(command: Command, console: Console) -> None:
    """Serve until a signal comes, or write the files for a cluster. Raises WrongRequest, RunFailed."""
    require_host(command.host)
    if command.write_config is not None:
        _write(command, command.write_config, console)
        return
    _require_packages()
    token, note = read_token(command.token_file)
    if note:
        print(f"note: {note}", file=sys.stderr)
    if token is None and not is_loopback(command.host):
        raise WrongRequest(
            f"--host {command.host}: who can reach it could use it. Give a token that callers must "
            f"have, with --token-file FILE or {VARIABLE} (openssl rand -hex 32 > token), or leave "
            "--host out: then programs of this machine alone reach it."
        )
    trained = _trained(command)
    require_weights(trained)
    if command.address is None:
        _require_free(command.host, command.port)
    else:
        reach(command.address)
    digest = None if token is None else digest_of(token)
    stopping.goes_on_with("the same command serves again.")
    from orchestrator.cluster.connect import connect

    console.print(
        f"starting {trained.name}: {counted(len(trained.members), 'member')}, {trained.vote} vote"
    )
    with connect(command.address, dashboard=True) as cluster:
        from orchestrator.serving import running

        running.require_place(command.host, command.port)
        processes = len(trained.members) * command.replicas
        most = min((node.cpus for node in cluster.nodes() if node.cpus), default=1.0)
        settings = Settings(
            queue=command.queue,
            replicas=command.replicas,
            cpus=min(share(cluster.cpus, processes, 0.01), most) if cluster.cpus else 1.0,
            gpus=min(share(cluster.gpus, processes, 0.01), 1.0) if cluster.gpus else 0.0,
            digest=digest,
        )
        with (
            _told(console) as tell,
            running.served(
                trained, settings, command.host, command.port, tell, cluster.started_here
            ),
        ):
            _show_ready(command, token is not None, console)
            _watch(running.troubles)


def _trained(command: Command) -> Trained:
    place = command.place or folders.latest().root
    return Ensemble.load(place, command.vote).trained


def _write(command: Command, file: Path, console: Console) -> None:
    """The files of --write-config. The token, on the nodes, is neither read nor needed here."""
    if command.address is not None:
        raise WrongRequest("--address has no effect with --write-config: `serve deploy` takes it.")
    if command.token_file is None and not is_loopback(command.host):
        raise WrongRequest(
            f"--host {command.host}: who can reach it could use it. Give --token-file FILE, where the "
            "token will lie on the nodes."
        )
    trained = _trained(command)
    token_file = None if command.token_file is None else str(command.token_file.absolute())
    place = Place(command.host, command.port, token_file, command.queue, command.replicas)
    for own in write_configs(trained, place, file):
        console.print(f"written: {own}")
    for own in problems_of(trained, place):
        console.print(f"note: {own}")


def _require_packages() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing).replace("_", "-")
        raise WrongRequest(
            f"serve needs packages that are not installed here: {names}. Install them: "
            "pip install 'ray[serve]' python-multipart"
        )


def _require_free(host: str, port: int) -> None:
    """Raise WrongRequest where nobody can listen there; Serve would say so in a log."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise WrongRequest(
                f"--host {host} --port {port}: cannot be listened on: {error.strerror}. Give another "
                "--port, or end the program that listens there."
            ) from None


@contextmanager
def _told(console: Console) -> Iterator[Callable[[int, int, float], None]]:
    """A line that says how far the start is, where that has changed."""
    last = [-1]

    def tell(ready: int, of: int, seconds: float) -> None:
        if ready != last[0]:
            last[0] = ready
            console.print(f"  {ready} of {counted(of, 'deployment')} ready, {seconds:.0f} s")

    yield tell


def _show_ready(command: Command, token: bool, console: Console) -> None:
    shown = "127.0.0.1" if command.host in ("0.0.0.0", "localhost") else command.host
    shown = "[::1]" if shown == "::" else f"[{shown}]" if ":" in shown else shown
    url = f"http://{shown}:{command.port}"
    header = " -H 'Authorization: Bearer TOKEN'" if token else ""
    lines = [
        f"ready: {url} (pages /docs, /healthz, /metadata, /metrics; Ctrl-C ends it)",
        f"try: curl{header} -F photos=@PHOTO.jpg {url}/predict",
    ]
    for line in lines:
        console.print(line, soft_wrap=True)
    sys.stdout.flush()


def _watch(troubles: Callable[[], dict[str, str]]) -> None:
    """Until a signal comes. Says on standard error what is not well, and when it is again."""
    before: dict[str, str] = {}
    while True:
        time.sleep(_LOOK)
        now = troubles()
        for name in now.keys() - before.keys():
            print(f"note: {name} {now[name]}", file=sys.stderr, flush=True)
        for name in before.keys() - now.keys():
            print(f"note: {name} is well again", file=sys.stderr, flush=True)
        before = now
