"""What a preset is before `presets` makes an experiment of it: one plain row."""

from typing import Any

Row = tuple[str, dict[str, Any], dict[str, Any], str]
"""Question, settings that differ from the defaults, further settings of the smoke form, base."""
