#!/usr/bin/env bash
# What golden files cost: writes benches/GOLDEN.md from the program as a user builds it. Seconds are of the machine at hand. The set
# that is measured stays in the folder that is given, if one is.
set -euo pipefail
cd "$(dirname "$0")/.."
program=target/release/lossproof
folder=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder"

# Wall-clock and processor seconds of a command.
timed() {
    local TIMEFORMAT='%R %U'
    { time "$@" >"$folder/out" 2>"$folder/err" || return; } 2>&1
}

read -r generate generate_cpu < <(timed "$program" golden generate "$folder/golden" --jobs 2)
read -r quick _ < <(timed "$program" golden verify "$folder/golden" --quick)
read -r verify verify_cpu < <(timed "$program" golden verify "$folder/golden")
verified=$(tail -n 1 "$folder/out")
read -r replay replay_cpu < <(timed "$program" check --golden "$folder/golden" --jobs 2)
read -r cases < <(grep -o '[0-9]* cases' "$folder/out" | head -n 1)
read -r live _ < <(timed "$program" check --jobs 2)
live_cases=$(grep -o '[0-9]* cases' "$folder/out" | head -n 1)
# From nothing, with the sources of the dependencies at hand, and without a C compiler: what a kernel crate's tests build.
read -r build build_cpu < <(CC=false CXX=false timed cargo build --quiet --tests \
    --manifest-path examples/kernel-crate/Cargo.toml --target-dir "$folder/without-c")
rm -rf "$folder/without-c"

python3 - "$folder/golden" <<PY >benches/GOLDEN.md
import json, pathlib, sys
files = json.loads((pathlib.Path(sys.argv[1]) / "MANIFEST.json").read_text())["files"]
losses = {path.split("/")[1].split(".")[0] for path in files if "/" in path}
size = sum(listed["bytes"] for listed in files.values())
print(f"""# What golden files cost

Written by \`make golden-bench\`; seconds of the machine at hand, on two threads, with whatever else it was doing.

| what | figure | limit |
| --- | --- | --- |
| losses, files | {len(losses)}, {len(files) - 1} | |
| size of the committed set | {size / 1024:.0f} KiB, {size / 1024 / len(losses):.0f} KiB a loss | 120 KiB a loss |
| generating it | $generate s ($generate_cpu s of processor time) | 300 s |
| building a kernel crate's tests, without C | $build s ($build_cpu s of processor time) | 30 s |
| verifying every digit | $verify s ($verify_cpu s of processor time) | |
| \`verify --quick\` | $quick s | |
| replaying it against our kernels, $cases | $replay s ($replay_cpu s of processor time) | 2 s |
| the live check, $live_cases | $live s, {float("$live") / float("$replay"):.0f} times the replay | |

$verified""")
PY
cat benches/GOLDEN.md
