"""Keeping a workspace in a directory."""

from pathlib import Path

from app.sandbox.records import Message
from app.sandbox.store import Store
from app.sandbox.workspace import Workspace

GENERAL = "C0GENERAL1"


def opened(directory: Path) -> tuple[Workspace, Store]:
    store = Store(directory)
    return Workspace(lambda: 1_800_000_000.0, store), store


def post(workspace: Workspace, text: str) -> Message:
    ts = workspace.next_ts()
    return workspace.post(
        Message(channel_id=GENERAL, ts=ts, user_id="U0ANA00001", text=text)
    )


def test_a_line_cut_short_by_a_crash_costs_that_line_only(tmp_path: Path) -> None:
    workspace, store = opened(tmp_path)
    kept = post(workspace, "kept")
    post(workspace, "half")
    store.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    again, store = opened(tmp_path)
    store.close()
    assert again.messages(GENERAL) == [kept]
    assert again.next_ts() > kept.ts


def test_the_file_with_the_tokens_is_for_its_owner_only(tmp_path: Path) -> None:
    _, store = opened(tmp_path)
    store.close()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_has_grown_long_begins_again_with_what_counts(
    tmp_path: Path,
) -> None:
    workspace, store = opened(tmp_path)
    message = post(workspace, "hello")
    store._added = 19_998
    for name in ("eyes", "wave"):
        workspace.react(message, "U0BEN00001", name, added=True)
    (file,) = tmp_path.iterdir()
    assert sum('"message"' in line for line in file.read_text().splitlines()) == 1
    post(workspace, "after")
    store.close()
    again, store = opened(tmp_path)
    store.close()
    assert again.messages(GENERAL) == workspace.messages(GENERAL)
