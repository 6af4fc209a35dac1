#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages of a list that are missing, and says which.
#
#     tools/setup/packages.sh tools/setup/debian-packages.txt
#
# A shell script, because it is what brings Python. It needs no rights where nothing is missing.
set -eu

list=$1
wanted=$(sed -e 's/#.*//' -e '/^ *$/d' "$list")

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "setup: not a Debian system; make sure that these are installed:" $wanted
    exit 0
fi

missing=
installed=" $(dpkg-query -W -f '${db:Status-Status}/${Package} ' $wanted 2>/dev/null || true)"
for package in $wanted; do
    case $installed in
    *" installed/$package "*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

install="apt-get install --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
    if [ ! -t 0 ] && ! sudo -n true 2>/dev/null; then
        echo "setup: missing packages:$missing" >&2
        echo "setup: sudo would ask for a password; run: sudo $install" >&2
        exit 1
    fi
else
    echo "setup: missing packages:$missing" >&2
    echo "setup: you are not root and there is no sudo; have root run: $install" >&2
    exit 1
fi

log=$(mktemp)
policy=
trap 'rm -f "$log"; [ -z "$policy" ] || $as_root rm -f "$policy"' EXIT

# Tests start the daemons that they need by themselves. A firewall or a file server that starts with
# its package would change the host of whoever runs them (invoke-rc.d(8); 101: not allowed).
if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

# Runs apt-get quietly; what it said is shown when it fails.
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@" \
        >"$log" 2>&1 </dev/null || return 1
}

# Fetches the package lists, at most once.
updated=
update() {
    [ -z "$updated" ] || return 1
    updated=yes
    echo "setup: apt-get update ($1)"
    apt update || fail "apt-get update"
}

fail() {
    cat "$log" >&2
    echo "setup: $1 failed (above)" >&2
    exit 1
}

echo "setup: installing Debian packages:$missing"
for package in $missing; do
    [ -n "$(apt-cache madison "$package" 2>/dev/null)" ] || update "$package is unknown" || break
done
apt install -y --no-install-recommends $missing || {
    update "the package lists may be old" &&
        apt install -y --no-install-recommends $missing
} || fail "$install"
