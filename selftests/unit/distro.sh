#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: distro.sh DIR. Trees of distributions that cannot be had, or were left half-made: one
# line says so, and nothing is left for the next try to stumble over.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
[ "$(id -u)" = 0 ] || skip_all "needs root"
command -v debootstrap >/dev/null || skip_all "no debootstrap: apt-get install debootstrap"
dir=$1/distro-$$
mkdir -p "$dir"/{lists/partial,etc} || exit 1
export FERRY_CACHE=$dir/cache
distro=$tree/tools/vm/distro
trees=$FERRY_CACHE/distro

# A mirror that nobody answers for: a port of this machine that is closed.
echo "deb http://127.0.0.1:9/debian bookworm main" >"$dir/etc/sources.list"
cat >"$dir/apt.conf" <<-EOF_CONF
	Dir::Etc::sourcelist "$dir/etc/sources.list";
	Dir::Etc::sourceparts "-";
	Dir::State::lists "$dir/lists";
	Acquire::Retries "0";
	Acquire::http::Proxy "DIRECT";
EOF_CONF
export APT_CONFIG=$dir/apt.conf

says() { # TEXT COMMAND...
	local text=$1 said status
	shift
	said=$(timeout 60 "$@" 2>&1 >/dev/null)
	status=$?
	[ "$status" = 2 ] && [ "$(wc -l <<<"$said")" = 1 ] && grep -q -E -e "$text" <<<"$said" && return
	echo "status $status: $said"
	return 1
}

unreachable() { says "127.0.0.1:9.*out of reach.*try again" "$distro" path trixie; }

half_made() {
	mkdir -p "$trees"/{.trixie-0123456789ab.new/proc,trixie-0123456789ab/bin}
	unreachable || return
	[ "$(ls -A "$trees")" = lock ] || {
		ls -A "$trees"
		return 1
	}
}

# What is whole, young or in use stays.
kept() {
	mkdir -p "$trees"/{old,used,young}-0123456789ab/etc
	touch "$trees"/{old,used,young}-0123456789ab/etc/ferry-made
	touch -d '40 days ago' "$trees"/{old,used}-0123456789ab
	(
		exec 7<"$trees/used-0123456789ab"
		flock -s 7
		unreachable
	) || return
	[ "$(cd "$trees" && echo ./*-*)" = "./used-0123456789ab ./young-0123456789ab" ] || {
		ls -A "$trees"
		return 1
	}
}

# Whoever comes second waits for the first, and says so.
two_at_a_time() {
	local said
	mkdir -p "$trees"
	exec 7>"$trees/lock"
	flock 7
	"$distro" path trixie >/dev/null 2>"$dir/second" 7>&- &
	for _ in {1..100}; do
		[ ! -s "$dir/second" ] || break
		sleep 0.1
	done
	said=$(<"$dir/second")
	exec 7>&-
	wait $!
	grep -q 'somebody else; waiting' <<<"$said" && grep -q 'out of reach' "$dir/second" && return
	cat "$dir/second"
	return 1
}

no_mirror() {
	: >"$dir/etc/sources.list"
	says "names no Debian mirror" "$distro" path trixie
}

echo "TAP version 13"
claim "an unknown distribution is named" says "unknown distribution 'hamm'" "$distro" path hamm
claim "a mirror out of reach is one line that names it" unreachable
claim "what an interrupted try left goes with the next" half_made
claim "trees that are young or in use stay when others go" kept
claim "two at a time: the second waits, and says so" two_at_a_time
claim "an apt without a mirror is one line" no_mirror
rm -rf "$dir"
finish
