"""The memory of evicted keys."""

from __future__ import annotations

from stillroom.stores.ghost import Ghost


def test_nothing_is_remembered_at_first() -> None:
    assert not Ghost().forget(1)


def test_a_key_is_remembered_once() -> None:
    ghost = Ghost()
    ghost.remember(1, 10)
    assert not ghost.forget(2)
    assert ghost.forget(1)
    assert not ghost.forget(1)


def test_a_window_of_nothing_remembers_nothing() -> None:
    ghost = Ghost()
    ghost.remember(1, 0)
    assert not ghost.forget(1)


def test_it_remembers_about_as_many_as_it_is_asked_to() -> None:
    ghost, window = Ghost(), 9_000
    for key in range(50_000):
        ghost.remember(hash((key, 7)), window)
    kept = [key for key in range(50_000) if ghost.forget(hash((key, 7)))]
    assert 0.95 * window < len(kept) <= 1.01 * window
    assert len([key for key in kept if key >= 50_000 - window]) > 0.8 * window
    assert min(kept) > 50_000 - 4 * window


def test_it_grows_with_the_window() -> None:
    ghost = Ghost()
    for key in range(1_000):
        ghost.remember(hash((key, 7)), key)
    assert sum(ghost.forget(hash((key, 7))) for key in range(1_000)) > 100


def test_negative_hashes_are_keys_like_any_other() -> None:
    ghost = Ghost()
    ghost.remember(-5, 10)
    assert ghost.forget(-5)
