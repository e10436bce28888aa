"""The crash tests' command; see README.md."""

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Interop"))

import full_disk  # noqa: E402
import kills  # noqa: E402
import self_test  # noqa: E402
import torn  # noqa: E402

STAGES = ("self-test", "kills", "full-disk", "torn")
SHORT, LONG = {"kills": 20, "tears": 18}, {"kills": 120, "tears": 120}


def parse():
    parser = argparse.ArgumentParser(prog="Tests/Crash/run", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help="twenty kills (the default)")
    length.add_argument("--long", action="store_true", help="more than a hundred kills")
    parser.add_argument("--seed", type=int, help="repeat the choices of a run")
    parser.add_argument("--only", choices=STAGES, action="append", help="this stage alone")
    parser.add_argument("--kills", type=int, help="how many kills")
    parser.add_argument("--tears", type=int, help="how many torn logs")
    parser.add_argument("--keep", action="store_true", help="keep the files of a good run too")
    parser.add_argument("--mount", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def full_disk_stage(options, directory, seed):
    """In a mount namespace, or on a small shared disk; a line says when neither exists."""
    if options.mount:
        return full_disk.run(directory, seed, full_disk.mount(directory))
    arguments = ["--only", "full-disk", "--seed", str(seed)] + ["--keep"] * options.keep
    status = full_disk.enter(directory, arguments)
    if status is not None:
        return (["see above"] if status else []), []
    disk = full_disk.shared_disk()
    if disk is None:
        return [], ["SKIPPED: no small disk can be mounted here, and /dev/shm is none"]
    try:
        return full_disk.run(directory, seed, disk)
    finally:
        shutil.rmtree(disk, ignore_errors=True)


def main():
    options = parse()
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    sizes = LONG if options.long else SHORT
    stages = {
        "self-test": lambda directory: self_test.run(),
        "kills": lambda directory: kills.run(directory, seed, options.kills or sizes["kills"]),
        "full-disk": lambda directory: full_disk_stage(options, directory, seed),
        "torn": lambda directory: torn.run(directory, seed, options.tears or sizes["tears"]),
    }
    root = Path(tempfile.mkdtemp(prefix="orrery-crash-"))
    has_failed = False
    for name in options.only or STAGES:
        begun, directory = time.monotonic(), root / name
        directory.mkdir()
        try:
            faults, report = stages[name](directory)
        except Exception:  # Reported with the seed, as every fault is.
            faults, report = [traceback.format_exc()], []
        for line in report:
            print(f"{name}: {line}", flush=True)
        for fault in faults:
            print(f"{name}: FAULT: {fault}", flush=True)
        if not options.mount:
            verdict = "FAILED" if faults else "passed"
            print(f"{name}: {verdict} in {time.monotonic() - begun:.0f} s", flush=True)
        if faults:
            has_failed = True
            if not options.mount:
                length = " --long" if options.long else ""
                print(f"again: Tests/Crash/run --only {name} --seed {seed}{length}", flush=True)
    if has_failed or options.keep:
        print(f"seed {seed}; logs and data are in {root}", flush=True)
    else:
        shutil.rmtree(root, ignore_errors=True)
    sys.exit(1 if has_failed else 0)


if __name__ == "__main__":
    main()
