"""The maps name exactly the files that exist: the one in every room, and the one of the house."""

import re

import pytest

from signlib.paths import REPOSITORY

PACKAGE = REPOSITORY / "signlib"
ROOMS = sorted(file.parent for file in PACKAGE.glob("*/__init__.py"))
ENTRY = re.compile(r"^(\w+) {2,}\S", re.MULTILINE)


def files_of(room):
    return {file.stem for file in room.glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_map_of_a_room_names_its_files(room):
    named = ENTRY.findall((room / "__init__.py").read_text(encoding="utf-8"))
    assert len(set(named)) == len(named)
    assert set(named) == files_of(room)


def test_the_map_of_the_house_names_every_room_and_file():
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"```\nsignlib/\n(.*?)```", page, re.DOTALL).group(1)
    named = {}
    for line in block.splitlines():
        room = re.match(r"  (\w+)/ ", line)
        if room:
            files = named.setdefault(room.group(1), set())
        elif line.startswith(" " * 16):
            files |= set(line.split())
    assert named == {room.name: files_of(room) for room in ROOMS}
    top = {file.name for file in PACKAGE.glob("*.py")}
    assert set(re.findall(r"^  (\w+\.py) ", block, re.MULTILINE)) == top
