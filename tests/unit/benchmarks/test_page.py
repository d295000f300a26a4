import pytest

from benchmarks.page import BEGIN, END, PAGE, NoMarks, with_figures


def test_figures_take_the_place_of_earlier_ones_and_nothing_else() -> None:
    page = f"# Speed\n\n{BEGIN}\nold\n{END}\n\n## After\n"

    assert with_figures(page, "| new |") == f"# Speed\n\n{BEGIN}\n\n| new |\n\n{END}\n\n## After\n"


@pytest.mark.parametrize("page", ["# Speed\n", f"{BEGIN}\n", f"{END}\n{BEGIN}\n"])
def test_a_page_without_both_marks_is_left_alone(page: str) -> None:
    with pytest.raises(NoMarks):
        with_figures(page, "| new |")


def test_the_page_has_its_marks() -> None:
    assert with_figures(PAGE.read_text(), "| new |")
