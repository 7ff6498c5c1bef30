"""What a user types in a notebook: on, run, schedule and the lists."""

from pathlib import Path

import pytest

import boathouse as bh
from boathouse.catalogs.events.event import Event
from boathouse.catalogs.lake import Lake
from boathouse.workflows.face import automation as automation_of
from boathouse.workflows.jobs import Job
from boathouse.workflows.listing import list_jobs
from boathouse.workflows.local import LocalAutomation


def ping(lake: Lake, **about: str) -> None:
    lake.log.append([Event(type="org.example.ping", source="/me", **about)])


def test_run_waits_and_opens_its_own_result(automation: LocalAutomation, lake: Lake) -> None:
    assert automation_of(lake) is automation
    job = bh.run("give", name="given", lake=lake)
    assert f"<Job {job.id} give:" in repr(job)
    result = job.result(timeout=60)
    assert result["t"].values.tolist() == [1.0, 2.0]
    assert job.state == "successful"
    assert b"bh.publish" in job.notebook()
    shown = job._repr_html_()
    assert "published given" in shown
    assert "width:100%" in shown


def test_a_failed_job_has_no_result(automation: LocalAutomation, lake: Lake) -> None:
    job = bh.run("fail", lake=lake, station="<b>")
    with pytest.raises(bh.JobFailed, match="no such station"):
        job.result(timeout=60)
    assert "&lt;b&gt;" in job._repr_html_()


def test_waiting_ends_in_time_and_the_job_goes_on(
    automation: LocalAutomation, lake: Lake, tmp_path: Path
) -> None:
    job = bh.run("slow", lake=lake, path=str(tmp_path / "pid"))
    with pytest.raises(TimeoutError, match="it goes on"):
        job.wait(timeout=0.2)
    assert job.dismiss().state == "dismissed"
    with pytest.raises(bh.JobFailed, match="dismissed"):
        job.result()


def test_rules_and_schedules_are_saved_listed_and_withdrawn(
    automation: LocalAutomation, lake: Lake, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    rule = bh.on(collection="sst", lake=lake).notebook("note", {"path": path, "text": "{id}"})
    assert (rule.name, rule.owner) == ("note on sst", "ann")
    schedule = bh.schedule("0 6 * * *", "note", lake=lake, path=path, text="<i>")
    assert schedule.next.endswith("T06:00:00Z")
    assert "0 6 * * *" in schedule._repr_html_()
    assert "&lt;i&gt;" in schedule._repr_html_()
    assert "note on sst" in rule._repr_html_()

    assert [each.name for each in bh.rules(lake=lake)] == ["note on sst"]
    assert "sst" in bh.rules(lake=lake)._repr_html_()
    rule.delete()
    assert "bh.on(" in bh.rules(lake=lake)._repr_html_()
    with pytest.raises(bh.NotFound):
        rule.delete()

    listed = bh.schedules(lake=lake)
    listed.delete("note")
    assert list(listed) == list(bh.schedules(lake=lake)) == []


def test_wrong_words_are_answered_where_the_user_is(
    automation: LocalAutomation, lake: Lake
) -> None:
    with pytest.raises(bh.NotFound, match="there are: fail, give, note, slow"):
        bh.run("mean", lake=lake)
    with pytest.raises(bh.BadParameter, match="must be int"):
        bh.run("note", lake=lake, path="p", times="x")
    with pytest.raises(bh.BadParameter, match="object cannot be sent"):
        bh.run("note", lake=lake, path=object())
    with pytest.raises(bh.BadRequest, match="event type or a collection"):
        bh.on(lake=lake).notebook("note", {"path": "p"})
    with pytest.raises(bh.BadRequest, match="cron"):
        bh.schedule("every day", "note", lake=lake, path="p")
    assert bh.jobs(lake=lake) == bh.rules(lake=lake) == bh.schedules(lake=lake) == []


def test_recipes_show_their_parameters(automation: LocalAutomation, lake: Lake) -> None:
    shown = bh.recipes(lake=lake)._repr_html_()
    assert "Appends a line" not in shown
    assert "path: str" in shown
    assert "= &#x27;x&#x27;" in shown


def test_a_list_of_jobs_shows_states_and_causes() -> None:
    jobs = [
        Job(id="a", recipe="note", parameters={}, owner="ann", state="failed", message="<no>"),
        Job(id="b", recipe="note", parameters={}, owner="ann", rule="r", cells_total=3),
    ]
    dismissed: list[str] = []

    def dismiss(id: str) -> Job:
        dismissed.append(id)
        return Job(id=id, recipe="note", parameters={}, owner="ann", state="dismissed")

    listed = list_jobs(jobs, dismiss)
    shown = listed._repr_html_()
    assert "&lt;no&gt;" in shown
    assert "rule r" in shown
    assert "0/3" in shown
    listed.dismiss("b")
    assert dismissed == ["b"]
    assert [job.state for job in listed] == ["failed", "dismissed"]
