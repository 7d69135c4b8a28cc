"""docs/reference says what the program says."""

import pytest

from ops.reference import FOLDER, PAGES, REFRESH, page


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_fresh(name: str) -> None:
    assert (FOLDER / name).read_text() == page(name), f"run this to refresh: {REFRESH}"
