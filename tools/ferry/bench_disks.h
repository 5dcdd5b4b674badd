/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* ferry bench: disks of each kind, for bench_block.c. */
#ifndef FERRY_BENCH_DISKS_H
#define FERRY_BENCH_DISKS_H

#include "bench.h"

int bench_disks_begin(const struct bench_opts *opts);
const char *bench_disk_missing(const struct bench_opts *opts, const struct bench_system *sys,
			       bool *fatal);
int bench_ready_files(const struct bench_opts *opts);
int bench_disk_add(const struct bench_opts *opts, struct bench_mount *disk,
		   const struct bench_case *cs);
void bench_disk_del(const struct bench_opts *opts, struct bench_mount *disk);
void bench_disks_end(const struct bench_opts *opts);

#endif
