#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: deps.sh DIR. A machine that lacks what a build or a test wants: it is told in a line.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
work=$(mktemp -d "$1/deps.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A machine without apt-get, and with these programs.
mkdir "$work/bin"
ln -s "$(type -P dirname)" "$work/bin"
deps() { PATH=$work/bin "$tree/tools/deps" 2>&1; }

goes_on() {
	local said program
	said=$(deps) || { echo "status $?: $said"; return 1; }
	[[ $said = "deps: "*"not found: cc pkg-config "*" cpio;"* && $said != *$'\n'* ]] || { echo "$said"; return 1; }
	for program in cc pkg-config perl prove qemu-system-x86_64 busybox cpio; do
		ln -s /bin/true "$work/bin/$program"
	done
	said=$(deps) || return
	[ -z "$said" ] || { echo "$said"; return 1; }
}

stops_make() {
	PKG_CONFIG_LIBDIR=$work MAKEFLAGS='' refused "libraries are missing.*liburing-dev.*libnl-genl-3-dev.*libjson-c-dev.*libmount-dev" \
		make -s -C "$tree" B="$work/build" user
}

echo "TAP version 13"
claim "without apt-get what is not found is named, and the rest goes on" goes_on
claim "a library that is not there is named before a compiler misses it" stops_make
finish
