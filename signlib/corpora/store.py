"""A store of landmarks that `extract` made, as a corpus."""

from signlib.corpora.corpus import Corpus
from signlib.errors import SettingsError
from signlib.settings.base import DataSettings
from signlib.stores.store import ClipSource, FeatureStore


class _Store(Corpus):
    def clips(self, settings: DataSettings) -> ClipSource:
        if not settings.root:
            raise SettingsError(
                "data.corpus=store needs data.root (--data-root): the folder that `extract --out`"
                " made; make one with `python -m signlib extract FOLDER --out STORE`, where FOLDER"
                " holds clips: videos or folders of pictures, such as PHOENIX-2014's"
            )
        return FeatureStore(settings.root)


STORE = _Store(
    name="store",
    kind="landmarks",
    licence="that of the clips it was made from",
    # The table of models counts stores as PHOENIX-2014's: its presets are the ones that need one.
    glosses=1231,
    personal=True,
)
