"""A service under load: right answers, refusals of broken photographs, a member's process killed.

    python benchmarks/serving.py runs/demo data/sample/eval/images      # 1,000 requests, 8 at once
    python benchmarks/serving.py RUN PHOTOS --requests 100 --at-once 4

Starts `ensemble serve` on a new local Ray, sends one photograph a request, of which 5 % are broken, and
compares every answer with that of `Ensemble.predict_proba` in this process (1e-5). In the middle it
kills the process of one member. Prints p50, p95 and photographs a second, before, during and after the
kill, beside the members' own times: as they took them within the service, and in this process with
nothing else running. Ends with 1 where an answer is wrong or lost.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from orchestrator import Ensemble
from orchestrator.inference.networks import ask_member
from orchestrator.inference.pixels import see_all

CLOSE = 1e-5


@dataclass
class Reply:
    number: int
    began: float
    seconds: float
    status: int
    body: dict


def broken(photo: bytes, kind: int) -> bytes:
    """A file that is no photograph any more: cut short, of another kind, or empty."""
    return (photo[: len(photo) // 2], b"%PDF-1.7 no photograph", b"")[kind % 3]


def form(name: str, content: bytes) -> tuple[bytes, str]:
    """A body and its content type."""
    mark = "x-boundary-of-the-benchmark"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="photos"; filename="{name}"\r\n\r\n'
    return (
        head.encode() + content + f"\r\n--{mark}--\r\n".encode(),
        f"multipart/form-data; boundary={mark}",
    )


def get(port: int, path: str, seconds: float = 20.0) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    if response.status != 200:
        raise OSError(f"{path}: {response.status} {content[:200]!r}")
    return content


def start(run: str, port: int) -> tuple[subprocess.Popen, float]:
    """`ensemble serve`, ready, and how long that took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "orchestrator", "serve", run, "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        print("  |", line.rstrip(), flush=True)
        if line.startswith("try:"):
            return process, time.perf_counter() - began
    raise SystemExit(f"the service did not start: {process.wait()}")


def send_all(
    port: int, bodies: list[bytes], names: list[str], at_once: int, on_sent
) -> list[Reply]:
    """Each request once, `at_once` at a time, over connections that stay open. 503: asked again."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(bodies)):
        waiting.put(number)
    replies: list[Reply] = []
    began = time.perf_counter()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            try:
                number = waiting.get_nowait()
            except queue.Empty:
                return
            body, kind = form(names[number], bodies[number])
            sent = time.perf_counter()
            while True:
                connection.request("POST", "/predict", body, {"Content-Type": kind})
                response = connection.getresponse()
                content = response.read()
                if response.status != 503:
                    break
                time.sleep(float(response.headers["Retry-After"]))
            seconds = time.perf_counter() - sent
            replies.append(
                Reply(number, sent - began, seconds, response.status, json.loads(content))
            )
            on_sent(len(replies))

    clients = [threading.Thread(target=client) for _ in range(at_once)]
    for own in clients:
        own.start()
    for own in clients:
        own.join()
    return sorted(replies, key=lambda reply: reply.number)


class Killer:
    """Kills one process of a member after so many replies, and sees when all members answer again."""

    def __init__(self, port: int, after: int, service: psutil.Process):
        self.port, self.after, self.service = port, after, service
        self.killed = self.recovered = 0.0  # time.perf_counter()
        self.name = ""
        self._thread: threading.Thread | None = None

    def __call__(self, done: int) -> None:
        if done == self.after:
            self._thread = threading.Thread(target=self._kill)
            self._thread.start()

    def _kill(self) -> None:
        titles = {own.pid: " ".join(own.cmdline()) for own in self.service.children(recursive=True)}
        pid, title = min(own for own in titles.items() if ":member-" in own[1])
        self.name = title.rpartition(":member-")[2].partition(".")[0].strip()
        self.killed = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)  # until then it may be asked as if it lived
        while not self._healthy():
            time.sleep(0.05)
        self.recovered = time.perf_counter()

    def _healthy(self) -> bool:
        try:
            get(self.port, "/healthz")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def join(self) -> None:
        if self._thread:
            self._thread.join()


def own_times(run: str, photos: list[bytes]) -> tuple[np.ndarray, dict[str, float]]:
    """The probabilities that `predict` gives, (N, K), and what each member takes for one photograph,
    in seconds, asked one at a time in this process as in the service."""
    ensemble = Ensemble.load(run, device="cpu")
    right = ensemble.predict_proba(photos)
    trained, times = ensemble.trained, {}
    for part in trained.members:
        ask = ask_member(part, len(trained.codec_of(part).classes), "cpu")
        pixels = see_all(photos[:40], [part.seen], trained.bits)[0][part.seen]
        ask(pixels[:1])
        began = time.perf_counter()
        for i in range(len(pixels)):
            ask(pixels[i : i + 1])
        times[part.name] = (time.perf_counter() - began) / len(pixels)
    return right, times


def served_times(port: int) -> tuple[dict[str, float], dict[str, float]]:
    """Member -> its own seconds a photograph in the service; member -> photographs a batch."""
    text = get(port, "/metrics").decode()

    def values(name: str) -> dict[str, float]:
        return {
            m[1]: float(m[2]) for m in re.finditer(rf'^{name}{{member="(.+?)"}} (\S+)$', text, re.M)
        }

    photos = float(re.search(r"^ensemble_photographs_total (\S+)$", text, re.M)[1])
    forward = values("ensemble_member_forward_seconds_total")
    sums, counts = (values(f"ensemble_member_batch_photographs_{own}") for own in ("sum", "count"))
    return (
        {name: own / photos for name, own in forward.items()},
        {name: sums[name] / counts[name] for name in sums},
    )


def milliseconds(replies: list[Reply]) -> str:
    seconds = [own.seconds for own in replies]
    if not seconds:
        return "no replies"
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    longest = max(seconds) * 1000
    return f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, longest {longest:.0f} ms ({len(seconds)} replies)"


def show_times(replies: list[Reply], killer: Killer, began: float, took: float) -> None:
    """Before the kill, until all members answered again, and after."""
    kill, well = killer.killed - began, killer.recovered - began
    print(f"killed a process of {killer.name} after {kill:.1f} s; recovery {well - kill:.1f} s")
    before = [own for own in replies if own.began + own.seconds < kill]
    after = [own for own in replies if own.began > well]
    between = [own for own in replies if own.began + own.seconds >= kill and own.began <= well]
    for name, some in (("before", before), ("meanwhile", between), ("after", after)):
        print(f"  {name:9s} {milliseconds(some)}")
    calm = kill + max(0.0, took - well)
    rates = f"{len(replies) / took:.1f} in all, {(len(before) + len(after)) / calm:.1f} but for the recovery"
    print(f"  photographs a second: {rates}")


def show_members(where: str, times: dict[str, float]) -> None:
    listed = ", ".join(f"{own} {seconds * 1000:.1f}" for own, seconds in times.items())
    total = sum(times.values())
    print(
        f"members' own times a photograph, {where}: {listed} ms; sum {total * 1000:.1f} ms, "
        f"{1 / total:.1f} photographs/s one after the other"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--broken", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    files = sorted(given.photos.glob("*.jpg"))
    photos = [file.read_bytes() for file in files]
    random = np.random.default_rng(given.seed)
    which = random.integers(len(photos), size=given.requests)
    is_broken = np.zeros(given.requests, bool)
    is_broken[random.permutation(given.requests)[: round(given.broken * given.requests)]] = True
    bodies = [
        broken(photos[k], i) if bad else photos[k]
        for i, (k, bad) in enumerate(zip(which, is_broken, strict=True))
    ]
    right, alone = own_times(given.run, photos)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service, ready = start(given.run, port)
    try:
        killer = Killer(port, given.requests // 2, psutil.Process(service.pid))
        began = time.perf_counter()
        replies = send_all(port, bodies, [files[k].name for k in which], given.at_once, killer)
        took = time.perf_counter() - began
        killer.join()
        inside, batches = served_times(port)
    finally:
        service.send_signal(signal.SIGTERM)
        ending = time.perf_counter()
        code = service.wait()
        ended = time.perf_counter() - ending
    wrong = wrong_replies(replies, which, is_broken, right)
    lost = given.requests - len(replies)
    counts = {status: sum(own.status == status for own in replies) for status in (200, 400)}
    print(f"ready after {ready:.1f} s; SIGTERM to the end {ended:.1f} s, exit code {code}")
    print(
        f"{given.requests} requests, {given.at_once} at once, {int(is_broken.sum())} broken: "
        f"{counts[200]} answered, {counts[400]} refused with 400, {lost} lost, {len(wrong)} wrong"
    )
    show_times(replies, killer, began, took)
    show_members("in this process, one by one", alone)
    show_members("in the service", inside)
    print(f"photographs a batch: {', '.join(f'{own} {n:.1f}' for own, n in batches.items())}")
    for line in wrong[:10]:
        print("WRONG", line)
    return 1 if wrong or lost else 0


def wrong_replies(
    replies: list[Reply], which: np.ndarray, is_broken: np.ndarray, right: np.ndarray
) -> list[str]:
    found = []
    for own in replies:
        wanted = 400 if is_broken[own.number] else 200
        if own.status != wanted:
            found.append(f"{own.number}: {own.status} instead of {wanted}: {own.body}")
        elif wanted == 200:
            (answer,) = own.body["answers"]
            row = right[which[own.number]]
            apart = np.abs(np.array(list(answer["probabilities"].values())) - row).max()
            if apart > CLOSE:
                found.append(f"{own.number}: probabilities {apart:.2g} apart")
        elif len(own.body["problems"]) != 1:
            found.append(f"{own.number}: {own.body}")
    return found


if __name__ == "__main__":
    sys.exit(main())
