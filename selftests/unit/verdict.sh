#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: verdict.sh DIR. What tools/vm/verdict takes for a kernel's fault, and what not.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
log=$1/verdict-$$
trap 'rm -rf "$log" "$log".*' EXIT
mark='[    9.000000] ferry-vm: command starts'

# judged STATUS LINE...: a log with these lines
judged() {
	local want=$1 status=0 said
	shift
	printf '%s\n' "$@" >"$log"
	said=$("$tree/tools/vm/verdict" "$log" 2>&1) || status=$?
	[ "$status" = "$want" ] && return
	echo "status $status, not $want, of:" "$@"
	echo "$said"
	return 1
}

clean() { local line; for line; do judged 0 "$mark" "[   10.000000] $line" || return; done; }
fault() { local line; for line; do judged 1 "$mark" "[   10.000000] $line" || return; done; }

echo "TAP version 13"
claim "what a debug kernel reports is a fault" fault \
	"BUG: KASAN: use-after-free in ferry_slot_put+0x12/0x40 [ferry]" \
	"UBSAN: shift-out-of-bounds in kmod/core/ring.c:10:4" \
	"WARNING: possible circular locking dependency detected" \
	"WARNING: inconsistent lock state" \
	"BUG: sleeping function called from invalid context at mm/slab.h:288" \
	"BUG: scheduling while atomic: ferryd/33/0x00000002" \
	"ODEBUG: free active (active state 0) object type: work_struct" \
	"kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)" \
	"INFO: task cp:33 blocked for more than 120 seconds."
claim "an oops, a stall and a module's leftovers are faults" fault \
	"general protection fault, probably for non-canonical address 0xdead: 0000 [#1]" \
	"Oops: 0000 [#1] PREEMPT SMP" \
	"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:" \
	"watchdog: BUG: soft lockup - CPU#1 stuck for 22s!" \
	"VFS: Busy inodes after unmount of ferry" \
	"BUG ferry_cmd (Not tainted): Objects remaining in ferry_cmd on __kmem_cache_shutdown()"
claim "a kobject that could not be made is a fault, unless there was no memory" fault \
	"kobject: kobject_add_internal failed for ferryb0 (error: -17 parent: block)" \
	"kobject: kobject_add_internal failed for ferryb0 (error: -2 parent: block)" \
	"kobject: '(null)' (ffff): is not initialized, yet kobject_put() is being called."
claim "no memory for a kobject is what faults.sh asks for" clean \
	"kobject: kobject_add_internal failed for ferryb0 (error: -12 parent: block)"
claim "of what is said beside that nothing is lost" judged 1 "$mark" \
	"[   10.0] kobject: kobject_add_internal failed for ferryb0 (error: -12 parent: block)" \
	"[   10.1] kobject: kobject_add_internal failed for ferryb1 (error: -17 parent: block)"
claim "programs that crash, and what is said in passing, are no faults" clean \
	"traps: rogue[77] general protection fault ip:401000 sp:7ffe error:0 in rogue[401000+1000]" \
	"rogue[77]: segfault at 0 ip 0000000000401000 sp 00007ffe error 4 in rogue[401000+1000]" \
	"ferry: channel 7 (null): no server, and /nonexistent does not start: -2" \
	"Buffer I/O error on dev ferryb0, logical block 0, async page read"
table='kswapd0: page allocation failure: order:0, mode:0xc0de0(GFP_KERNEL|__GFP_HIGH|__GFP_ZERO|__GFP_COMP|__GFP_NOMEMALLOC), nodemask=(null)'
claim "that 7.3 finds no memory for a swap cluster's table is none" clean \
	"$table"$'\n[   10.1] Call Trace:\n[   10.1]  <TASK>\n[   10.1]  warn_alloc.cold+0x4a/0x5e\n[   10.1]  </TASK>'
claim "what is said in the midst of that counts" fault \
	"$table"$'\n[   10.1] Call Trace:\n[   10.1]  <TASK>\n[   10.1] Oops: 0000 [#1] SMP\n[   10.1]  </TASK>'
claim "other pages that could not be had are a fault" fault \
	"ferryd: page allocation failure: order:0, mode:0x40cc0(GFP_KERNEL|__GFP_COMP), nodemask=(null)"
claim "what was said before the command does not count" judged 0 \
	"[    1.000000] WARNING: CPU: 0 PID: 1 at arch/x86/kernel/cpu.c:7" "$mark" "[   10.0] well"
claim "without the mark all counts" judged 1 "[    1.0] WARNING: CPU: 0 PID: 1 at mm/slab.h:7"

# printf's format
raw() { # STATUS FORMAT
	local status=0
	# shellcheck disable=SC2059 # it is one
	printf "$2" >"$log"
	LC_ALL=C.UTF-8 "$tree/tools/vm/verdict" "$log" >"$log.said" 2>&1 || status=$?
	[ "$status" = "$1" ] && return
	echo "status $status, not $1"
	cat -v "$log.said"
	return 1
}
no_text() {
	raw 1 "$mark\na\0b\n[   10.0] BUG: unable to handle page fault\n" &&
		raw 1 "$mark\n\377\376\n[   10.0] BUG: unable to handle page fault\n" &&
		grep -q "unable to handle" "$log.said" && raw 0 "$mark\na\0b\377\n"
}
claim "bytes that are no text do not end a log" no_text

not_there() {
	local status=0
	"$tree/tools/vm/verdict" "$log.none" 2>/dev/null || status=$?
	is status "$status" 2
}
claim "a log that is not there is not clean" not_there

# Where what it reads the log by cannot run.
blind() {
	local status=0
	mkdir "$log.d" && cp "$tree/tools/vm/verdict" "$log.d" && echo "$mark" >"$log" || return
	"$log.d/verdict" "$log" 2>/dev/null || status=$?
	is status "$status" 2
}
claim "nor is one that could not be looked through" blind

# The scripts' own look at the log, here a file.
dmesg() { cat "$log"; }
log_mark="ferry-selftest: unit/verdict 1.1"
own() { # STATUS LINE...
	local want=$1 status=0
	shift
	printf '%b\n' "$@" >"$log"
	log_is_clean || status=1
	is "the status of $*" "$status" "$want"
}
after_the_mark() {
	own 1 "$log_mark" "a\0b" "BUG: unable to handle" >/dev/null && own 0 "WARNING: old" "$log_mark" well
}
claim "the scripts' own look sees what comes after their mark" after_the_mark

without_it() {
	own 1 "WARNING: new" well >/dev/null || return
	rm -f "$log"
	! log_is_clean >/dev/null 2>&1
}
claim "all of it if the mark is gone, and a log that cannot be read is not clean" without_it
finish
