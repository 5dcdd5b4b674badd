#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: distro.sh DIR. Trees of distributions that cannot be had, or were left half-made: one
# line says so, and nothing is left for the next try to stumble over. Trees that are there
# stay as they are under those who use them.

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

# A mirror that answers, and of debootstrap's work the least one can chroot into. Sets port.
fake_distribution() {
	# shellcheck disable=SC2016 # perl's and the inner shells'
	perl -MIO::Socket::INET -e '
		my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die;
		$| = 1;
		print $server->sockport, "\n";
		while (my $client = $server->accept) {
			while (<$client>) { last if /^\r$/ }
			print $client "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nyes";
		}' >"$dir/port" 7>&- &
	server=$!
	# It would hold the pipe of whoever reads this script's points.
	trap 'kill "$server" 2>/dev/null' EXIT
	until_so [ -s "$dir/port" ] || return
	echo "deb http://127.0.0.1:$(<"$dir/port")/debian bookworm main" >"$dir/etc/sources.list"
	mkdir "$dir/bin"
	cat >"$dir/bin/debootstrap" <<-'EOF_STRAP'
		#!/bin/bash
		to=${*: -2:1}
		[ ! -e "${0%/*}/breaks" ] || { mkdir -p "$to/proc"; echo "E: it breaks off" >&2; exit 1; }
		mkdir -p "$to"/{dev,proc,sys,bin,usr/bin,var/cache/apt/archives} \
			"$to"/etc/{apt/apt.conf.d,dpkg/dpkg.cfg.d}
		for program in /bin/sh /usr/bin/env; do
			ldd $program | grep -o '/[^ ]*' | xargs cp -L --parents -t "$to" $program
		done
		printf '#!/bin/sh\n' >"$to/usr/bin/apt-get"
		chmod +x "$to/usr/bin/apt-get"
	EOF_STRAP
	chmod +x "$dir/bin/debootstrap"
	export PATH=$dir/bin:$PATH
}

# Is told to go on by its standard input.
# shellcheck disable=SC2016 # the inner shell's
in_tree() {
	timeout 100 "$distro" chroot trixie -- sh -c '
		echo up
		read -r _
		[ -e /etc/ferry-made ] && echo "well in $(read -r which </etc/which && echo $which)"'
}

broken_off() {
	: >"$dir/bin/breaks"
	"$distro" path trixie 2>"$dir/said" && { echo "it was made"; return 1; }
	rm "$dir/bin/breaks"
	if ! grep -q '^vm: trixie: not made; the next try begins anew' "$dir/said" ||
		! grep -q -x 'E: it breaks off' "$dir/said"; then
		cat "$dir/said"
		return 1
	fi
	[ -e "$("$distro" path trixie)/etc/ferry-made" ]
}

made_once() {
	local made
	made=$("$distro" path trixie) || return
	kill "$server" || return
	: >"$dir/etc/sources.list"
	[ "$("$distro" path trixie 2>&1)" = "$made" ]
}

# Whoever makes a tree anew waits for those who are in it, and they see nothing of it.
made_anew() {
	local made making
	made=$("$distro" path trixie) || return
	echo old >"$made/etc/which"
	mkfifo "$dir"/{one,two}
	in_tree <"$dir/one" >"$dir/first" &
	in_tree <"$dir/two" >"$dir/second" &
	exec 5>"$dir/one" 6>"$dir/two"
	until_so grep -q up "$dir/first" && until_so grep -q up "$dir/second" || return
	timeout 100 "$distro" make trixie >/dev/null 2>"$dir/making" 5>&- 6>&- &
	making=$!
	until_so grep -q 'waiting for those' "$dir/making" || return
	echo >&5
	until_so grep -q 'well in old' "$dir/first" || return
	in_tree <<<'' >"$dir/third" 5>&- 6>&-
	grep -q 'well in old' "$dir/third" || return
	echo >&6
	until_so grep -q 'well in old' "$dir/second" || return
	exec 5>&- 6>&-
	wait "$making" || { cat "$dir/making"; return 1; }
	[ -e "$made/etc/ferry-made" ] && [ ! -e "$made/etc/which" ]
}

waits_for() { grep -q -e "-> FLOCK .*:$(stat -c %i "$1") " /proc/locks; }

# It was there when it was asked for, and is another when its lock can be had.
replaced() {
	local made
	made=$("$distro" path trixie) || return
	mkfifo "$dir/go"
	exec 7>"$trees/lock" 5<"$made"
	flock 7
	flock 5
	in_tree <"$dir/go" >"$dir/here" 2>"$dir/said" 5<&- 7>&- &
	exec 6>"$dir/go"
	until_so waits_for "$made" || return
	mv "$made" "$dir/gone"
	exec 5<&-
	until_so grep -q 'somebody else; waiting' "$dir/said" || return
	cp -a "$dir/gone" "$made"
	echo new >"$made/etc/which"
	exec 7>&-
	until_so grep -q up "$dir/here" || return
	! flock -n "$made" true || { echo "the new one is not locked"; return 1; }
	echo >&6
	until_so grep -q 'well in new' "$dir/here"
}

# Nothing is built: who waits is killed.
debug_kernel_waits() {
	local waiter status=0
	mkdir -p "$FERRY_CACHE"
	exec 5>"$FERRY_CACHE/debug-kernel.lock"
	flock 5
	"$tree/tools/vm/debug-kernel" image >/dev/null 2>"$dir/said" 5<&- &
	waiter=$!
	until_so grep -q 'somebody else; waiting' "$dir/said" || status=1
	kill "$waiter"
	wait "$waiter" 2>/dev/null
	exec 5<&-
	return "$status"
}

echo "TAP version 13"
claim "an unknown distribution is named" says "unknown distribution 'hamm'" "$distro" path hamm
claim "a mirror out of reach is one line that names it" unreachable
claim "what an interrupted try left goes with the next" half_made
claim "trees that are young or in use stay when others go" kept
claim "two at a time: the second waits, and says so" two_at_a_time
claim "a debug kernel that somebody else builds is waited for, which is said" debug_kernel_waits
claim "an apt without a mirror is one line" no_mirror
fake_distribution
claim "a tree whose making breaks off: it says so, and the next try makes it" broken_off
claim "a tree is made anew while two runs are in it: they end in the old one" made_anew
claim "a tree that is replaced while one waits for it: the new one is entered" replaced
claim "what is made needs no mirror" made_once
rm -rf --one-file-system "$dir"
finish
