#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR MIT
# usage: headers.sh DIR. Headers that modules cannot be built with: one line says why not.

# shellcheck source=selftests/lib.sh
. "$(dirname "$(realpath "$0")")/../lib.sh"
dir=$1/headers-$$ work=$1/headers-$$
mkdir "$dir" || exit 1
cd "$dir" || exit 1

fake_headers() { # RELEASE COMPILER
	local kdir=lib/modules/$1/build
	mkdir -p "$kdir"/{include/config,include/generated,scripts/mod}
	touch "$kdir"/{Makefile,include/generated/autoconf.h,scripts/mod/modpost}
	echo "CONFIG_CC_VERSION_TEXT=\"$2\"" >"$kdir/include/config/auto.conf"
}

says() { # TEXT KDIR
	local said status
	said=$("$tree/tools/headers" "$dir/lib/modules/$2/build" 2>&1)
	status=$?
	[ "$status" = 2 ] && [ "$(wc -l <<<"$said")" = 1 ] && grep -q -E -e "$1" <<<"$said" && return
	echo "status $status: $said"
	return 1
}

good() { "$tree/tools/headers" "$dir/lib/modules/1.0-good/build"; }

# chosen RUNNING KERNEL [HEADERS=...]: whose make takes where RUNNING runs, of the good ones and the half ones
chosen() {
	local said
	printf '#!/bin/sh\necho %s\n' "$1" >./uname
	# shellcheck disable=SC2016 # that is for make
	said=$(PATH=$dir:$PATH make -s -C "$tree" MAKEFLAGS= -f Makefile --eval 'chosen: ; @echo $(KDIR)' chosen \
		KERNELS="$dir/lib/modules" "${@:3}") || return
	is "KDIR" "${said#"$dir/lib/modules/"}" "$2/build"
}

no_others() {
	chosen 1.0-good 6.0-none HEADERS=6.0-none && HEADERS=6.0-none chosen 1.0-good 6.0-none || return
	MAKEFLAGS='' refused "apt-get install linux-headers-6.0-none" \
		make -s -C "$tree" KERNELS="$dir/lib/modules" HEADERS=6.0-none modules || return
	is "its status" "$refused_with" 2
}

version=$(gcc -dumpfullversion)
fake_headers 1.0-good "gcc (Debian) $version"
fake_headers 2.0-half "gcc (Debian) $version"
rm lib/modules/2.0-half/build/scripts/mod/modpost
fake_headers 3.0-missing "gcc-99 (Debian 99.1) 99.1.0"
fake_headers 4.0-other "gcc (Debian 9.9.0) 9.9.0"
mkdir -p lib/modules/5.0-gone
ln -s /nonexistent lib/modules/5.0-gone/build
touch uname
chmod +x uname
unset HEADERS KDIR MAKEFLAGS

echo "TAP version 13"
claim "headers that are right are taken" good
claim "no headers: the package is named" says 'apt-get install linux-headers-6.0-none' 6.0-none
claim "a link to headers that are gone: the package is named" says 'linux-headers-5.0-gone' 5.0-gone
claim "half of the headers: what is missing is named" says 'no scripts/mod/modpost' 2.0-half
claim "a compiler that is not here is named" says 'gcc-99 99.1.0.*apt-get install gcc-99' 3.0-missing
claim "another compiler than the kernel's: both are named" says "9.9.0.*gcc here is $version" 4.0-other
claim "make takes the headers of the kernel that runs" chosen 1.0-good 1.0-good
claim "make takes the newest where that one has none" chosen 6.0-none 4.0-other
claim "make takes the newest when asked for them" chosen 1.0-good 4.0-other HEADERS=newest
claim "make takes those of a release that it is given" chosen 1.0-good 2.0-half HEADERS=2.0-half
claim "make takes no others for a release that has none" no_others
cd / && rm -r "$dir"
finish
