"""The person is kept and the rest is black: measured on drawn people whose outline is known."""

from __future__ import annotations

import numpy as np
import pytest

from members.errors import BadInput
from members.pixels import background
from members.samples.drawing import portrait
from members.samples.drawing.person import person
from members.samples.people import KINDS


def drawn(number: int, monkeypatch, size=(256, 192)) -> tuple[np.ndarray, np.ndarray]:
    """A drawn person's photo, and which pixels are person: where no wall shines through.

    The same drawing is made before a black and before a white wall; where the two agree, there
    is a person in front.
    """
    room = portrait.room
    photos = []
    for wall in (None, 0, 255):

        def painted(sheet, who, rng, wall=wall):
            room(sheet, who, rng)  # draws the same random numbers each time
            if wall is not None:
                sheet[...] = wall

        monkeypatch.setattr(portrait, "room", painted)
        who = person(np.random.default_rng([number, 0]), number % 2 == 0, 18 + number * 7 % 43)
        kind = KINDS[number % 7]
        photos.append(portrait.photo(who, kind, np.random.default_rng([number, 1]), size))
    monkeypatch.setattr(portrait, "room", room)
    photo, black, white = photos
    shining = white.astype(int).mean(axis=2) - black.astype(int).mean(axis=2)
    return photo, shining < 0.5 * np.quantile(shining, 0.99)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return (one & other).sum() / (one | other).sum()


def test_the_person_kept_is_the_person_drawn(monkeypatch):
    scores = []
    for number in range(300, 330):
        photo, truth = drawn(number, monkeypatch)
        outline = background.outline(photo)
        assert outline.shape == truth.shape
        scores.append(overlap(outline > 0.5, truth))
    assert np.mean(scores) > 0.97
    assert np.sort(scores)[3] > 0.9  # nine in ten


def test_large_photos_are_cut_as_well_as_small_ones(monkeypatch):
    for number in (301, 304):
        photo, truth = drawn(number, monkeypatch, size=(768, 576))
        assert overlap(background.outline(photo) > 0.5, truth) > 0.95


def test_what_is_kept_keeps_its_colours_the_rest_is_black_and_the_edge_between_is_soft(monkeypatch):
    photo, truth = drawn(302, monkeypatch, size=(512, 384))
    cut, kept = background.without_background(photo)
    outline = background.outline(photo)
    assert cut.dtype == np.uint8
    assert (cut[outline == 1] == photo[outline == 1]).all()
    assert (cut[outline == 0] == 0).all()
    edge = (outline > 0) & (outline < 1)
    assert 0 < edge.mean() < 0.1
    assert kept == pytest.approx(truth.mean(), abs=0.05)


def test_a_photo_comes_out_the_same_whatever_was_cut_before(monkeypatch):
    photo, _ = drawn(303, monkeypatch)
    first, _ = background.without_background(photo)
    background.without_background(drawn(304, monkeypatch)[0])
    np.random.default_rng(0).standard_normal(5)
    second, _ = background.without_background(photo)
    assert (first == second).all()


def test_a_mask_of_the_colour_of_the_wall_leaves_no_hole_in_the_person():
    """White mask before a white wall: what the person surrounds belongs to the person."""
    photo = np.full((256, 192, 3), 235, np.uint8)
    y, x = np.mgrid[:256, :192]
    photo[((y - 115) / 85) ** 2 + ((x - 96) / 60) ** 2 < 1] = (150, 105, 85)
    photo[(y > 190) & (abs(x - 96) < 40)] = (150, 105, 85)
    truth = (photo != 235).any(axis=2)
    photo[(abs(y - 140) < 30) & (abs(x - 96) < 36)] = 235
    rng = np.random.default_rng(0)
    photo = np.clip(photo + rng.normal(0, 4, photo.shape), 0, 255).astype(np.uint8)
    assert overlap(background.outline(photo) > 0.5, truth) > 0.95


@pytest.mark.parametrize("shape", [(16, 16), (16, 300), (300, 16), (40, 30), (257, 100)])
def test_pictures_of_any_shape_and_without_any_contrast_are_cut_without_complaint(shape):
    for level in (0, 128, 255):
        cut, kept = background.without_background(np.full((*shape, 3), level, np.uint8))
        assert cut.shape == (*shape, 3)
        assert 0 < kept < 1


def test_a_picture_of_a_few_pixels_is_refused():
    with pytest.raises(BadInput, match="each side needs 16"):
        background.outline(np.zeros((15, 40, 3), np.uint8))
