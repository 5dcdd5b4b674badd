#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# --help and the man pages name the same options; ferry help and ferry(8) the same verbs; ferry(8) the
# fields of JSON that the sources have.
set -u
tree=$(dirname "$0")/../..
bin=$tree/build/bin
man=$tree/Documentation/man
number=0
failed=0

# What a help text lists: "  -o, --options OPTIONS  mount options" names -o and --options.
of_help() {
	"$@" 2>&1 | sed -n 's/^  \(-.*\)/\1/p' | sed 's/   *.*//; s/,//g' | tr ' ' '\n' |
		grep '^-' | sort -u
}

# The items of a page, or of one subsection of it: ".It Fl o , -options Ar options".
of_man() {
	awk -v want="${2-}" '
		/^\.S[sh] / { inside = !want || $0 == ".Ss " want }
		inside && /^\.It Fl/ {
			for (i = 3; i <= NF && $i != "Ar" && $i != "Cm" && $i != "Op" && $i != "Ns"; i++)
				if ($i != "," && $i != "Fl")
					print "-" $i
		}' "$man/$1" | sort -u
}

# What the sources of a verb add to JSON.
fields() { # FILE...
	(cd "$tree/tools/ferry" && sed -nE \
		's/.*(json_object_object_add|add_(string|number|line|version))\([a-z]+, "([^"]+)".*/\3/p' "$@") |
		sort -u
}

# Those of FIELDS that a subsection of ferry(8) names.
named() { # VERB FIELDS
	words=$(awk -v want=".Ss ferry $1" '/^\.S[sh] / { inside = $0 == want } inside' "$man/ferry.8" |
		tr ' ' '\n')
	for field in $2; do
		! echo "$words" | grep -qFx -e "$field" || echo "$field"
	done
}

# json VERB FILE...
json() {
	verb=$1
	shift
	claim "ferry(8) names all fields of ferry $verb --json" "$(fields "$@")" "$(named "$verb" "$(fields "$@")")"
}

claim() {
	number=$((number + 1))
	if [ -n "$2" ] && [ "$2" = "$3" ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		printf 'there: %s\nman page: %s\n' "$(echo "$2" | xargs)" "$(echo "$3" | xargs)" |
			sed 's/^/# /'
		failed=1
	fi
}

verbs=$("$bin/ferry" help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | grep -v '^help$' | sort)
echo "TAP version 13"
echo "1..$(($(echo "$verbs" | wc -l) + 8))"
claim "ferry help and ferry(8) name the same verbs" "$verbs" \
	"$(sed -n 's/^\.Ss ferry //p' "$man/ferry.8" | sort)"
for verb in $verbs; do
	of_page=$(of_man ferry.8 "ferry $verb")
	claim "ferry help $verb, ferry $verb -h and ferry(8) name the same options" \
		"$(of_help "$bin/ferry" help "$verb"; of_help "$bin/ferry" "$verb" -h)" \
		"$(printf '%s\n' "$of_page" "$of_page")"
done
claim "ferryd --help and ferryd(8) name the same options" \
	"$(of_help "$bin/ferryd" --help)" "$(of_man ferryd.8)"
claim "mount.ferry -h and mount.ferry(8) name the same options" \
	"$(of_help "$bin/mount.ferry" -h)" "$(of_man mount.ferry.8)"
json list list.c channel.c
json stat stat.c channel.c
json events events.c
json version version.c features.c
json bench bench_json.c bench_scale.c
exit $failed
