"""A stand-in of the Hugging Face Hub's HTTP API: as much of it as a commit of files takes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGE = (".onnx", ".pt2", ".safetensors", ".npy")  # what the Hub keeps outside of git
TOKEN = "hf_of_tests"


@dataclass
class Hub:
    """files: repository -> path -> content, as after the last commit. private: of new ones."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    fails_with: int = 0
    address: str = ""

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if self.fails_with:
            return self.fails_with, {"error": "as asked"}
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
            there, url = name in self.files, {"url": f"{self.address}/{name}"}
            if not there:
                self.files[name] = {".gitattributes": b""}
                self.private[name] = asked.get("visibility") == "private"
            return (409 if there else 200), url
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(tree|preupload|commit)/main", path):
            name, what = match.groups()
            if name not in self.files:
                return 404, {"error": "Repository not found"}
            return getattr(self, f"_{what}")(name, body)
        if match := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return 200, {"transfer": "basic", "objects": [
                {"oid": own["oid"], "size": own["size"],
                 "actions": {"upload": {"href": f"{self.address}/store/{own['oid']}"}}}
                for own in json.loads(body)["objects"]
            ]}  # fmt: skip
        if match := re.fullmatch(r"/store/([0-9a-f]{64})", path):
            self.stored[match[1]] = body
            return 200, {}
        return 404, {"error": f"{method} {path}: not of this stand-in"}

    def _tree(self, name: str, body: bytes) -> tuple[int, Any]:
        return 200, [
            {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
            for path, content in self.files[name].items()
        ]

    def _preupload(self, name: str, body: bytes) -> tuple[int, Any]:
        paths = [own["path"] for own in json.loads(body)["files"]]
        return 200, {"files": [
            {"path": path, "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
             "shouldIgnore": False, "oid": None}
            for path in paths
        ]}  # fmt: skip

    def _commit(self, name: str, body: bytes) -> tuple[int, Any]:
        for line in body.splitlines():
            value = (entry := json.loads(line))["value"]
            if entry["key"] == "header":
                self.commits.append(value["summary"])
            elif entry["key"] == "file":
                self.files[name][value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                self.files[name][value["path"]] = self.stored[value["oid"]]
            elif entry["key"] == "deletedFile":
                del self.files[name][value["path"]]
        oid = hashlib.sha1(body).hexdigest()
        return 200, {"commitUrl": f"{self.address}/{name}/commit/{oid}", "commitOid": oid,
                     "hookOutput": ""}  # fmt: skip


@contextmanager
def running() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            # what is stored has its own address, which needs no token
            allowed = path.startswith("/store/") or (
                self.headers.get("Authorization", "").endswith(TOKEN)
            )
            status, found = hub.answer(self.command, path, body) if allowed else (401, {})
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _any

        def log_message(self, *given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
