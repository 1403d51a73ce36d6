from kubelet.runtime.termination_message import termination_message


def test_file_first_then_log_tail_when_asked(tmp_path):
    file, log = tmp_path / "t", tmp_path / "0.log"
    file.write_text("from file")
    log.write_text("".join(f"2026-01-01T00:00:00Z stdout F line {i}\n" for i in range(100)))
    assert termination_message(str(file), str(log), fallback=True) == "from file"
    file.write_text("")
    assert termination_message(str(file), str(log), fallback=False) == ""
    text = termination_message(str(file), str(log), fallback=True)
    assert text.startswith("line 20\n")
    assert text.endswith("line 99\n")
    assert termination_message("", str(tmp_path / "no"), fallback=True) == ""


def test_both_are_bounded(tmp_path):
    file = tmp_path / "t"
    file.write_text("x" * 5000)
    assert len(termination_message(str(file), "", fallback=False)) == 4096
