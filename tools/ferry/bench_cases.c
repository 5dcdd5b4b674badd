// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the workloads, in the order in which they are run and shown. */
#include "bench.h"

#define UNCACHED	"attr_timeout=0,entry_timeout=0"
/* Nobody but the mount changes the files of these. */
#define CACHED		"attr_timeout=60,entry_timeout=60"

#define FIO_4K		"ioengine=psync\ndirect=1\nbs=4k\nsize=4m\nio_size=8m\n"
#define FIO_1M		"ioengine=psync\ndirect=1\nbs=1m\n"
#define FIO_SEQUENTIAL	"ioengine=psync\nbs=128k\n"

const struct bench_case bench_cases[] = {
	{
		.name = "pipe",
		.what = "round trip between two processes, for comparison",
		.unit = "us",
		.flags = BENCH_SMALL | BENCH_PINNED | BENCH_HOST,
		.measure = bench_measure_pipe,
	}, {
		.name = "stat",
		.what = "stat() by path, attributes not cached; null",
		.unit = "us",
		.backend = "null",
		.options = UNCACHED,
		.flags = BENCH_SMALL | BENCH_PINNED,
		.measure = bench_measure_stat,
	}, {
		.name = "fstat",
		.what = "the same without a path; null",
		.unit = "us",
		.backend = "null",
		.options = UNCACHED,
		.flags = BENCH_SMALL | BENCH_PINNED,
		.measure = bench_measure_fstat,
	}, {
		.name = "create-unlink",
		.what = "create, close and unlink a file; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_SMALL | BENCH_PINNED,
		.measure = bench_measure_create,
	}, {
		.name = "read-4k",
		.what = "read 4 KiB, O_DIRECT; null",
		.unit = "us",
		.backend = "null",
		.options = UNCACHED,
		.fio = "rw=read\n" FIO_4K,
		.flags = BENCH_SMALL | BENCH_PINNED | BENCH_DIRECT,
		.measure = bench_measure_read,
	}, {
		.name = "write-4k",
		.what = "write 4 KiB, O_DIRECT; null",
		.unit = "us",
		.backend = "null",
		.options = UNCACHED,
		.fio = "rw=write\noverwrite=1\n" FIO_4K,
		.flags = BENCH_SMALL | BENCH_PINNED | BENCH_DIRECT,
		.measure = bench_measure_write,
	}, {
		.name = "read-1m",
		.what = "read 1 MiB at a time, O_DIRECT; null",
		.unit = "MB/s",
		.backend = "null",
		.options = UNCACHED,
		.fio = "rw=read\n" FIO_1M,
		.flags = BENCH_RATE | BENCH_DIRECT,
	}, {
		.name = "write-1m",
		.what = "write 1 MiB at a time, O_DIRECT; null",
		.unit = "MB/s",
		.backend = "null",
		.options = UNCACHED,
		.fio = "rw=write\noverwrite=1\n" FIO_1M,
		.flags = BENCH_RATE | BENCH_DIRECT,
	}, {
		.name = "seq-write",
		.what = "write a new file through the cache, and fsync; memfs",
		.unit = "MB/s",
		.backend = "memfs",
		.writeback = true,
		.options = CACHED,
		.fio = "rw=write\nend_fsync=1\nunlink=1\n" FIO_SEQUENTIAL,
		.flags = BENCH_RATE,
	}, {
		.name = "seq-read",
		.what = "read a file through the cache, which is cold; memfs",
		.unit = "MB/s",
		.backend = "memfs",
		.options = CACHED,
		.fio = "rw=read\n" FIO_SEQUENTIAL,
		.flags = BENCH_RATE,
	}, {
		.name = "mmap-read",
		.what = "read a mapped file, nothing cached; memfs",
		.unit = "MB/s",
		.backend = "memfs",
		.options = CACHED,
		.fio = "rw=read\nioengine=mmap\nbs=128k\n",
		.flags = BENCH_RATE,
	}, {
		.name = "readdir",
		.what = "list a directory of 10,000 names; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_PINNED,
		.prepare = bench_prepare_readdir,
		.measure = bench_measure_readdir,
	}, {
		.name = "untar",
		.what = "unpack the kernel's user headers, some 800 files, and sync; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_HEAVY | BENCH_PINNED,
		.ready = bench_ready_untar,
		.measure = bench_measure_untar,
	}, {
		.name = "compile",
		.what = "compile ferry's dispatcher, and sync; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_HEAVY | BENCH_PINNED,
		.ready = bench_ready_compile,
		.prepare = bench_prepare_compile,
		.measure = bench_measure_compile,
	},
};
const unsigned int bench_nr_cases = sizeof(bench_cases) / sizeof(bench_cases[0]);
