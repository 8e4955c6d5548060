"""The OpenAPI description as a page that loads nothing from elsewhere, with a form to try it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #8882; border-radius: 4px }
code { padding: .1em .3em } pre { padding: .7em; overflow: auto; max-height: 24rem }
h2 { margin-top: 2rem; border-top: 1px solid #8886; padding-top: 1rem }
td { padding: .1rem 1rem .1rem 0; vertical-align: top } :root { color-scheme: light dark }
"""
_SCRIPT = """
document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const out = document.querySelector("#out");
  const token = document.querySelector("#token");
  const body = new FormData();
  for (const file of document.querySelector("#photos").files) body.append("photos", file);
  out.textContent = "...";
  const headers = token && token.value ? {Authorization: "Bearer " + token.value} : {};
  try {
    const found = await fetch("predict", {method: "POST", body, headers});
    out.textContent = found.status + "\\n" + JSON.stringify(await found.json(), null, 2);
  } catch (error) { out.textContent = error; }
});
"""
_TOKEN = '<input id="token" type="password" placeholder="token" autocomplete="off">'


def page_of(description: Mapping[str, Any], token: bool) -> str:
    """HTML. description: OpenAPI. token: whether callers must have one."""
    parts = []
    for path, methods in description["paths"].items():
        for method, own in methods.items():
            parts.append(_operation(path, method, own))
    schemas = escape(json.dumps(description.get("components", {}).get("schemas", {}), indent=2))
    title = escape(description["info"]["title"])
    header = " -H 'Authorization: Bearer TOKEN'" if token else ""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>{_STYLE}</style></head><body><h1>{title}</h1>
<p>Version {escape(description["info"]["version"])}; for programs: <a href="openapi.json">openapi.json</a></p>
<form><input id="photos" type="file" accept="image/*" multiple required> {_TOKEN if token else ""}
<button>predict</button></form><pre id="out">curl{header} -F photos=@a.jpg -F photos=@b.jpg URL/predict</pre>
{"".join(parts)}<h2>Schemas</h2><pre>{schemas}</pre><script>{_SCRIPT}</script></body></html>"""


def _operation(path: str, method: str, own: Mapping[str, Any]) -> str:
    kinds = own.get("requestBody", {}).get("content", {})
    takes = ", ".join(f"<code>{escape(kind)}</code>" for kind in kinds)
    rows = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer.get('description', ''))}</td></tr>"
        for status, answer in own["responses"].items()
    )
    about = escape(own.get("description", ""))
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(own.get('summary', ''))}. "
        f"{about}</p>{f'<p>Takes {takes}.</p>' if takes else ''}<table>{rows}</table>"
    )
