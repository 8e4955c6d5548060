"""What the pages of a service answer, and what they refuse. Without Ray: its members are functions."""

from __future__ import annotations

import asyncio
import base64
import json
import re

import numpy as np
import pytest

from orchestrator.serving.page import page_of
from orchestrator.serving.refusals import Refused, no_answer
from orchestrator.serving.settings import Settings
from orchestrator.serving.token import digest_of
from tests.orchestrator.serving.asked import (
    CLASSES,
    Functions,
    Service,
    form,
    picture,
)

RED, GREEN = picture((200, 50, 0)), picture((0, 90, 10))
TOKEN = "0123456789abcdef0123456789abcdef"


def by_hand(colour: tuple[int, int, int]) -> list[float]:
    """0.75 of the shares of light, 0.25 of one third each."""
    return [0.75 * own / sum(colour) + 0.25 / 3 for own in colour]


def in_json(*photos: dict) -> bytes:
    return json.dumps({"photos": list(photos)}).encode()


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_files_of_a_form_are_answered_by_the_weighted_mean_of_all_members_in_their_order():
    service = Service()
    reply = service.predict(("a.png", RED), ("b.png", GREEN))
    assert reply.status == 200, reply.body
    first, second = reply.json["answers"]
    assert (first["name"], second["name"]) == ("a.png", "b.png")
    assert (first["answer"], second["answer"]) == ("red", "green")
    assert list(first["probabilities"]) == list(CLASSES)
    np.testing.assert_allclose(
        list(first["probabilities"].values()), by_hand((200, 50, 0)), atol=1e-6
    )
    np.testing.assert_allclose(
        list(second["probabilities"].values()), by_hand((0, 90, 10)), atol=1e-6
    )
    assert first["confidence"] == max(first["probabilities"].values())
    # both were asked about both at once
    assert sorted(service.members.asked) == [("plain", (2, 8, 8, 3)), ("shy", (2, 8, 8, 3))]


def test_base64_in_json_is_answered_as_files_are():
    service = Service()
    body = in_json({"name": "a.png", "data": encoded(RED)}, {"data": encoded(GREEN)})
    reply = service.now("POST", "/predict", body, content_type="application/json", chunks=7)
    of_form = service.predict(("a.png", RED), ("1", GREEN))
    assert reply.status == of_form.status == 200
    assert reply.json == of_form.json  # who has no name is a number


def test_every_photograph_that_is_none_is_named_and_nothing_is_half_answered():
    service = Service()
    reply = service.predict(("a.png", RED), ("b.txt", b"words"), ("c.png", RED[:60]), ("d", b""))
    assert reply.status == 400
    assert {own["name"]: own["problem"] for own in reply.json["problems"]}.keys() == {
        "b.txt",
        "c.png",
        "d",
    }
    assert reply.json["problems"][0]["problem"] == "is not an image."
    assert reply.json["problems"][2]["problem"] == "has zero bytes."
    assert reply.json["detail"].startswith(
        "3 of 4 photographs cannot be read, so none is answered. b.txt:"
    )
    assert service.members.asked == []


WRONG = {
    "no photographs": (b"", form()[1], 400, "the request"),
    "an empty form": (*form(), 400, "there are no photographs in the request"),
    "a text instead of a file": (
        b'--X\r\nContent-Disposition: form-data; name="photos"\r\n\r\na.jpg\r\n--X--\r\n',
        form()[1], 400, "the field 'photos' has a text, where a file is expected",
    ),
    "a form without its boundary": (form(("a", RED))[0], "multipart/form-data", 400, "boundary"),
    "another kind": (RED, "image/png", 415, "the content is image/png"),
    "no kind": (RED, "", 415, "of no kind"),
    "no JSON": (b"{", "application/json", 400, "this is no JSON"),
    "deep JSON": (b"[" * 100_000, "application/json", 400, "this is no JSON"),
    "JSON without photos": (b"[]", "application/json", 400, "has no list `photos`"),
    "an unknown key": (b'{"photos": [], "vote": 1}', "application/json", 400, "unknown key 'vote'"),
    "an empty list": (in_json(), "application/json", 400, "there are no photographs"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_request_that_is_none_is_refused_with_what_to_send(what):
    body, kind, status, words = WRONG[what]
    reply = Service().now("POST", "/predict", body, content_type=kind)
    assert reply.status == status, reply.body
    if what != "no photographs":
        assert words in reply.json["detail"]
    assert "curl -F photos=@a.jpg" in reply.json["detail"]


def test_all_that_is_wrong_with_a_list_is_said_at_once():
    body = in_json(
        {"name": "a", "data": "no base64!"},
        {"name": "b"},
        {"data": "", "dta": ""},
        {"name": 1, "data": ""},
    )
    reply = Service().now("POST", "/predict", body, content_type="application/json")
    assert reply.status == 400
    found = {own["name"]: own["problem"] for own in reply.json["problems"]}
    assert list(found) == ["a", "b", "2", "3"]
    assert "no base64" in found["a"]
    assert "no text `data`" in found["b"]
    assert "unknown key 'dta'" in found["2"]
    assert "`name` that is no text" in found["3"]


def test_a_request_is_bounded_in_bytes_photographs_and_pixels(monkeypatch):
    monkeypatch.setenv("ENSEMBLE_MAX_REQUEST_MIB", "1")
    monkeypatch.setenv("ENSEMBLE_MAX_REQUEST_PHOTOS", "2")
    monkeypatch.setenv("ENSEMBLE_MAX_REQUEST_MEGAPIXELS", "2")
    service = Service()
    assert service.predict(("a", RED), ("b", RED)).status == 200
    few = service.predict(("a", RED), ("b", RED), ("c", RED))
    assert (few.status, "more than 2 photographs" in few.json["detail"]) == (413, True)
    body = in_json(*[{"data": encoded(RED)}] * 3)
    assert service.now("POST", "/predict", body, content_type="application/json").status == 413
    long = service.predict(("a", b"x" * 2**20))
    assert (long.status, "more than 1 MiB" in long.json["detail"]) == (413, True)
    large = service.predict(("a", picture((1, 2, 3), (2000, 1001))))
    assert large.status == 413
    assert large.json["problems"] == [
        {"name": "a", "problem": "has 2.0 megapixels, and at most 2 are taken. Shrink it."}
    ]
    # one that is broken as well: the request is wrong, not only large
    assert service.predict(("a", picture((1, 2, 3), (2000, 1001))), ("b", b"x")).status == 400


def test_what_says_that_it_is_too_long_is_not_read(monkeypatch):
    monkeypatch.setenv("ENSEMBLE_MAX_REQUEST_MIB", "1")
    reply = Service().now(
        "POST", "/predict", b"", content_type=form()[1], content_length="99999999"
    )
    assert reply.status == 413


def test_a_file_is_bounded_on_its_own(monkeypatch):
    monkeypatch.setenv("ENSEMBLE_MAX_REQUEST_FILE_MIB", "1")
    reply = Service().predict(("a.png", RED + b"\0" * 2**20))
    assert reply.status == 413
    assert "has 1.0 MiB, and at most 1 MiB are taken" in reply.json["detail"]


def test_who_comes_beyond_the_queue_is_sent_away_and_told_when_to_come_back():
    async def scene() -> tuple:
        hold = asyncio.Event()
        service = Service(Functions(hold), Settings(queue=2))
        body, kind = form(("a", RED))

        async def ask():
            return await service.ask("POST", "/predict", body, content_type=kind)

        inside = [asyncio.create_task(ask()) for _ in range(2)]
        while len(service.members.asked) < 4:
            await asyncio.sleep(0.01)
        beyond = await ask()
        well = await service.ask("GET", "/healthz")
        hold.set()
        return beyond, well, [await own for own in inside], await ask()

    beyond, well, inside, later = asyncio.run(scene())
    assert (beyond.status, beyond.headers["retry-after"]) == (503, "1")
    assert "2 requests are being answered already" in beyond.json["detail"]
    assert well.status == 200  # a full service is not a sick one
    assert [own.status for own in [*inside, later]] == [200] * 3


def test_a_member_that_cannot_be_had_is_a_503_and_one_that_fails_a_500():
    away = Service(Functions(failing={"shy": no_answer("shy", 60)})).predict(("a", RED))
    assert (away.status, away.headers["retry-after"]) == (503, "1")
    assert "the member shy did not answer" in away.json["detail"]
    failed = Service(Functions(failing={"shy": ZeroDivisionError("/secret/path")})).predict(
        ("a", RED)
    )
    assert (failed.status, failed.json) == (
        500,
        {"detail": "the service failed: ZeroDivisionError"},
    )


def test_health_is_that_of_all_members():
    assert Service().now("GET", "/healthz").json == {
        "status": "healthy", "members": {"plain": "ready", "shy": "ready"},
    }  # fmt: skip
    sick = Service(Functions(failing={"shy": Refused(503, "is being started")})).now(
        "GET", "/healthz"
    )
    assert sick.status == 503
    assert sick.json == {
        "status": "unhealthy", "members": {"plain": "ready", "shy": "is being started"},
    }  # fmt: skip


def test_metadata_tell_classes_members_the_vote_and_its_honest_scores():
    found = Service().now("GET", "/metadata").json
    assert found["ensemble"] == "colours"
    assert found["classes"] == list(CLASSES)
    assert {own["name"]: own["weight"] for own in found["members"]} == {"plain": 0.75, "shy": 0.25}
    assert found["vote"]["estimate"] == {"accuracy": 0.9, "standard_error": {"accuracy": 0.02}}
    assert found["versions"].keys() >= {"ensemble", "ray", "torch"}
    assert "/nowhere" not in json.dumps(found)


def test_metrics_count_what_happened():
    service = Service()
    service.predict(("a", RED), ("b", GREEN))
    service.predict(("a", b"x"))
    text = service.now("GET", "/metrics").body.decode()
    for line in (
        'ensemble_requests_total{status="200"} 1.0', 'ensemble_requests_total{status="400"} 1.0',
        "ensemble_photographs_total 2.0", "ensemble_requests_inside 0.0",
        'ensemble_member_forward_seconds_total{member="shy"} 0.25',
        'ensemble_member_batch_photographs_sum{member="plain"} 2.0',
    ):  # fmt: skip
        assert line in text.splitlines()


def test_with_a_token_only_who_has_it_predicts_and_reads_figures():
    service = Service(settings=Settings(digest=digest_of(TOKEN)))
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"},
                   {"authorization": TOKEN}, {"authorization": f"Bearer {TOKEN}x"}):  # fmt: skip
        for reply in (service.predict(("a", RED), **header), service.now("GET", "/metadata", **header),
                      service.now("GET", "/metrics", **header)):  # fmt: skip
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert service.members.asked == []
    right = {"authorization": f"Bearer {TOKEN}"}
    assert service.predict(("a", RED), **right).status == 200
    assert service.now("GET", "/metrics", **right).status == 200
    assert service.now("GET", "/healthz").status == 200  # for those who look whether it lives
    assert TOKEN not in repr(service.settings)


def test_the_page_shows_all_paths_and_loads_nothing_from_elsewhere():
    service = Service()
    description = service.now("GET", "/openapi.json").json
    assert set(description["paths"]) == {"/predict", "/healthz", "/metadata", "/metrics"}
    content = description["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/json"}
    assert set(description["paths"]["/predict"]["post"]["responses"]) == {
        "200", "400", "401", "408", "413", "415", "503",
    }  # fmt: skip
    page = service.now("GET", "/docs").body.decode()
    for path in description["paths"]:
        assert path in page
    assert not re.findall(r"(?:src|href)=.?(?:https?:)?//", page)
    assert 'type="password"' not in page
    assert 'type="password"' in page_of(description, token=True)
