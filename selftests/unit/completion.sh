#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: completion.sh DIR. What bash offers behind the words of a ferry command line.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
dir=$(mktemp -d "$1/completion.XXXXXX")
trap 'rm -rf "$dir"' EXIT
# shellcheck source=tools/ferry.bash-completion
. "$tree/tools/ferry.bash-completion"

# As ferry list has it, where there are channels.
cat >"$dir/list" <<-'EOF'
	{
	  "channels":[
	    {
	      "id":3,
	      "name":"memfs",
	      "client":"0:45",
	      "mountpoints":[
	        "/srv/a",
	        "/srv/b"
	      ]
	    },
	    {
	      "id":14,
	      "name":"ramdisk",
	      "client":"ferryb2",
	      "mountpoints":[
	      ]
	    }
	  ]
	}
EOF
ferry() { if [ "$*" = "list --json" ]; then cat "$dir/list"; else "$bin/ferry" "$@"; fi; }

# offers WANTED WORD...: those words are offered for the last one, as bash breaks words; "" nothing is
offers() {
	local wanted word
	read -ra wanted <<<"$1"
	shift
	COMP_WORDS=(ferry "$@") COMP_CWORD=$#
	_ferry
	for word in "${wanted[@]}"; do
		[[ " ${COMPREPLY[*]} " = *" $word "* ]] || { echo "ferry $*: no $word, but ${COMPREPLY[*]}"; return 1; }
	done
	[ ${#wanted[@]} -gt 0 ] || [ ${#COMPREPLY[@]} = 0 ] || { echo "ferry $*: ${COMPREPLY[*]}"; return 1; }
}

verbs() {
	offers "mount disk set version help" "" && offers recover re && offers "" nothing &&
		offers "add del" disk "" && offers upgrade help up
}

once() { offers help "" && is "times help" "$(printf '%s\n' "${COMPREPLY[@]}" | grep -c -x help)" 1; }

options() {
	offers "--in-kernel --options" mount -- && offers --json list --j && offers "user kernel" move 3 --to "" &&
		offers "wait= queues= ro" mount -o "" && offers "serial=" disk add -o ser &&
		offers "poll" mount -o wait = po && offers "sync uring" mount -o wait = &&
		offers "sync,queues=" mount -o wait = sync,que && offers "kernel" mount -o wait = sync,on_death = k &&
		offers "on_death= latency=" set 3 "" && offers "on off" set 3 latency =
}

# What changes something; ferry mount has the other two of itself.
mount_words() {
	offers "no_allow_other no_default_permissions nosuid noexec" mount -o no && offers ro,remount mount -o ro,rem &&
		offers "" mount -o allow && offers "" mount -o defa
}

of_disk() {
	offers "--in-kernel --foreground --options --help" disk add -- && offers "--force --help" disk del -- || return
	offers --force disk del --fo && offers "" disk resize --fo && offers "" disk del --in
}

of_bench() {
	local way
	cd "$dir" && touch was.json && mkdir results || return
	for way in --regress --json --plot; do
		offers "was.json results" bench "$way" "" && offers was.json bench "$way" = was || return
	done
	offers "ferry-sync ferry-kernel tmpfs nbd" bench --systems "" && offers stat,fstat bench --cases stat,fs &&
		offers "" bench --systems stat && offers ferry-sync bench --quick --systems = ferry-s &&
		offers "fs block" bench --class ""
}

backends() {
	offers "memfs null" mount "" && offers ramdisk disk add -o serial = a ram &&
		offers "" mount memfs : size && cd "$dir" && mkdir dir && offers dir mount memfs : size = 1G d
}

channels() {
	offers "/srv/a /srv/b" umount "" && offers "3 14 memfs ramdisk /srv/a ferryb2" stat "" &&
		offers ferryb2 disk del "" && offers /srv/b move /srv/b
}

echo "TAP version 13"
claim "verbs are offered" verbs
claim "help is offered once" once
claim "options and their values are offered" options
claim "words of -o that change nothing are not offered, and those that do are" mount_words
claim "ferry disk: a verb's own options are offered" of_disk
claim "ferry bench: files, systems and cases are offered" of_bench
claim "backends are offered, and directories to mount on" backends
claim "channels are offered, by mount point, disk, number and name" channels
finish
