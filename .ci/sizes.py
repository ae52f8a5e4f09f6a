"""Count every preset's model again and keep the counts in signlib/experiments/sizes.csv.

`--check` writes nothing and fails where they differ.
"""

import sys

from signlib.experiments import sizes


def main() -> int:
    """1 when `--check` was asked for and the counts differ, else 0."""
    counted = sizes.counted_rows()
    kept = sizes.kept_rows() if sizes.KEPT.is_file() else []
    for row in counted:
        if row not in kept:
            print(f"{row['preset']}: {row['parameters']:,} parameters, {row['classes']} classes")
    print(f"{sizes.KEPT.name}: {'nothing changed' if counted == kept else 'changed'}")
    if "--check" in sys.argv[1:]:
        return int(counted != kept)
    sizes.keep(counted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
