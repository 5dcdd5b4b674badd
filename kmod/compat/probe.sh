#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Ask the kernel's headers each question in probe/*.c: does it compile? Kbuild runs
# this with the compiler and flags of a module:  probe.sh OUT.h PROBE_DIR CC FLAGS...
# Writes OUT.h: one #define HAVE_NAME for each probe/NAME.c that does.
set -eu

out=$1 dir=$2
shift 2
tmp=$out.tmp
trap 'rm -f "$tmp" "$tmp.c"' EXIT

asks() {
	"$@" -Werror -fsyntax-only -x c - >"$tmp.c" 2>&1
}

# If even this fails it is the flags, and every answer would be a wrong "no".
if ! printf '#include <linux/module.h>\n' | asks "$@"; then
	echo "probe.sh: the kernel's headers do not compile:" >&2
	cat "$tmp.c" >&2
	exit 1
fi

{
	echo "/* Made by kmod/compat/probe.sh from kmod/compat/probe/; do not edit. */"
	for p in "$dir"/*.c; do
		name=$(basename "$p" .c)
		if asks "$@" <"$p"; then
			echo "#define HAVE_$(echo "$name" | tr '[:lower:]' '[:upper:]')"
		fi
	done
} >"$tmp"
mv "$tmp" "$out"
