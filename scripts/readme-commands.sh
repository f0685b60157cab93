#!/usr/bin/env bash
# Runs every command of the README's console blocks, so that none of them rots. A comment `# exits N` behind a command is the
# exit status that the README promises; without one it is 0. The first argument is the folder of the program.
set -uo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/${1:-target/release}:$PATH"

status=0
while IFS= read -r command; do
    expected=0
    [[ $command =~ \#\ exits\ ([0-9]+) ]] && expected=${BASH_REMATCH[1]}
    [[ $command =~ ^(make|git|cargo\ add|cargo\ install) ]] && { echo "skipped: $command"; continue; }
    output=$(bash -c "$command" 2>&1 </dev/null)
    code=$?
    if [ "$code" -eq "$expected" ]; then
        echo "ok: $command"
    else
        printf 'FAILED with status %s instead of %s: %s\n%s\n' "$code" "$expected" "$command" "$output"
        status=1
    fi
done < <(awk '/^```console/ { inside = 1; next } /^```/ { inside = 0 } inside && /^\$ / { print substr($0, 3) }' README.md)
exit $status
