import pytest

from boathouse.hub.plans import DEFAULT_PLAN, PLANS, plan_of


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        ([], "default"),
        (["analysts"], "default"),
        (["explorer"], "explorer"),
        (["explorer", "analysts", "scaler"], "scaler"),
        (["scaler", "explorer"], "scaler"),
    ],
)
def test_the_largest_plan_of_the_groups_counts(groups: list[str], name: str) -> None:
    assert plan_of(groups).name == name


def test_every_plan_has_a_thread_beside_a_notebook() -> None:
    # A job's notebook holds one thread of a worker; what it computes needs another.
    assert all(plan.threads >= 2 for plan in (DEFAULT_PLAN, *PLANS.values()))
