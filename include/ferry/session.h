/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * libferry: serve a backend from a user process.
 *
 *	ferry_backend_load("memfs", &backend);
 *	ferry_session_new(backend, "size=1G", NULL, &session);
 *	ferry_session_mount(session, "memfs:size=1G", "/mnt", NULL);
 *	ferry_session_wait(session);
 *	ferry_session_free(session);
 *
 * Of a disk, ferry_session_disk() takes the place of ferry_session_mount().
 *
 * Functions that return int return 0 or -errno, the latter after one line in the
 * log (ferry_log()) which says what failed, on what, and what to do.
 */
#ifndef FERRY_SESSION_H
#define FERRY_SESSION_H

#include <ferry/backend.h>

/** struct ferry_session - a server, its channel and the threads that serve it */
struct ferry_session;

/**
 * struct ferry_session_options - how to serve; 0 or NULL: as libferry likes
 * @size: sizeof(struct ferry_session_options), so that it may grow
 * @wait: wait style, "sync", "poll", "uring" or "rw"
 * @queues: queues, and threads that serve them; one per CPU by default
 * @depth: requests that a queue takes at a time
 * @data_size: bytes of a slot's data area
 * @inline_max: up to so many bytes of data go through that area; longer data is copied
 *	between the client's memory and the server's directly
 * @spin_us: style poll: how many microseconds a thread looks for a request before it
 *	sleeps
 * @on_death: what becomes of the client's requests when the server is killed: "reissue":
 *	they wait for another server; "kernel": for one inside the kernel, which the module
 *	sees to; "fail". By default what the backend declares to be safe (FERRY_RECOVERS).
 * @grace: "reissue", "kernel": how many seconds they wait at most; 30 by default
 * @timeout: seconds after which a request fails that was not answered; 0: never
 * @attach: number of a channel whose server died, to take its place; 0: make a channel.
 *	What belongs to the channel (@queues, @depth, @data_size, @inline_max, @on_death, @grace,
 *	@timeout) is not looked at then.
 * @class: enum ferry_class of <linux/ferry.h>; 0: a filesystem
 * @replace: with @attach: the channel has a server, which is sent home: take its state and
 *	its place
 * @mounted: with @attach: what ferry_session_mounted() said of a session of this channel; 0:
 *	nobody knows
 * @grace_now: out, with @attach, may be NULL: the channel's @grace, once it has taken us for its
 *	server, although there may be no session in the end
 */
struct ferry_session_options {
	size_t size;
	const char *wait;
	u32 queues;
	u32 depth;
	u32 data_size;
	u32 spin_us;
	const char *on_death;
	u32 grace;
	u32 timeout;
	u32 attach;
	u32 class;
	u32 inline_max;
	bool replace;
	u64 mounted;
	u32 *grace_now;
};

/**
 * ferry_backend_load() - find a backend by its name
 * @name: memfs, say, for memfs.so; searched for in $FERRY_BACKENDS_DIR, else in
 *	../backends beside the running program, else where libferry is installed
 * @backend: out, valid until the process ends
 * Return: 0; -ENOENT: there is none of this name; -EINVAL: it is no backend;
 *	-EPROTO: it was built for another version
 */
int ferry_backend_load(const char *name, const struct ferry_backend **backend);

/**
 * ferry_session_new() - start a server and make its channel
 * @backend: which
 * @args: for its init(), may be NULL; to attach: NULL: those of the server before
 * @options: may be NULL
 * @session: out, to be freed by ferry_session_free()
 * Return: 0; -ENOENT: the ferry module is not loaded; -EPROTO: it is of another
 *	version; -EACCES, -EPERM: /dev/ferry is not for us; -EINVAL: no such wait
 *	style or a shape out of range; -ENOTCONN: the channel to attach to is gone, or waits
 *	for no server; or what init() returned
 */
int ferry_session_new(const struct ferry_backend *backend, const char *args,
		      const struct ferry_session_options *options,
		      struct ferry_session **session);

/**
 * ferry_session_mount() - begin to serve, and mount
 * @source: what stands in the first column of /proc/mounts, "memfs:size=1G"
 * @dir: a directory
 * @options: as for ferry_mount(), without fd= and its kin; may be NULL. Where the backend is
 *	not FERRY_CHECKS_ACCESS, default_permissions stands before them: it is on unless they say
 *	no_default_permissions.
 *
 * Returns when client and server have come to terms: @dir can be used. Threads
 * are running from then on, also when it fails. To be called once.
 * Return: 0; -ETIMEDOUT, -ENOTCONN: they did not; or as ferry_mount()
 */
int ferry_session_mount(struct ferry_session *session, const char *source,
			const char *dir, const char *options);

/**
 * ferry_session_resume() - begin to serve the channel that was attached to
 * @dir: where its client is mounted, for ferry_session_unmount(), best as an absolute path;
 *	NULL: unknown
 *
 * Instead of ferry_session_mount(). Unless ferry_session_options.mounted says better, the ferry
 * mount that is at @dir now is taken to be the client's.
 * Return: 0; -errno: no threads
 */
int ferry_session_resume(struct ferry_session *session, const char *dir);

/**
 * ferry_session_reissues() - will requests of a new channel wait for another server, with these
 *	options?
 *
 * With @options->attach: can they, if the channel has it so?
 * Return: seconds that they wait; 0: no
 */
u32 ferry_session_reissues(const struct ferry_backend *backend,
			   const struct ferry_session_options *options);

/**
 * ferry_session_held() - for how long clients waited, in ms
 *
 * With ferry_session_options.replace, after ferry_session_resume(): from when the old
 * server was asked nothing more until now.
 */
double ferry_session_held(const struct ferry_session *session);

/**
 * ferry_session_to_kernel() - have the channel moved into the kernel, beside all else
 *
 * After ferry_session_resume(). The session ends when it has been moved; if it cannot be
 * a line in the log says so, and it goes on.
 * Return: 0; -errno: no thread
 */
int ferry_session_to_kernel(struct ferry_session *session);

/**
 * ferry_channel_move() - take a channel's server away; see FERRY_IOC_MOVE
 * @channel: its number
 * @to_kernel: the backend goes on in the kernel; else a server goes on that attaches
 * @held_ns: out: for how long clients have waited; may be NULL
 * Return: 0; -EALREADY: it is in the kernel already (no line in the log then); or -errno
 */
int ferry_channel_move(u32 channel, bool to_kernel, u64 *held_ns);

/** ferry_session_channel() - the number of the session's channel */
u32 ferry_session_channel(const struct ferry_session *session);

/**
 * ferry_session_on_death() - what becomes of the channel when this server dies: enum ferry_death
 *	of <linux/ferry.h>, as it was when the session was made
 */
u32 ferry_session_on_death(const struct ferry_session *session);

/** ferry_session_grace() - seconds that requests wait for the next server, as it was then; or 0 */
u32 ferry_session_grace(const struct ferry_session *session);

/**
 * ferry_session_mounted() - the device that the session's mount is, as stat() tells of what is on
 *	it; 0: nothing is mounted, or nobody knows
 */
u64 ferry_session_mounted(const struct ferry_session *session);

/**
 * ferry_session_unmount() - take the mount away; the session ends when it is gone
 * @lazy: now from the tree of names, the rest when the last user leaves it
 *
 * What else has been mounted there meanwhile stays.
 * Return: 0; -EBUSY: it is in use (not with @lazy); -EINVAL: it is not there
 */
int ferry_session_unmount(struct ferry_session *session, bool lazy);

/**
 * struct ferry_disk_options - what a disk is to be like; 0 or NULL: as its backend says
 * @size: sizeof(struct ferry_disk_options), so that it may grow
 * @read_only: nobody writes to it
 * @rotational: let the client treat it as one that seeks
 * @logical_block, @physical_block, @io_min, @io_opt: bytes, in place of the backend's
 * @depth: requests of a hardware queue at a time
 * @timeout: seconds after which a request that was not answered fails; 0: 30
 * @serial: letters, digits, '-', '_' and '.', for /dev/disk/by-id
 */
struct ferry_disk_options {
	size_t size;
	bool read_only;
	bool rotational;
	u32 logical_block;
	u32 physical_block;
	u32 io_min;
	u32 io_opt;
	u32 depth;
	u32 timeout;
	char serial[64];
};

/**
 * ferry_disk_options_parse() - read options from "name=value,name"
 * @str: ro, rotational, logical=, physical=, io_min=, io_opt= (bytes, with a suffix K, M),
 *	depth=, io_timeout=, serial=; may be NULL
 * @options: out
 * Return: 0, -EINVAL: one of them is not known or out of range
 */
int ferry_disk_options_parse(const char *str, struct ferry_disk_options *options);

/**
 * ferry_session_disk() - begin to serve, and make the disk
 * @source: BACKEND[:ARGS], for messages
 * @options: may be NULL
 *
 * Of a session of FERRY_CLASS_BLOCK. Returns when the disk can be opened and its
 * partitions have been looked for. Threads are running from then on, also when it
 * fails. To be called once.
 * Return: the number N of /dev/ferrybN; -ENOENT: the module ferryblk is not loaded;
 *	-EPERM: it wants CAP_SYS_ADMIN; or as FERRY_BLK_IOC_ADD in <linux/ferry_blk.h>
 */
int ferry_session_disk(struct ferry_session *session, const char *source,
		       const struct ferry_disk_options *options);

/**
 * ferry_session_remove() - take the disk away; the session ends when it is gone
 * @force: although it is open: requests that are under way fail
 * Return: 0; -EBUSY: it is open (not with @force); -EINVAL: it is not there
 */
int ferry_session_remove(struct ferry_session *session, bool force);

/**
 * ferry_disk_add() - a disk of a backend in the kernel
 * @name: the backend
 * @args: for its init(), may be NULL
 * @source, @options: as ferry_session_disk()
 * Return: as ferry_session_disk()
 */
int ferry_disk_add(const char *name, const char *args, const char *source,
		   const struct ferry_disk_options *options);

/** ferry_disk_del() - take the disk @index away, as ferry_session_remove() */
int ferry_disk_del(u32 index, bool force);

/**
 * ferry_disk_resize() - let the disk @index have another size
 * @bytes: in: which, 0: all of what lies under it by now; out: what it has
 */
int ferry_disk_resize(u32 index, u64 *bytes);

/**
 * ferry_session_fd() - a file descriptor that becomes readable when the session
 *	has ended; it stays the session's
 */
int ferry_session_fd(const struct ferry_session *session);

/**
 * ferry_session_wait() - wait for the end of the session
 * Return: 0: the client has gone away; -errno: what else ended a thread
 */
int ferry_session_wait(struct ferry_session *session);

/**
 * ferry_session_free() - end the session if need be, and the server
 * @session: NULL is allowed
 *
 * Waits until the backend has answered what it was asked. A mount that is still
 * there loses its server.
 */
void ferry_session_free(struct ferry_session *session);

/**
 * ferry_mount() - mount a ferry filesystem, with the words of mount(8)
 * @source: BACKEND[:ARGS]
 * @dir: where to
 * @options: "ro,nosuid,attr_timeout=0": flags by their names, the rest is for the
 *	filesystem; may be NULL. Without fd= the backend named by @source is loaded into
 *	the kernel. With remount the flags of what is mounted on @dir are changed. What is
 *	mount(8)'s own (nofail, x-*) is dropped, and with sloppy whatever ferryfs does not
 *	know.
 * Return: 0; -ENOENT: there is no such backend in the kernel (no line in the log then); or
 *	-errno
 */
int ferry_mount(const char *source, const char *dir, const char *options);

/**
 * ferry_mount_check() - does the kernel know these options? As for ferry_mount()
 * Return: 0: it does, or cannot be asked; or -errno
 */
int ferry_mount_check(const char *options);

/**
 * ferry_log_open() - where ferry_log() writes to
 * @max: lines above this level are dropped; FERRY_LOG_INFO at the begin
 * @to_syslog: to syslog(3), else to standard error as at the begin
 */
void ferry_log_open(enum ferry_log_level max, bool to_syslog);

#endif
