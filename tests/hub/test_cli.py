import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from boathouse.hub.cli import main
from boathouse.hub.layout import free_port, is_free


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    (tmp_path / ".boathouse").mkdir(mode=0o700)
    return tmp_path


def test_a_port_in_use_is_said_and_a_free_one_offered(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", "boathouse.hub", "up", "--lake", tmp_path, "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 2
    line = ended.stderr.strip()
    assert line.startswith(f"Port {port} is in use. Try: make up PORT=")
    assert is_free(int(line.rpartition("=")[2]))
    assert not list(tmp_path.iterdir())


def test_a_free_port_is_none_of_those_taken() -> None:
    port = free_port()
    assert free_port({port}) != port
    assert is_free(port)


def test_user_add_prints_a_password_once(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--lake", str(lake)]
    assert main(["user", "add", "ann", "--plan", "scaler", *where]) == 0
    password = capsys.readouterr().out.split("password")[1].split()[0]
    assert len(password) >= 16
    assert main(["user", "list", *where]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split() == ["ann", "scaler"]
    assert main(["user", "password", "ann", *where]) == 0
    assert password not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["user", "add", "No Name"], "'No Name' is no user name"),
        (["user", "password", "bob"], "There is no user 'bob'"),
        (["run", "mean-over-shape", "dataset"], "'dataset' is no NAME=VALUE"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(
    lake: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--lake", str(lake)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"boathouse: {said}")
    assert shown.err.count("\n") == 1


def test_a_lake_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    lake = tmp_path / "file" / "lake"
    ended = subprocess.run(
        [sys.executable, "-m", "boathouse.hub", "up", "--lake", lake, "--port", "0", "--no-demo"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("boathouse: ")
    assert ended.stderr.count("\n") == 1


def test_a_lake_that_is_none_is_not_made_by_a_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["user", "add", "ann", "--lake", str(tmp_path / "gone")]) == 1
    assert "There is no lake in" in capsys.readouterr().err
    assert not (tmp_path / "gone").exists()


def test_an_empty_list_says_what_to_do_and_gives_a_pipe_nothing(
    lake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["user", "list", "--lake", str(lake)]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "No users yet: boathouse user add NAME\n")


def test_notify_and_replay_speak_json_lines(lake: Path) -> None:
    def boathouse(*words: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "boathouse.hub", *words, "--lake", str(lake)],
            capture_output=True,
            text=True,
            timeout=60,
            env={name: value for name, value in os.environ.items() if "DASK" not in name},
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    boathouse("notify", "org.example.ping", "--data", '{"n": 1}', "--subject", "/one")
    boathouse("notify", "org.example.pong")
    lines = boathouse("replay", "--type", "org.example.ping").splitlines()
    assert [json.loads(line)["data"] for line in lines] == [{"n": 1}]
    assert len(boathouse("replay").splitlines()) == 2


def test_kernel_install_writes_a_kernelspec_for_this_python(tmp_path: Path) -> None:
    assert main(["kernel", "install", "--prefix", str(tmp_path)]) == 0
    spec = json.loads((tmp_path / "share/jupyter/kernels/boathouse/kernel.json").read_text())
    assert spec["argv"][0] == sys.executable
    assert spec["display_name"] == "Boathouse"
