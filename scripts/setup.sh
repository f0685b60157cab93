#!/bin/sh
# Installs the named programs that are missing (m4, make, python3 with venv), with the machine's own package manager,
# and says so in one line. GMP's build needs make and m4.
set -eu

missing=""
for program in "$@"; do
    case $program in
    python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing="$missing $program" ;;
    *) command -v "$program" >/dev/null 2>&1 || missing="$missing $program" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "lossproof: missing$missing, and neither root nor sudo to install with" >&2
        exit 2
    fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "lossproof: installing$missing" >&2
install() {
    if command -v apt-get >/dev/null 2>&1; then
        as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y $missing
    elif command -v dnf >/dev/null 2>&1; then
        # There venv is part of python3.
        as_root dnf install -y $(echo "$missing" | sed 's/python3-venv/python3/')
    elif command -v brew >/dev/null 2>&1; then
        brew install $(echo "$missing" | sed 's/python3-venv/python3/')
    else
        echo "no apt-get, dnf or brew here" && return 1
    fi
}
if ! install >"$log" 2>&1; then
    cat "$log" >&2
    echo "lossproof: could not install$missing: install them by hand" >&2
    exit 2
fi
