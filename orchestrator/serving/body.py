"""The body of a request -> the photographs in it, within the limits of `orchestrator.limits`."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from members.limits import MIB, NAME
from orchestrator.limits import REQUEST, REQUEST_PHOTOS
from orchestrator.serving.refusals import Refused

BODY_SECONDS = 60.0  # in which a request must have been sent; a slow one would keep others out
_FORM, _JSON = "multipart/form-data", "application/json"
_HOW = (
    "Send the files as multipart/form-data (curl -F photos=@a.jpg -F photos=@b.jpg), or JSON: "
    '{"photos": [{"name": "a.jpg", "data": "<base64>"}]}.'
)


class PhotoFile(bytes):
    """The content of a photograph's file. name: of the file, as the sender has it."""

    name: str

    def __new__(cls, content: bytes, name: str) -> PhotoFile:
        new = super().__new__(cls, content)
        new.name = name
        return new


class _InMemory(MultiPartParser):
    spool_max_size = 2**40  # the body is bounded, and in memory already


async def read_photos(request: Request) -> list[PhotoFile]:
    """The photographs of a multipart or JSON request, in its order, still encoded.

    Raises Refused: 400 with all that is wrong with it, 408 where it does not come in time, 413 beyond a
    limit, 415 for another kind of content.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (_FORM, _JSON):
        raise Refused(415, f"the content is {kind[:100] or 'of no kind'}. {_HOW}")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(request)
    except TimeoutError:
        raise Refused(408, f"the request was not sent within {BODY_SECONDS:.0f} s.") from None
    except ClientDisconnect:
        raise Refused(400, "the request was cut short.") from None
    if kind == _FORM:
        photos = await _of_form(request, body)
    else:
        photos = await asyncio.to_thread(_of_json, body)
    if not photos:
        raise Refused(400, f"there are no photographs in the request. {_HOW}")
    if long := [i for i, own in enumerate(photos) if len(own.name) > NAME.value]:
        raise Refused(
            400, f"the name of photograph {long[0]} has more than {NAME.value} characters."
        )
    return photos


async def _body(request: Request) -> bytes:
    most = REQUEST.value * MIB
    if int(_digits(request.headers.get("content-length"))) > most:
        raise _too_long()
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > most:
            raise _too_long()
    return bytes(found)


def _digits(text: str | None) -> str:
    return text if text and text.isascii() and text.isdecimal() and len(text) < 20 else "0"


def _too_long() -> Refused:
    return Refused(
        413, f"the request has more than {REQUEST.value} MiB. Send the photographs in several."
    )


def _require_few(n: int) -> None:
    if n > REQUEST_PHOTOS.value:
        raise Refused(
            413,
            f"there are more than {REQUEST_PHOTOS.value} photographs in the request. Send them in several.",
        )


async def _of_form(request: Request, body: bytes) -> list[PhotoFile]:
    async def content() -> AsyncGenerator[bytes, None]:
        yield body

    # one more than are taken, so that the refusal is this module's
    most = REQUEST_PHOTOS.value + 1
    parser = _InMemory(request.headers, content(), max_files=most, max_fields=most)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        if "Too many files" in str(error):
            _require_few(most)
        raise Refused(400, f"the form cannot be read: {_sentence(error)} {_HOW}") from None
    try:
        fields = form.multi_items()
        texts = list(
            dict.fromkeys(name for name, value in fields if not isinstance(value, UploadFile))
        )
        if texts:
            raise Refused(
                400, f"the field {texts[0][:100]!r} has a text, where a file is expected. {_HOW}"
            )
        files = [value for _, value in fields if isinstance(value, UploadFile)]
        _require_few(len(files))
        return [
            PhotoFile(await file.read(), file.filename or str(i)) for i, file in enumerate(files)
        ]
    finally:
        await form.close()


def _sentence(error: Exception) -> str:
    text = str(getattr(error, "message", error)) or type(error).__name__
    return f"{text.strip().rstrip('.')}."


def _of_json(body: bytes) -> list[PhotoFile]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"this is no JSON: {_sentence(error)} {_HOW}") from None
    listed = given.get("photos") if isinstance(given, dict) else None
    if not isinstance(listed, list):
        raise Refused(400, f"the JSON has no list `photos`. {_HOW}")
    if more := [key for key in given if key != "photos"]:
        raise Refused(400, f"unknown key {more[0][:100]!r}. {_HOW}")
    _require_few(len(listed))
    photos, problems = _of_list(listed)
    if problems:
        raise Refused(400, f"{len(problems)} of {len(listed)} photographs are no such.", problems)
    return photos


def _of_list(listed: Sequence[Any]) -> tuple[list[PhotoFile], list[tuple[str, str]]]:
    photos, problems = [], []
    for i, own in enumerate(listed):
        name = own.get("name", str(i)) if isinstance(own, dict) else str(i)
        shown = name if isinstance(name, str) else str(i)
        if not isinstance(own, dict) or not isinstance(own.get("data"), str):
            problems.append((shown, 'has no text `data`. Give {"name": ..., "data": "<base64>"}.'))
        elif not isinstance(name, str):
            problems.append((shown, "has a `name` that is no text."))
        elif more := [key for key in own if key not in ("name", "data")]:
            problems.append((shown, f"has an unknown key {more[0][:100]!r}. Known: name, data."))
        else:
            try:
                photos.append(PhotoFile(base64.b64decode(own["data"], validate=True), name))
            except (binascii.Error, ValueError) as error:
                problems.append((shown, f"`data` is no base64: {_sentence(error)}"))
    return photos, problems
