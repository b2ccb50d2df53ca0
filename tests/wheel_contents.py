"""Build the wheel and check that it brings these top-level names and no others: they are generic enough to clash."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

EXPECTED = {"crawler", "monitors", "storage", "notify", "pledgewatch"}


def top_level(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.split("/")[0] for name in archive.namelist()}
    return {name for name in names if not name.endswith(".dist-info")}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            folder,
            ".",
        ]
        subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[1])
        found = top_level(next(Path(folder).glob("*.whl")))
    if found != EXPECTED:
        print(f"the wheel brings {sorted(found)}, expected {sorted(EXPECTED)}", file=sys.stderr)
        return 1
    print("wheel:", ", ".join(sorted(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
