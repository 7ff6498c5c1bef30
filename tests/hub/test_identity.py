import asyncio
import time
from pathlib import Path

import pytest

from boathouse.catalogs.errors import BadRequest, Conflict, NotFound
from boathouse.hub.identity import LocalAuthenticator
from boathouse.hub.users import FIRST_USER, Users


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_first_user_gets_a_made_password_that_a_later_start_shows_again(tmp_path: Path) -> None:
    name, password = Users(tmp_path).first()
    assert name == FIRST_USER
    assert len(password) >= 16
    assert Users(tmp_path).first() == (name, password)
    assert Users(tmp_path).check(name, password)
    assert mode(tmp_path / "users.json") == mode(tmp_path / "password") == 0o600
    assert password not in (tmp_path / "users.json").read_text()


def test_two_lakes_never_share_a_password(tmp_path: Path) -> None:
    for lake in ("one", "two"):
        (tmp_path / lake).mkdir()
    assert Users(tmp_path / "one").first()[1] != Users(tmp_path / "two").first()[1]


def test_a_password_file_taken_away_is_no_way_in(tmp_path: Path) -> None:
    name, _ = Users(tmp_path).first()
    (tmp_path / "password").unlink()
    assert Users(tmp_path).first() == (name, "")
    assert not Users(tmp_path).check(name, "")


def test_a_renewed_password_replaces_the_old_one(tmp_path: Path) -> None:
    users = Users(tmp_path)
    old = users.add("ann", plan="scaler")
    new = users.renew("ann")
    assert [users.check("ann", word) for word in (old, new)] == [False, True]
    assert users.all()["ann"].plan == "scaler"
    with pytest.raises(NotFound, match="bob"):
        users.renew("bob")


def test_a_renewed_first_password_is_shown_at_the_next_start(tmp_path: Path) -> None:
    users = Users(tmp_path)
    name, old = users.first()
    new = users.renew(name)
    assert users.first() == (name, new) != (name, old)


@pytest.mark.parametrize("name", ["", "Ann", "../etc", "a" * 33, "a b", "1st", "ann:1"])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        Users(tmp_path).add(name)
    assert caught.value.field == "name"


def test_a_second_user_of_a_name_and_an_unknown_plan_are_refused(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.add("ann")
    with pytest.raises(Conflict):
        users.add("ann")
    with pytest.raises(BadRequest, match="explorer, scaler"):
        users.add("bob", plan="gold")


def test_an_unknown_name_takes_as_long_as_a_wrong_password(tmp_path: Path) -> None:
    users = Users(tmp_path)
    users.add("ann")

    def seconds(name: str) -> float:
        best = []
        for _ in range(3):
            start = time.perf_counter()
            assert not users.check(name, "guess")
            best.append(time.perf_counter() - start)
        return min(best)

    assert seconds("nobody") > 0.3 * seconds("ann")


def test_the_authenticator_gives_the_plan_as_a_group_and_delays_a_guess(tmp_path: Path) -> None:
    password = Users(tmp_path).add("ann", plan="scaler", admin=True)
    authenticator = LocalAuthenticator(state=str(tmp_path), delay=0.2)

    def log_in(name: str, word: str) -> object:
        data = {"username": name, "password": word}
        return asyncio.run(authenticator.authenticate(None, data))

    assert log_in(" Ann ", password) == {"name": "ann", "admin": True, "groups": ["scaler"]}
    start = time.perf_counter()
    assert log_in("ann", "guess") is None
    assert log_in("nobody", password) is None
    assert time.perf_counter() - start >= 0.4


def test_a_changed_plan_is_taken_over_and_a_removed_user_is_out(tmp_path: Path) -> None:
    class Somebody:
        name = "ann"

    users = Users(tmp_path)
    users.add("ann", plan="explorer")
    authenticator = LocalAuthenticator(state=str(tmp_path))
    assert asyncio.run(authenticator.refresh_user(Somebody()))["groups"] == ["explorer"]
    (tmp_path / "users.json").write_text("{}")
    assert asyncio.run(authenticator.refresh_user(Somebody())) is False
