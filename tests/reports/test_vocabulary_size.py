"""Sizes by hand against the models themselves; the source's cases and where they leave a gap."""

import pytest

from signlib.errors import InputError
from signlib.models.classifier import parameter_count
from signlib.models.phonology import GlossReader, PhonologyEncoder
from signlib.reports.vocabulary_size import (
    SOURCE_SIZES,
    case_of,
    reader_parameters,
    size_table,
    verdict,
)


@pytest.mark.parametrize("glosses", [20, 100, 300, 500])
def test_counted_by_hand_and_in_the_model(glosses):
    width, layers, *_ = SOURCE_SIZES[glosses]
    assert reader_parameters(width, layers, glosses) == parameter_count(
        GlossReader(PhonologyEncoder(width, layers), glosses, 0.5)
    )


def test_the_table_of_the_source_is_low():
    table = size_table({100: 1442}).set_index("glosses")
    assert table["counted"].to_dict() == {
        20: 71_893,
        100: 690_661,
        300: 742_061,
        500: 2_897_141,
        1000: 4_730_601,
        2000: 18_873_809,
    }
    assert (table["counted"] >= table["source says"]).all()
    assert table.loc[100, "parameters a clip"] == round(690_661 / 1442)
    assert table.loc[[100, 500], "within its limit"].tolist() == ["yes", "no"]
    assert table.loc[100, "of"] == "the split"
    assert table.loc[500, "training clips"] == 2500


def test_verdicts():
    assert verdict(10.0, (8.5, 12.0), 500).startswith(
        "top-1 10.0 %: realistic case; its interval stays there"
    )
    open_ = verdict(10.0, (4.0, 16.0), 20)
    assert "reaches from worst case to best case" in open_
    assert "guessing would get 5 %" in open_
    assert "these are 20" in open_
    assert case_of(15.0) == "best case"
    with pytest.raises(InputError, match="no per cent"):
        case_of(101)
