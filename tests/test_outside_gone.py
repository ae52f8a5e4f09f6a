"""What somebody else brought along is gone when its rows are taken out again."""

import pytest
from outside import registered

from signlib.corpora.registry import corpus_of
from signlib.errors import SettingsError
from signlib.extraction.registry import extractor
from signlib.settings import config, presets

pytestmark = pytest.mark.xdist_group("outside")


def test_without_its_rows_nothing_is_known():
    with registered():
        assert presets.build("lights/linear").task == "lights"
        assert extractor("halves").name == "halves"
        assert corpus_of("lights").glosses == 2
    with pytest.raises(SettingsError, match="preset 'lights/linear' is unknown"):
        presets.build("lights/linear")
    with pytest.raises(SettingsError, match="task='lights' is unknown"):
        config.build({"task": "lights"})
    with pytest.raises(SettingsError, match="extractor 'halves' is unknown"):
        extractor("halves")
    with pytest.raises(SettingsError, match="'lights' is unknown"):
        corpus_of("lights")
