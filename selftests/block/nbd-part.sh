# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# An NBD server that says a READ is done and has not sent all of it; block-life.sh's. No real one does.

# liar SOCKET FILE, in the background: 64 MiB of x; what FILE says, if it is there, is how READs are
# answered: "part", with 512 bytes; "nothing"; "twice", with the first half two times.
liar() {
	exec perl -MIO::Socket::UNIX -e '
		use strict;
		my ($path, $file) = @ARGV;
		my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!\n";
		my $client;
		$SIG{CHLD} = "IGNORE";
		sub get { my $n = shift; my $s = ""; read($client, $s, $n) == $n or exit; return $s }
		sub option { syswrite $client, pack("Q> N N N/a", 0x3e889045565a9, @_) }
		sub chunk { syswrite $client, pack("N n n a8 N/a", 0x668e33ef, @_) }
		sub data { return pack("Q> a*", $_[0], "x" x $_[1]) }
		for (;;) {
			$client = $listener->accept or next;
			last unless fork;
			close $client;
		}
		close $listener;
		syswrite $client, "NBDMAGICIHAVEOPT" . pack("n", 3);
		get(4);
		for (;;) {
			my (undef, $option, $len) = unpack "a8 N N", get(16);
			get($len);
			option($option, 3, pack("n Q> n", 0, 64 << 20, 1)) if $option == 7;
			option($option, $option == 7 || $option == 8 ? 1 : 0x80000001, "");
			last if $option == 7;
		}
		for (;;) {
			my (undef, undef, $type, $handle, $off, $len) = unpack "N n n a8 Q> N", get(28);
			exit if $type == 2;
			open my $how, "<", $file or chunk(1, 1, $handle, data($off, $len)), next;
			my $word = <$how>;
			if ($word =~ /part/) {
				chunk(1, 1, $handle, data($off, 512));
			} elsif ($word =~ /nothing/) {
				chunk(1, 0, $handle, "");
			} else {
				chunk(0, 1, $handle, data($off, $len / 2));
				chunk(1, 1, $handle, data($off, $len / 2));
			}
		}' "$@"
}

answered_in_part() { # DISK
	local how
	reads_now "$1" || return
	for how in part nothing; do
		echo "$how" >"$work/how"
		refused "input/output error" dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none ||
			{ echo "answered: $how"; return 1; }
	done
	# Wrong it may be, as any server's data; ours it is not.
	echo twice >"$work/how"
	dd if="$1" bs=4k count=1 iflag=direct status=none | tr -d 'x\0' | cmp - /dev/null || return
	rm "$work/how"
	reads_now "$1"
}

with_liar() {
	local liar status=0
	liar "$work/liar" "$work/how" &
	liar=$!
	until_so [ -S "$work/liar" ] &&
		on_disk "nbd:uri=nbd+unix:///?socket=$work/liar" user-sync "" answered_in_part || status=1
	kill "$liar" 2>/dev/null
	rm -f "$work/liar" "$work/how"
	return "$status"
}

nbd_claim part "a READ whose data did not all come is an error, and shows nothing of ours" with_liar
