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

options() {
	offers "--in-kernel --options" mount -- && offers --json list --j && offers "user kernel" move 3 --to "" &&
		offers "wait= queues= allow_other" mount -o "" && offers "serial=" disk add -o ser &&
		offers "poll" mount -o wait = po && offers "sync uring" mount -o wait = &&
		offers "sync,queues=" mount -o wait = sync,que && offers "kernel" mount -o wait = sync,on_death = k &&
		offers "on_death= latency=" set 3 "" && offers "on off" set 3 latency =
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
claim "options and their values are offered" options
claim "backends are offered, and directories to mount on" backends
claim "channels are offered, by mount point, disk, number and name" channels
finish
