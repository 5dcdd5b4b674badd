#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: tree.sh DIR. What people do with a filesystem, by the programs they use.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
[ $# -ge 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
dir=$1/tree-$$
mkdir "$dir" || exit 1
# Some hundred files of this machine, brought to where they are quick to read.
[ -d /usr/include/linux ] || skip_all "no tree to copy: apt-get install libc6-dev"
source=$(mktemp -d "${TMPDIR:-/tmp}/ferry-tree.XXXXXX") || exit 1
trap 'rm -rf "$source"' EXIT
cp -a /usr/include/linux/[a-m]* "$source" || exit 1

sums() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

# A directory's size is the filesystem's own business.
names() {
	(cd "$1" && find . -type d -printf '%p %y %m\n' -o -printf '%p %y %m %s %T@ %l\n' | sort)
}

drop() { sync; { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || :; }

copy() {
	cp -a "$source" "$dir/copy" || return
	drop
	diff <(sums "$source") <(sums "$dir/copy") &&
		diff <(names "$source") <(names "$dir/copy")
}

tar_round() {
	tar -C "$dir" -cf "$dir/copy.tar" copy && mkdir "$dir/untar" &&
		tar -C "$dir/untar" -xf "$dir/copy.tar" && drop &&
		diff -r "$dir/copy" "$dir/untar/copy"
}

disk_free() {
	local before after
	before=$(df --output=used -k "$dir" | tail -n 1) || return
	dd if=/dev/urandom of="$dir/blob" bs=1M count=4 status=none && sync || return
	after=$(df --output=used -k "$dir" | tail -n 1)
	[ $((after - before)) -ge 4000 ] || { echo "used: $before KiB, then $after KiB"; return 1; }
	df -i "$dir" >/dev/null && rm "$dir/blob"
}

disk_used() {
	local kib
	kib=$(du -sk "$dir/copy" | cut -f 1) || return
	[ "$kib" -gt 100 ] || { echo "du says $kib KiB"; return 1; }
}

clone() {
	local repo=$dir/repo
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
	export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost
	export GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@localhost
	command -v git >/dev/null || { skips "no git: apt-get install git"; return; }
	git init -q "$repo" && cp "$source"/[a-d]*.h "$repo" && git -C "$repo" add . &&
		git -C "$repo" commit -q -m first &&
		git clone -q "$repo" "$dir/clone" && git -C "$dir/clone" fsck --no-progress &&
		[ -z "$(git -C "$dir/clone" status --porcelain)" ] &&
		diff -r -x .git "$repo" "$dir/clone" &&
		git -C "$dir/clone" gc -q && git -C "$dir/clone" fsck --no-progress
}

compile() {
	command -v gcc >/dev/null || { skips "no gcc: apt-get install gcc"; return; }
	mkdir "$dir/src" && cp "$tree"/selftests/claim.[ch] "$tree/selftests/fs/full.c" "$dir/src" &&
		sed -i 's,"../claim.h","claim.h",' "$dir/src/full.c" || return
	cd "$dir/src" && gcc -O1 -D_GNU_SOURCE -c claim.c && gcc -O1 -D_GNU_SOURCE -c full.c &&
		ar rc libclaim.a claim.o && gcc -o full full.o libclaim.a || return
	./full >/dev/null 2>&1
	[ $? = 2 ]
}

move_and_remove() {
	mv "$dir/copy" "$dir/untar/moved" && diff -r "$dir/untar/copy" "$dir/untar/moved" &&
		rm -r "$dir/untar" && [ ! -e "$dir/untar" ]
}

edit() {
	seq 1 1000 >"$dir/lines" && sed -i 's/^500$/five hundred/' "$dir/lines" &&
		grep -q '^five hundred$' "$dir/lines" && [ "$(wc -l <"$dir/lines")" = 1000 ] &&
		sort -R "$dir/lines" -o "$dir/lines" && [ "$(wc -l <"$dir/lines")" = 1000 ] &&
		cp --sparse=always "$dir/lines" "$dir/lines2" && cmp "$dir/lines" "$dir/lines2"
}

echo "TAP version 13"
claim "cp -a of a real tree is the same tree, byte for byte" copy
claim "tar packs it and unpacks it on the same mount" tar_round
claim "df sees 4 MiB come" disk_free
claim "du counts the tree" disk_used
claim "git makes a repository, clones it, and fsck finds it whole" clone
claim "gcc compiles, ar archives, the program runs" compile
claim "sed -i, sort -o and cp --sparse work" edit
claim "mv moves the tree, rm -r removes it" move_and_remove
rm -rf "$dir"
finish
