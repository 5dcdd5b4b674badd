#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: install.sh DIR. What make install puts where, that it can be used, and taken away again.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
root=$(mktemp -d "$1/install.XXXXXX")
trap 'rm -rf "$root"' EXIT
prefix=$(cat "$tree/build/prefix")
export LD_LIBRARY_PATH=$root$prefix/lib

# By what is in build/ already: others use it now.
makes() { make -s -C "$tree" "$1" DESTDIR="$root" MAKEFLAGS= >"$root/make" 2>&1 || { cat "$root/make"; return 1; }; }

installs() {
	local file
	makes install || return
	for file in "$prefix"/bin/{ferry,ferryd} "$prefix"/lib/ferry/backends/memfs.so "$prefix"/include/linux/ferry.h \
		"$prefix"/share/bash-completion/completions/ferry \
		/lib/udev/rules.d/60-ferry.rules /lib/systemd/system/ferry{d,-disk}@.service /lib/modules/*/updates/ferry/ferry{,fs,blk}.ko; do
		# shellcheck disable=SC2086 # there is a pattern in it
		[ -s $root$file ] || { echo "no $file"; return 1; }
	done
	[ "$(readlink "$root/sbin/mount.ferry")" = "$prefix/bin/ferry" ]
}

# After a boot: what is named there is what was installed.
loaded_at_boot() {
	local module count=0
	while read -r module; do
		case $module in '#'*) continue ;; esac
		compgen -G "$root/lib/modules/*/updates/ferry/$module.ko" >/dev/null || { echo "no $module.ko"; return 1; }
		count=$((count + 1))
	done <"$root/usr/lib/modules-load.d/ferry.conf"
	[ "$count" = 3 ]
}

commands_run() {
	local name
	for name in ferry ferryd; do
		[ "$("$root$prefix/bin/$name" -V)" = "$("$bin/$name" --version)" ] ||
			{ echo "$name is another"; return 1; }
	done
	(exec -a mount.ferry "$root$prefix/bin/ferry" -h) | grep -q "Usage: mount.ferry"
}

# A server as a stranger builds it, of what was installed alone.
compiles() {
	local flags
	flags=$(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$root$prefix/lib/pkgconfig \
		pkg-config --cflags --libs ferry) || return
	cp "$tree/Documentation/example-disk.c" "$root/mine.c"
	# shellcheck disable=SC2086 # words
	gcc -pthread -o "$root/mine" "$root/mine.c" $flags || return
	ldd "$root/mine" | grep -q "libferry.* => $root"
}

# The names of functions that are declared by what gcc -E makes of headers, and have no body there.
declared() {
	perl -0777 -ne '
		s/^#.*\n//gm;
		1 while s/\{[^{}]*\}/\0/g;
		my @part = split /([;\0])/;
		for (my $i = 0; $i < @part; $i += 2) {
			print "$1\n" if ($part[$i + 1] // "") eq ";" && $part[$i] =~ /^[^(]*?\b(ferry_\w+)\s*\(/;
		}' | sort -u
}

exports() {
	local include=$root$prefix/include headers=() header
	for header in "$include"/ferry/*.h; do headers+=(-include "ferry/$(basename "$header")"); done
	gcc -E -I "$include" "${headers[@]}" -x c /dev/null | declared >"$root/declared"
	nm -D --defined-only "$root$prefix/lib/libferry.so" | sed 's/.* //; s/@.*//' | sort -u >"$root/exported"
	[ "$(wc -l <"$root/declared")" -gt 90 ] || { echo "only:"; cat "$root/declared"; return 1; }
	[ -z "$(comm -23 "$root/declared" "$root/exported")" ] || { comm -23 "$root/declared" "$root/exported"; return 1; }
}

uninstalls() {
	makes uninstall || return
	rm -f "$root"/{make,mine,mine.c,declared,exported}
	[ -z "$(find "$root" ! -type d)" ] || { find "$root" ! -type d; return 1; }
}

echo "TAP version 13"
claim "make install puts everything where it belongs" installs
claim "a boot loads the modules of mounts and disks" loaded_at_boot
claim "the commands that were installed run" commands_run
claim "a server is built by what pkg-config says" compiles
claim "each function of the headers that were installed is in libferry, or inline" exports
claim "make uninstall leaves nothing" uninstalls
finish
