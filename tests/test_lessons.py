"""Copying lessons: everything arrives, nothing of the learner's is ever changed."""

import errno
import json
import os

import pytest

from dlgraph import lessons
from dlgraph.errors import DlgraphError

ONE, TWO, RC = "01_one.ipynb", "02_two.ipynb", "matplotlibrc"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "packaged"
    (folder / "images").mkdir(parents=True)
    (folder / ONE).write_bytes(b"lesson one, first edition")
    (folder / TWO).write_bytes(b"lesson two")
    (folder / RC).write_bytes(b"svg.hashsalt: dlgraph\n")
    (folder / "images" / "a.svg").write_bytes(b"<svg/>")
    for hidden in (".ipynb_checkpoints", "__pycache__"):
        (folder / hidden).mkdir()
        (folder / hidden / ONE).write_bytes(b"not a lesson")
    return folder


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "mine"


def contents(folder):
    """Every file below `folder` with its bytes, dlgraph's record left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != lessons.RECORD
    }


def test_all_files_arrive_and_hidden_ones_stay(source, mine):
    copied = lessons.copy_lessons(mine, source)
    assert copied.added == (ONE, TWO, "images/a.svg", RC)
    assert copied.kept == copied.outdated == ()
    assert contents(mine) == {
        ONE: b"lesson one, first edition",
        TWO: b"lesson two",
        RC: b"svg.hashsalt: dlgraph\n",
        "images/a.svg": b"<svg/>",
    }


def test_second_copy_changes_nothing_and_reports_nothing(source, mine):
    lessons.copy_lessons(mine, source)
    (mine / ONE).write_bytes(b"my own work")
    before = contents(mine)
    copied = lessons.copy_lessons(mine, source)
    assert contents(mine) == before
    assert copied.added == () and copied.outdated == ()
    assert copied.kept == (ONE, TWO, "images/a.svg", RC)


def test_a_notebook_arrives_without_its_outputs(source, mine):
    """They would give away what the learner is asked to guess, with numbers of another machine."""
    code = {
        "cell_type": "code",
        "execution_count": 7,
        "metadata": {"tags": ["look"]},
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "23"}],
        "source": ["print(y)  # ∂y"],
    }
    text = {"cell_type": "markdown", "metadata": {}, "source": ["**Predict.**"]}
    stored = {"cells": [text, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (source / ONE).write_text(json.dumps(stored), encoding="utf-8")
    copied = lessons.copy_lessons(mine, source)
    found = json.loads((mine / ONE).read_text(encoding="utf-8"))
    assert found == {**stored, "cells": [text, {**code, "execution_count": None, "outputs": []}]}
    assert lessons.fresh_copy(mine, "01", source).read_bytes() == (mine / ONE).read_bytes()
    code["outputs"] = []  # the edition is another one only if more than its outputs are
    (source / ONE).write_text(json.dumps(stored), encoding="utf-8")
    assert lessons.copy_lessons(mine, source).outdated == ()
    assert copied.outdated == ()


def test_new_lesson_is_added_beside_the_learners(source, mine):
    lessons.copy_lessons(mine, source)
    (source / "03_three.ipynb").write_bytes(b"lesson three")
    (mine / TWO).unlink()
    copied = lessons.copy_lessons(mine, source)
    assert copied.added == (TWO, "03_three.ipynb")
    assert (mine / "03_three.ipynb").read_bytes() == b"lesson three"


def test_changed_lesson_is_reported_until_a_fresh_copy_is_asked_for(source, mine):
    lessons.copy_lessons(mine, source)
    (mine / ONE).write_bytes(b"my own work")
    (source / ONE).write_bytes(b"lesson one, second edition")
    for _ in range(2):
        assert lessons.copy_lessons(mine, source).outdated == (ONE,)
    assert (mine / ONE).read_bytes() == b"my own work"


def test_untouched_copy_of_an_old_edition_is_kept_too(source, mine):
    lessons.copy_lessons(mine, source)
    (source / ONE).write_bytes(b"lesson one, second edition")
    assert lessons.copy_lessons(mine, source).outdated == (ONE,)
    assert (mine / ONE).read_bytes() == b"lesson one, first edition"


def test_learner_who_took_the_new_edition_hears_no_more(source, mine):
    lessons.copy_lessons(mine, source)
    (source / ONE).write_bytes(b"lesson one, second edition")
    (mine / ONE).write_bytes(b"lesson one, second edition")
    assert lessons.copy_lessons(mine, source).outdated == ()
    (mine / ONE).write_bytes(b"and then worked on it")
    assert lessons.copy_lessons(mine, source).outdated == ()


@pytest.mark.parametrize("record", [b"", b"\xff\xfe", b"[]", b"{", None])
def test_broken_record_loses_nothing(source, mine, record):
    lessons.copy_lessons(mine, source)
    (mine / ONE).write_bytes(b"my own work")
    if record is None:
        (mine / lessons.RECORD).unlink()
    else:
        (mine / lessons.RECORD).write_bytes(record)
    copied = lessons.copy_lessons(mine, source)
    assert copied.outdated == (ONE,)  # it cannot be known whether the lesson changed
    assert (mine / ONE).read_bytes() == b"my own work"


def test_original_folder_is_left_as_it_is(source):
    before = contents(source)
    copied = lessons.copy_lessons(source, source)
    assert copied.added == () and contents(source) == before
    assert not (source / lessons.RECORD).exists()


def test_fresh_copies_get_names_of_their_own(source, mine):
    lessons.copy_lessons(mine, source)
    (mine / ONE).write_bytes(b"my own work")
    names = [lessons.fresh_copy(mine, "01", source).name for _ in range(3)]
    assert names == ["01_one-fresh.ipynb", "01_one-fresh-2.ipynb", "01_one-fresh-3.ipynb"]
    assert (mine / ONE).read_bytes() == b"my own work"
    assert (mine / names[2]).read_bytes() == b"lesson one, first edition"


@pytest.mark.parametrize(("text", "said"), [("9", "is no lesson"), ("0", "fits"), ("", "is no")])
def test_unclear_lesson_is_refused_with_the_list(source, mine, text, said):
    with pytest.raises(DlgraphError, match=said) as caught:
        lessons.fresh_copy(mine, text, source)
    assert ONE in caught.value.hint and TWO in caught.value.hint
    assert not mine.exists()


def test_folder_that_is_a_file(source, mine):
    mine.write_text("my essay")
    with pytest.raises(DlgraphError, match="is a file, not a folder"):
        lessons.copy_lessons(mine, source)
    with pytest.raises(DlgraphError, match="is a file, not a folder"):
        lessons.copy_lessons(mine / "below", source)
    with pytest.raises(DlgraphError, match="is a file, not a folder"):
        lessons.fresh_copy(mine, "01", source)
    assert mine.read_text() == "my essay"


def test_folder_that_cannot_be_written(source, mine, monkeypatch):
    def refuse(path, data):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(lessons, "_write_through", refuse)
    with pytest.raises(DlgraphError, match="Permission denied") as caught:
        lessons.copy_lessons(mine, source)
    assert "choose a folder that you may write to" in caught.value.hint


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is read-only for root"
)
def test_read_only_folder(source, mine):
    mine.mkdir(mode=0o500)
    with pytest.raises(DlgraphError, match="cannot write the lessons"):
        lessons.copy_lessons(mine, source)


def test_interrupted_copy_leaves_no_half_file_and_is_finished_later(source, mine, monkeypatch):
    whole = lessons._write_through

    def full_disk(path, data):
        if TWO in path.name:
            path.write_bytes(data[:3])
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, data)

    monkeypatch.setattr(lessons, "_write_through", full_disk)
    with pytest.raises(DlgraphError, match="No space left"):
        lessons.copy_lessons(mine, source)
    assert contents(mine) == {ONE: b"lesson one, first edition"}
    monkeypatch.undo()
    assert TWO in lessons.copy_lessons(mine, source).added
    assert (mine / TWO).read_bytes() == b"lesson two"


def test_someone_quicker_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / ONE
    write = lessons._write_through

    def write_and_lose_the_race(part, data):
        write(part, data)
        path.write_bytes(b"quicker")

    monkeypatch.setattr(lessons, "_write_through", write_and_lose_the_race)
    assert not lessons.write_new(path, b"slower")
    assert contents(tmp_path) == {ONE: b"quicker"}


def test_file_system_without_hard_links(source, mine, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert len(lessons.copy_lessons(mine, source).added) == 4
    assert not lessons.write_new(mine / ONE, b"again")
    assert (mine / ONE).read_bytes() == b"lesson one, first edition"


def test_dangling_link_and_folder_in_the_way_are_kept(source, mine):
    mine.mkdir()
    (mine / ONE).mkdir()
    (mine / TWO).symlink_to(mine / "nowhere")
    copied = lessons.copy_lessons(mine, source)
    assert set(copied.kept) == {ONE, TWO}
    assert (mine / ONE).is_dir() and (mine / TWO).is_symlink()
    assert not (mine / "nowhere").exists()


def test_record_names_the_packaged_version(source, mine):
    lessons.copy_lessons(mine, source)
    record = json.loads((mine / lessons.RECORD).read_text())
    assert set(record) == {ONE, TWO, RC, "images/a.svg"}


def test_no_lessons_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "PACKAGE", tmp_path / "site" / "dlgraph")
    with pytest.raises(DlgraphError, match="holds no lessons"):
        lessons.lesson_source()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DlgraphError, match="holds no lesson"):
        lessons.lesson_notebooks(tmp_path / "empty")


def test_packaged_lessons_win_over_a_folder_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "PACKAGE", tmp_path / "dlgraph")
    (tmp_path / "notebooks").mkdir()
    assert lessons.lesson_source() == tmp_path / "notebooks"
    (tmp_path / "dlgraph" / "_lessons").mkdir(parents=True)
    assert lessons.lesson_source() == tmp_path / "dlgraph" / "_lessons"
