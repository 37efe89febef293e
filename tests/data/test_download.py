"""Downloads from mirrors on this machine that break off, lie, stall, or are not there."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import threading

import pytest

from dlgraph.data import catalogue, download, mnist, mnist_or_digits, places
from dlgraph.errors import DataError, MissingPackageError

from .test_places import IMAGES, LABELS, assert_small


def assert_clean(cache, small):
    """Exactly the four files, with the right bytes."""
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == small.files


def test_a_download_fills_the_cache_once(small, cache, mirrors):
    data = mnist()
    assert_small(data, small)
    assert_clean(cache, small)
    assert data.source.startswith("the cache, downloaded from 127.0.0.1:")
    assert sorted(mirrors[0].gets()) == [0, 0, 0, 0] and not mirrors[1].gets()
    before = len(mirrors[0].asked)
    assert mnist().source == "the cache" and len(mirrors[0].asked) == before


def test_only_what_is_missing_or_damaged_is_fetched(small, cache, mirrors):
    small.write(cache)
    (cache / LABELS).unlink()
    (cache / IMAGES).write_bytes(b"damaged")
    assert_small(mnist(), small)
    assert [name for how, name, _ in mirrors[0].asked if how == "GET"] == [IMAGES, LABELS]
    assert_clean(cache, small)


def test_a_broken_connection_is_continued(small, cache, mirrors):
    mirrors[0].behaviour[IMAGES] = "half once"
    assert_small(mnist(), small)
    half = len(small.files[IMAGES]) // 2
    start, again = mirrors[0].gets(IMAGES)
    assert start == 0 and half - download.CHUNK < again <= half
    assert_clean(cache, small)


def test_what_one_mirror_began_another_completes(small, cache, mirrors):
    mirrors[0].behaviour[IMAGES] = "half"
    assert_small(mnist(), small)
    assert len(mirrors[0].gets(IMAGES)) == download.ATTEMPTS
    (first,) = mirrors[1].gets(IMAGES)
    assert first > len(small.files[IMAGES]) * 3 // 4  # each attempt brought half of the rest
    assert not mirrors[0].gets(LABELS)  # a mirror that failed is not asked again
    assert_clean(cache, small)


def test_a_failed_download_keeps_what_it_has_and_goes_on_next_time(small, cache, mirrors):
    for mirror in mirrors:
        mirror.behaviour[IMAGES] = "half"
    with pytest.raises(DataError, match="no mirror could deliver it") as caught:
        mnist()
    assert f"{IMAGES}: broke off" in caught.value.extra["asked"]
    assert not (cache / IMAGES).exists()
    (part,) = cache.glob("*.part")
    held = part.stat().st_size
    for mirror in mirrors:
        mirror.behaviour.clear()
        mirror.asked.clear()
    assert_small(mnist(), small)
    assert mirrors[0].gets(IMAGES) == [held] and held > 0
    assert_clean(cache, small)


def test_a_killed_process_leaves_no_wrong_file_and_is_continued(small, cache, mirrors):
    mirrors[0].behaviour[IMAGES] = "stall"
    script = """
import json, pathlib, sys
from dlgraph.data import catalogue, mnist, places
given = json.loads(sys.argv[1])
record = catalogue.RECORDS["mnist"]
files = tuple(
    catalogue.File(f["name"], catalogue.Sum(*f["packed"]), tuple(f["shape"]), f["plain_sha256"])
    for f in given["files"]
)
catalogue.RECORDS["mnist"] = catalogue.Record(
    record.name, record.call, record.folder, files, tuple(given["mirrors"]), record.classes, ""
)
places.cache_folder = lambda: pathlib.Path(sys.argv[2])
mnist()
"""
    given = json.dumps(dataclasses.asdict(small.record))
    process = subprocess.Popen([sys.executable, "-c", script, given, str(cache.parent)])
    try:
        assert mirrors[0].half_sent.wait(60)
        half = len(small.files[IMAGES]) // 2
        for _ in range(600):
            parts = list(cache.glob("*.part"))
            if parts and parts[0].stat().st_size > half - download.CHUNK:
                break
            threading.Event().wait(0.05)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    (part,) = cache.iterdir()
    held = part.stat().st_size
    assert part.suffix == ".part" and half - download.CHUNK < held <= half
    os.utime(part, (0, 0))  # as if the idle time had passed
    mirrors[0].go_on.set()
    mirrors[0].behaviour.clear()
    mirrors[0].asked.clear()
    assert_small(mnist(), small)
    assert mirrors[0].gets(IMAGES) == [held]
    assert_clean(cache, small)


def test_an_interrupted_download_can_be_continued_at_once(small, cache, mirrors, monkeypatch):
    def interrupt(body, chunk):
        body.stream.write(chunk[:1000])
        body.stream.flush()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download._Body, "write", interrupt)
        mnist()
    mirrors[0].asked.clear()
    assert_small(mnist(), small)
    assert mirrors[0].gets(IMAGES) == [1000]
    assert_clean(cache, small)


def test_a_partial_file_in_use_is_left_alone_and_an_old_one_is_removed(small, cache, mirrors):
    cache.mkdir(parents=True)
    in_use, old = cache / f"{IMAGES}.aaaa.part", cache / "something-else.bbbb.part"
    in_use.write_bytes(small.files[IMAGES][:5000])
    old.write_bytes(b"left behind")
    os.utime(old, (0, 0))
    assert_small(mnist(), small)
    assert mirrors[0].gets(IMAGES) == [0]
    assert in_use.exists() and not old.exists()
    os.utime(in_use, (0, 0))
    mnist()  # reading from the cache cleans up, too
    assert_clean(cache, small)


@pytest.mark.parametrize("start", [b"not what the file starts with", b"\0" * 999_999])
def test_a_wrong_partial_file_costs_one_attempt_more(small, cache, mirrors, start):
    cache.mkdir(parents=True)
    part = cache / f"{IMAGES}.aaaa.part"
    part.write_bytes(start)
    os.utime(part, (0, 0))
    assert_small(mnist(), small)
    assert mirrors[0].gets(IMAGES)[-1] == 0
    assert_clean(cache, small)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("flipped", "SHA-256"),
        ("page", "offered 26 bytes where the file has"),
        ("endless", "sent more than the"),
        ("404", "answered 404 Not Found"),
        ("503", "answered 503"),
    ],
)
def test_a_mirror_that_sends_something_else_is_passed_over(
    small, cache, mirrors, behaviour, reason
):
    mirrors[0].behaviour[""] = behaviour
    assert_small(mnist(), small)
    assert mirrors[0].gets() == [0]  # once, and not again for the other files
    assert len(mirrors[1].gets(IMAGES)) == 1 + (behaviour == "endless")
    assert_clean(cache, small)
    (cache / IMAGES).unlink()
    mirrors[1].behaviour[""] = behaviour
    with pytest.raises(DataError) as caught:
        mnist()
    assert reason in caught.value.extra["asked"]
    assert not (cache / IMAGES).exists()


@pytest.mark.parametrize("behaviour", ["no ranges", "unsatisfiable"])
def test_a_mirror_that_cannot_continue_starts_from_zero(small, cache, mirrors, behaviour):
    cache.mkdir(parents=True)
    part = cache / f"{IMAGES}.aaaa.part"
    part.write_bytes(small.files[IMAGES][:5000])
    os.utime(part, (0, 0))
    mirrors[0].behaviour[IMAGES] = behaviour
    assert_small(mnist(), small)
    assert not mirrors[1].gets(IMAGES)
    assert_clean(cache, small)


def test_a_file_labelled_as_gzip_encoded_is_not_unpacked(small, cache, mirrors):
    mirrors[0].behaviour[""] = "labelled"
    assert_small(mnist(), small)
    assert not mirrors[1].gets()
    assert_clean(cache, small)


def test_a_silent_mirror_is_asked_once(small, cache, mirrors, hurry):
    mirrors[0].behaviour[""] = "silent"
    assert_small(mnist(), small)
    assert [how for how, _, _ in mirrors[0].asked] == ["HEAD"]
    assert_clean(cache, small)


def test_all_silent_is_no_network(small, cache, mirrors, hurry):
    for mirror in mirrors:
        mirror.behaviour[""] = "silent"
    with pytest.raises(DataError, match="no mirror can be reached") as caught:
        mnist()
    assert caught.value.extra["asked"].count("no answer within 0.2 s") == 2
    assert [len(mirror.asked) for mirror in mirrors] == [1, 1]
    assert not cache.exists()


def test_a_mirror_that_stalls_is_left_for_the_next(small, cache, mirrors, hurry):
    mirrors[0].behaviour[IMAGES] = "stall"
    assert_small(mnist(), small)
    assert mirrors[1].gets(IMAGES)[0] > 0
    assert_clean(cache, small)


def test_two_downloads_at_once_do_not_disturb_each_other(small, cache, mirrors):
    results = []
    threads = [threading.Thread(target=lambda: results.append(mnist())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for data in results:
        assert_small(data, small)
    assert_clean(cache, small)


def test_damage_in_the_cache_is_repaired_or_reported(small, cache, mirrors):
    small.write(cache)
    (cache / LABELS).write_bytes(b"damaged")
    with pytest.raises(DataError) as caught:
        mnist(download=False)
    assert f"{LABELS} is not the published file, or is damaged" in caught.value.extra["looked 2"]
    assert (cache / LABELS).read_bytes() == b"damaged"
    assert_small(mnist(), small)
    assert_clean(cache, small)


def test_a_cache_that_cannot_be_written_is_a_data_error(small, cache, mirrors):
    cache.parent.write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match="MNIST cannot be stored in"):
        mnist()
    assert "cannot be stored" in mnist_or_digits(say=None).why


@pytest.mark.parametrize("package", ["pooch", "platformdirs"])
def test_without_the_packages_the_error_says_what_to_install(small, monkeypatch, mirrors, package):
    if package == "platformdirs":
        monkeypatch.undo()  # the real cache_folder
        monkeypatch.delenv("DLGRAPH_DATA", raising=False)
        monkeypatch.setitem(catalogue.RECORDS, "mnist", small.record)
        monkeypatch.setitem(sys.modules, "platformdirs", None)
        assert places.cache_folder() is None
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingPackageError, match="the package pooch") as caught:
        mnist()
    assert 'pip install "dlgraph[data]"' in caught.value.extra["way 3"]
    assert "dg.data.digits() works now" in caught.value.hint
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "sklearn" else find(n))
    with pytest.raises(MissingPackageError) as caught:
        mnist()
    assert caught.value.hint is None  # no digits either
    assert len(mnist_or_digits(say=None)) == 1797
    assert not mirrors[0].asked


def test_a_missing_progress_bar_does_not_stop_a_download(small, cache, mirrors, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.std", None)
    assert_small(mnist(), small)


def test_the_bar_counts_the_bytes_of_the_whole_file(small, cache, mirrors, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, text, total, *, done, unit):
            self.text, self.total, self.shown, self.closed = text, total, done, False
            bars.append(self)

        def update(self, count):
            self.shown += count

        def close(self):
            self.closed = True

    monkeypatch.setattr(download, "bar", Bar)
    mirrors[0].behaviour[IMAGES] = "half once"
    mnist()
    assert [bar.text for bar in bars[:2]] == [f"MNIST {IMAGES}"] * 2
    assert [bar.shown / bar.total > 0.99 for bar in bars[:3]] == [False, True, True]
    assert all(bar.closed for bar in bars)
