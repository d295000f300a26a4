import pytest

from caching.guards import compare_coreference


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("May my son drive?", "May my daughter drive?"),
        ("What do men like?", "What do women like?"),
        ("Why did he leave?", "Why did she leave?"),
        ("Would he marry her?", "Would she marry him?"),
        ("My mother is ill", "My sister is ill"),
        ("Is his wife here?", "Is his husband here?"),
    ],
)
def test_other_persons_refuse(a: str, b: str) -> None:
    assert compare_coreference(a, b) == "coreference"
    assert compare_coreference(b, a) == "coreference"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("My mom is ill", "My mother is sick"),
        ("What do men like?", "What do people like?"),
        ("Do men like women?", "What do women like?"),
        ("Would he be loved by her?", "Would she love him?"),
        ("Is my child ill?", "Is my son ill?"),
    ],
)
def test_the_same_persons_or_no_such_word_agree(a: str, b: str) -> None:
    assert compare_coreference(a, b) is None
    assert compare_coreference(b, a) is None
