// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the workloads on filesystems, in the order in which they are run and shown. */
#include "bench.h"

#define UNCACHED	"attr_timeout=0,entry_timeout=0"
/* Nobody but the mount changes the files of these. */
#define CACHED		"attr_timeout=60,entry_timeout=60"

#define FIO_1M		"ioengine=psync\ndirect=1\n"
#define FIO_SEQUENTIAL	"ioengine=psync\n"

/*
 * A directory of tmpfs that is mirrored, next to itself: through the page cache, since
 * tmpfs has no other way.
 */
#define MIRROR(name_, what_, unit_, bytes_, fio_, measure_, flags_) {			\
		.name = "mirror-" name_,						\
		.what = what_ ", buffered; mirror of tmpfs",				\
		.unit = unit_,								\
		.bytes = bytes_,							\
		.backend = "mirror",							\
		.options = CACHED,							\
		.fio = fio_,								\
		.flags = BENCH_COUNTED | (flags_),					\
		.prepare = bench_prepare_data,						\
		.measure = bench_measure_##measure_,					\
	}
#define MIRROR_4K(name, measure, engine, dir) MIRROR(name "-4k", name " 4 KiB at random places",	\
	"us", 4096, "rw=" dir "\nioengine=" engine "\noverwrite=1\nsize=4m\nio_size=16m\n", \
	measure, BENCH_PINNED)
#define MIRROR_1M(name, measure, engine, dir) MIRROR(name "-1m", name " 1 MiB after the other",	\
	"MB/s", 1048576, "rw=" dir "\nioengine=" engine "\noverwrite=1\n", measure, BENCH_RATE)

const struct bench_case bench_fs_cases[BENCH_NR_FS_CASES] = {
	{
		.name = "pipe",
		.what = "round trip between two processes, for comparison",
		.unit = "us",
		.flags = BENCH_COUNTED | BENCH_PINNED | BENCH_HOST,
		.measure = bench_measure_pipe,
	}, {
		.name = "stat",
		.what = "stat() by path, attributes not cached; null",
		.unit = "us",
		.backend = "null",
		.options = UNCACHED,
		.flags = BENCH_LOOP | BENCH_COUNTED | BENCH_PINNED,
		.measure = bench_measure_stat,
	}, {
		.name = "fstat",
		.what = "the same without a path; null",
		.unit = "us",
		.backend = "null",
		.options = UNCACHED,
		.flags = BENCH_LOOP | BENCH_COUNTED | BENCH_PINNED,
		.measure = bench_measure_fstat,
	}, {
		.name = "create-unlink",
		.what = "create, close and unlink a file; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_LOOP | BENCH_COUNTED | BENCH_PINNED,
		.measure = bench_measure_create,
	}, {
		.name = "create-write",
		.what = "create a file, write 4 KiB, close and unlink it; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_LOOP | BENCH_COUNTED | BENCH_PINNED,
		.measure = bench_measure_create_write,
	}, {
		.name = "read-4k",
		.what = "read 4 KiB, O_DIRECT; null",
		.unit = "us",
		.bytes = 4096,
		.backend = "null",
		.options = UNCACHED,
		.flags = BENCH_LOOP | BENCH_COUNTED | BENCH_PINNED | BENCH_DIRECT,
		.measure = bench_measure_read,
	}, {
		.name = "write-4k",
		.what = "write 4 KiB, O_DIRECT; null",
		.unit = "us",
		.bytes = 4096,
		.backend = "null",
		.options = UNCACHED,
		.flags = BENCH_LOOP | BENCH_COUNTED | BENCH_PINNED | BENCH_DIRECT,
		.measure = bench_measure_write,
	}, {
		.name = "cached-stat",
		.what = "stat() by path, attributes cached; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_COUNTED | BENCH_PINNED,
		.measure = bench_measure_stat,
	}, {
		.name = "cached-read",
		.what = "read 4 KiB from the page cache; memfs",
		.unit = "us",
		.backend = "memfs",
		.options = CACHED,
		.flags = BENCH_COUNTED | BENCH_PINNED,
		.prepare = bench_prepare_cached,
		.measure = bench_measure_cached_read,
	}, {
		.name = "idle",
		.what = "milliseconds that a server runs in a second without requests; null",
		.unit = "ms/s",
		.backend = "null",
		.options = UNCACHED,
		.flags = BENCH_HEAVY | BENCH_SERVER,
		.measure = bench_measure_idle,
	}, {
		.name = "read-1m",
		.what = "read 1 MiB at a time, O_DIRECT; null",
		.unit = "MB/s",
		.bytes = 1048576,
		.backend = "null",
		.options = UNCACHED,
		.fio = "rw=read\n" FIO_1M,
		.flags = BENCH_RATE | BENCH_DIRECT,
	}, {
		.name = "write-1m",
		.what = "write 1 MiB at a time, O_DIRECT; null",
		.unit = "MB/s",
		.bytes = 1048576,
		.backend = "null",
		.options = UNCACHED,
		.fio = "rw=write\noverwrite=1\n" FIO_1M,
		.flags = BENCH_RATE | BENCH_DIRECT,
	}, {
		.name = "seq-write",
		.what = "write a new file through the cache, and fsync; memfs",
		.unit = "MB/s",
		.bytes = 131072,
		.backend = "memfs",
		.writeback = true,
		.options = CACHED,
		.fio = "rw=write\nend_fsync=1\nunlink=1\n" FIO_SEQUENTIAL,
		.flags = BENCH_RATE | BENCH_FSYNC,
	}, {
		.name = "seq-read",
		.what = "read a file through the cache, which is cold; memfs",
		.unit = "MB/s",
		.bytes = 131072,
		.backend = "memfs",
		.options = CACHED,
		.fio = "rw=read\n" FIO_SEQUENTIAL,
		.flags = BENCH_COUNTED | BENCH_RATE,
		.prepare = bench_prepare_data,
		.measure = bench_measure_cold_read,
	}, {
		.name = "mmap-read",
		.what = "read a mapped file, nothing cached; memfs",
		.unit = "MB/s",
		.bytes = 131072,
		.backend = "memfs",
		.options = CACHED,
		.fio = "rw=read\nioengine=mmap\n",
		.flags = BENCH_RATE,
	},
	MIRROR_4K("read", read_4k, "psync", "randread"),
	MIRROR_4K("write", write_4k, "psync", "randwrite"),
	MIRROR_4K("mmap-read", mmap_read_4k, "mmap", "randread"),
	MIRROR_4K("mmap-write", mmap_write_4k, "mmap", "randwrite"),
	MIRROR_1M("read", read_1m, "psync", "read"),
	MIRROR_1M("write", write_1m, "psync", "write"),
	MIRROR_1M("mmap-read", mmap_read_1m, "mmap", "read"),
	MIRROR_1M("mmap-write", mmap_write_1m, "mmap", "write"),
	{
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
