# SPDX-License-Identifier: GPL-2.0-only OR MIT
# shellcheck shell=bash
#
# What flushes of an NBD server stand for; block-life.sh's.

puts() { dd if=/dev/urandom of="$1" bs=64k count=1 oflag=direct status=none; }
not_safe() { refused "input/output error" sync "$1"; }
waits_for() { [ "$(stat_of "$1" "$2" in_flight)" = 1 ]; }

away_and_back() { # OPTION...: of the server that comes where one was killed
	end_export
	export_file "$work/host/nbd" "$@"
}

# What was written is gone with the server, for all one knows: the next flush says so, and that once.
answered_not_flushed() { # DISK
	puts "$1" && away_and_back && reads_now "$1" && not_safe "$1" && sync "$1" || return
	# And when all of it was flushed there is nothing to say.
	puts "$1" && sync "$1" && away_and_back && reads_now "$1" && sync "$1"
}

# The flush is under way already, or waits.
flushed_meanwhile() { # DISK
	local sync status=0
	puts "$1" || return
	end_export
	sync "$1" 2>"$work/err" &
	sync=$!
	until_so waits_for "$1" FLUSH || status=1
	export_file "$work/host/nbd" || return
	wait "$sync" && { echo "it is said to be safe"; status=1; }
	sync "$1" || status=1
	return "$status"
}

# Who serves the disk dies, which is no loss of the server's; but what he has lost stays so.
flushed_by_other() { # DISK
	local reader status=0
	puts "$1" && kill_server && is_followed && sync "$1" && puts "$1" || return
	end_export
	dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none &
	reader=$!
	until_so waits_for "$1" READ && kill_server || status=1
	export_file "$work/host/nbd" || return
	wait "$reader" || status=1
	not_safe "$1" && sync "$1" || status=1
	return "$status"
}

# Connections are made anew because the export has grown.
flushed_first() { # DISK
	puts "$1" && truncate -s 80M "$work/host/nbd" || return
	! grep " Flush" "$work/nbd.log" || { echo "somebody flushes"; return 1; }
	ferry disk resize "$1" && until_so grep -q " Flush" "$work/nbd.log" && sync "$1"
}

with_log() {
	local nbdkit_options=(--filter=log) status=0
	truncate -s 64M "$work/host/nbd"
	export_file "$work/host/nbd" logfile="$work/nbd.log" || return
	on_disk "nbd:uri=$uri,connections=2" user-sync "" flushed_first || status=1
	end_export
	rm -f "$work/host/nbd" "$work/nbd.log"
	return "$status"
}

# A flush by one of two connections would say nothing of the other one's writes.
promises_less() { # DISK
	local nbdkit_options=(--filter=multi-conn) status=0
	reads_now "$1" && away_and_back multi-conn-mode=disable || return
	! reads_now "$1" || { echo "it is used all the same"; status=1; }
	away_and_back multi-conn-mode=plugin && until_so reads_now "$1" || status=1
	return "$status"
}

# One of two connections is cut, and cannot be made anew: the other one does.
one_is_cut() { # PROXY DISK
	local n status=0 pids
	mapfile -t pids < <(pgrep -P "$1")
	is connections "${#pids[@]}" 2 && puts "$2" || return
	kill "$1" && rm "$work/proxy" && kill "${pids[0]}" || return
	for n in 1 2 3 4 5 6; do
		reads_now "$2" || { echo "read $n fails"; status=1; }
	done
	sync "$2" && puts "$2" && sync "$2" || status=1
	kill "${pids[1]}"
	return "$status"
}

proxied() {
	local proxy status=0
	truncate -s 64M "$work/host/nbd"
	export_file "$work/host/nbd" || return
	perl -MIO::Socket::UNIX -MIO::Select -e '
		my ($path, $to) = @ARGV;
		my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!\n";
		$SIG{CHLD} = "IGNORE";
		for (;;) {
			my $client = $listener->accept or next;
			next if fork;
			close $listener;
			my $server = IO::Socket::UNIX->new(Peer => $to) or exit 1;
			my $both = IO::Select->new($client, $server);
			for (;;) {
				for my $from ($both->can_read) {
					sysread $from, my $data, 65536 or exit;
					syswrite $from == $client ? $server : $client, $data or exit;
				}
			}
		}' "$work/proxy" "$socket" &
	proxy=$!
	until_so [ -S "$work/proxy" ] &&
		on_disk "nbd:uri=nbd+unix:///?socket=$work/proxy,connections=2,reconnect=2" user-sync "" \
			one_is_cut "$proxy" || status=1
	kill "$proxy" 2>/dev/null
	end_export
	rm -f "$work/host/nbd" "$work/proxy"
	return "$status"
}

nbd_claim flush "what its server had answered and lost is told by a flush, once" \
	on_nbd user-sync "" "" answered_not_flushed
nbd_claim flush "with two connections, too" \
	on_nbd user-sync "" ,connections=2 answered_not_flushed
nbd_claim flush "by one that waited for the server to come back, too" \
	on_nbd user-sync "" "" flushed_meanwhile
nbd_claim flush "by who follows the one that noticed, too" \
	on_nbd user-sync "" "" flushed_by_other
nbd_claim flush "what was written is flushed before connections are made anew" with_log
nbd_claim multi "a server that does not promise any more what several connections need is not used" \
	on_nbd user-sync "" ,connections=2,reconnect=2 promises_less
nbd_claim cut "one of two connections is cut for good: all goes by the other one" proxied
