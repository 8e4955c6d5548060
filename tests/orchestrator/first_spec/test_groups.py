"""Names say which photographs belong together only where they repeat as views of one thing do."""

from __future__ import annotations

from orchestrator.first_spec.groups import guess


def named(pattern: str, groups: int, each: int) -> list[str]:
    return [pattern.format(g=g, i=i) for g in range(groups) for i in range(each)]


def test_views_of_one_thing_are_sure():
    found = guess(named("c/cell{g:02}_{i}.jpg", 20, 3), ["a", "b"])
    assert found is not None
    assert (found.rule, found.count, found.mean, found.sure) == ("all_but_last_part", 20, 3.0, True)
    assert found.examples[0] == "cell00: cell00_0.jpg, cell00_1.jpg, cell00_2.jpg"


def test_the_last_part_alone_is_the_view():
    found = guess(named("person-{g}_{i}.jpg", 20, 3), ["a", "b"])
    assert found is not None
    assert found.rule == "all_but_last_part"
    assert found.sure


def test_numbers_that_go_on_name_no_groups():
    assert guess([f"{i:05}.jpg" for i in range(300)], ["a", "b"]) is None
    assert guess([f"IMG_{i:05}.jpg" for i in range(300)], ["a", "b"]) is None


def test_the_class_in_a_name_is_no_group():
    names = [f"{own}/{own}_{i}.jpg" for own in ("cat", "dog") for i in range(100)]
    assert guess(names, ["cat", "dog"]) is None


def test_a_day_is_perhaps_a_group():
    """What follows the day is another time each, so nothing says that a day is one thing."""
    names = [f"IMG_202401{day:02}_{100 * day + i:06}.jpg" for day in range(1, 21) for i in range(4)]
    found = guess(names, ["a", "b"])
    assert found is not None
    assert not found.sure


def test_kinds_of_many_photos_each_are_not_sure():
    found = guess(named("kind{g}_s_{i:06}.png", 20, 100), ["a", "b"])
    assert found is not None
    assert not found.sure


def test_a_few_words_are_no_groups():
    assert guess(named("w{g}_{i}.jpg", 5, 50), ["a", "b"]) is None
