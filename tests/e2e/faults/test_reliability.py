"""The page of what was survived keeps what was not run again."""

from pathlib import Path

from tests.e2e.faults.reliability import Machine, Reliability, Row, where


def test_a_fault_that_is_tried_again_replaces_its_row_and_the_others_stay(tmp_path: Path) -> None:
    page, kept = tmp_path / "page.md", tmp_path / "kept.json"
    first = Reliability()
    first.survived("Disk", "full", "Failed", 12)
    first.survived("Clock", "back", "Completed")
    first.soaked(["50 retrainings"])
    first.write(page, kept)
    second = Reliability()
    second.survived("Disk", "full", "Failed; the next went on", 9.6)
    second.survived("Disk", "gone", "Failed", 3)
    second.write(page, kept)
    text = page.read_text()
    assert "| full | Failed; the next went on | 10 |\n| gone | Failed | 3 |" in text
    assert "| back | Completed | - |" in text and "50 retrainings" in text
    assert "| full | Failed | 12 |" not in text


def test_a_busy_machine_is_named_as_one() -> None:
    idle, busy = (Machine("2026-01-02", "Linux, 2 CPU cores", 2, load) for load in (1.0, 15.2))
    assert where([idle]) == "2026-01-02, Linux, 2 CPU cores"
    assert "load averages of 1 to 15" in where([idle, busy])


def test_rows_come_back_as_they_were() -> None:
    row = Row("Disk", "full", "Failed", None, Machine("2026-01-02", "Linux", 2, 1.0))
    assert Row.of_json({**vars(row), "machine": vars(row.machine)}) == row
