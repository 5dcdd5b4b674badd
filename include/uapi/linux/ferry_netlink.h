/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
/*
 * ferry's generic netlink family: lists, counts, events, settings. For programs it is in
 * Documentation/netlink/ferry.yaml; classes, FERRY_CREATE_* and enum ferry_death are those
 * of <linux/ferry.h>.
 *
 * Who may look: a channel is shown to the user who made it, and to whoever has
 * CAP_SYS_ADMIN or CAP_NET_ADMIN over its maker's user namespace; for others it is
 * not there (-ENOENT). Who may change: the latter alone. To who may not, a channel that
 * is not there is -EPERM too.
 */
#ifndef _UAPI_LINUX_FERRY_NETLINK_H
#define _UAPI_LINUX_FERRY_NETLINK_H

#define FERRY_GENL_NAME		"ferry"
#define FERRY_GENL_VERSION	1

/* Events are told to this group, in the initial network namespace; CAP_NET_ADMIN joins. */
#define FERRY_GENL_EVENTS	"events"

/* Length of FERRY_A_LATENCIES: bucket n counts times from 2^n ns on. */
#define FERRY_LATENCY_BUCKETS	32

/**
 * enum ferry_cmd - what can be asked
 * @FERRY_CMD_UNSPEC: none
 * @FERRY_CMD_CHAN_GET: one channel (FERRY_A_ID), or all with NLM_F_DUMP, one message
 *	each
 * @FERRY_CMD_EVENT: told to the group: FERRY_A_EVENT, FERRY_A_TIME, and of the channel
 *	what names it
 * @FERRY_CMD_STAT_GET: NLM_F_DUMP: counts of each opcode that came, of all channels or
 *	that of FERRY_A_ID; a message each, from FERRY_A_ID to FERRY_A_LATENCIES
 * @FERRY_CMD_SET: change settings (FERRY_A_SPIN_US ...) of a channel (FERRY_A_ID)
 * @FERRY_CMD_ABORT: end a channel (FERRY_A_ID): its requests fail with -ENOTCONN and
 *	its servers are sent home; a mount stays, a disk is removed
 */
enum ferry_cmd {
	FERRY_CMD_UNSPEC,
	FERRY_CMD_CHAN_GET,
	FERRY_CMD_EVENT,
	FERRY_CMD_STAT_GET,
	FERRY_CMD_SET,
	FERRY_CMD_ABORT,
	__FERRY_CMD_END,
};

/**
 * enum ferry_event - what happened to a channel
 * @FERRY_EVENT_CREATED: it is there, with its first server
 * @FERRY_EVENT_BOUND: a client instance (a mount, a disk) uses it
 * @FERRY_EVENT_ATTACHED: a server came to a channel that had none
 * @FERRY_EVENT_DETACHED: its server is gone; requests wait for the next one
 * @FERRY_EVENT_RECOVERED: a new server has taken over what the last one left
 * @FERRY_EVENT_DIED: its server is gone and will not come back
 * @FERRY_EVENT_TIMEOUT: a request was failed by its deadline
 * @FERRY_EVENT_ABORTED: somebody ended it: umount -f, FERRY_CMD_ABORT
 * @FERRY_EVENT_MOVED: its server is another one now, on the other side or, in user space,
 *	on the same
 * @FERRY_EVENT_GONE: it is no more
 * @FERRY_EVENT_STALLED: a request has waited longer than FERRY_A_STALL although a server
 *	is there; told once, until all such are answered
 */
enum ferry_event {
	FERRY_EVENT_CREATED	= 1,
	FERRY_EVENT_BOUND	= 2,
	FERRY_EVENT_ATTACHED	= 3,
	FERRY_EVENT_DETACHED	= 4,
	FERRY_EVENT_RECOVERED	= 5,
	FERRY_EVENT_DIED	= 6,
	FERRY_EVENT_TIMEOUT	= 7,
	FERRY_EVENT_ABORTED	= 8,
	FERRY_EVENT_MOVED	= 9,
	FERRY_EVENT_GONE	= 10,
	FERRY_EVENT_STALLED	= 11,
};

/**
 * enum ferry_attr_id - attributes of a channel
 * @FERRY_A_UNSPEC: none
 * @FERRY_A_ID: u32, the channel's number
 * @FERRY_A_CLASS: u32, enum ferry_class
 * @FERRY_A_NAME: string, the backend's name
 * @FERRY_A_PLACEMENT: u32, enum ferry_placement
 * @FERRY_A_STATE: u32, enum ferry_state
 * @FERRY_A_CLIENT: string, the client instance: "major:minor" of a mount, or a disk's name;
 *	not told before there is one
 * @FERRY_A_QUEUES: u32
 * @FERRY_A_DEPTH: u32
 * @FERRY_A_FLAGS: u32, FERRY_CREATE_*
 * @FERRY_A_PID: u32, the process that made the channel or attached to it last, as the
 *	asker's pid namespace sees it; 0 if it does not, or in kernel placement
 * @FERRY_A_REQUESTS: u64, requests that ended
 * @FERRY_A_ERRORS: u64, of those, the ones that failed
 * @FERRY_A_BYTES_IN: u64, data moved to the server
 * @FERRY_A_BYTES_OUT: u64, data moved from the server
 * @FERRY_A_PAD: padding
 * @FERRY_A_EVENT: u32, enum ferry_event
 * @FERRY_A_TIME: u64, nanoseconds since 1970, of an event
 * @FERRY_A_UID: u32, the user who made it, as the asker's user namespace sees him
 * @FERRY_A_IN_FLIGHT: u64, requests that have not ended
 * @FERRY_A_HANDED: u64, requests given to a server that waited. This and the next
 *	five are counted in user placement only.
 * @FERRY_A_POSTED: u64, requests given to a server that spun
 * @FERRY_A_QUEUED: u64, requests that the next server to come took
 * @FERRY_A_SPUN: u64, a client spun and saw its answer come
 * @FERRY_A_SPUN_OUT: u64, a client spun in vain
 * @FERRY_A_SLEPT: u64, times that a client slept
 * @FERRY_A_OPCODE: u32, what the counts beside it are of
 * @FERRY_A_TIMED: u64, requests whose time was taken
 * @FERRY_A_NSECS: u64, the sum of their times, ns
 * @FERRY_A_LATENCIES: FERRY_LATENCY_BUCKETS times u64, of @FERRY_A_TIMED as many as
 *	took so long; the last bucket has all that took longer
 * @FERRY_A_LATENCY: u32, setting: 1: take the time of each request
 * @FERRY_A_SPIN_US: u32, setting: the longest that a client spins for an answer,
 *	microseconds, at most FERRY_SPIN_US_MAX; 0: never
 * @FERRY_A_ON_DEATH: u32, setting: enum ferry_death. Other than FAIL only where the server
 *	keeps what the next one needs: it was so when the channel was made, or it has been
 *	moved (-EOPNOTSUPP). For KERNEL see there.
 * @FERRY_A_GRACE: u32, setting: seconds, from 1 to FERRY_GRACE_MAX; 0 where ON_DEATH cannot
 *	be but FAIL
 * @FERRY_A_TIMEOUT: u32, setting: seconds, at most FERRY_TIMEOUT_MAX, for requests that
 *	come from now on; 0: for ever
 * @FERRY_A_STALL: u32, setting: seconds, at most FERRY_TIMEOUT_MAX, after which a request
 *	that is not answered is FERRY_EVENT_STALLED; 0: never
 * @FERRY_A_STALLS: u64, how often that was told
 */
enum ferry_attr_id {
	FERRY_A_UNSPEC,
	FERRY_A_ID,
	FERRY_A_CLASS,
	FERRY_A_NAME,
	FERRY_A_PLACEMENT,
	FERRY_A_STATE,
	FERRY_A_CLIENT,
	FERRY_A_QUEUES,
	FERRY_A_DEPTH,
	FERRY_A_FLAGS,
	FERRY_A_PID,
	FERRY_A_REQUESTS,
	FERRY_A_ERRORS,
	FERRY_A_BYTES_IN,
	FERRY_A_BYTES_OUT,
	FERRY_A_PAD,
	FERRY_A_EVENT,
	FERRY_A_TIME,
	FERRY_A_UID,
	FERRY_A_IN_FLIGHT,
	FERRY_A_HANDED,
	FERRY_A_POSTED,
	FERRY_A_QUEUED,
	FERRY_A_SPUN,
	FERRY_A_SPUN_OUT,
	FERRY_A_SLEPT,
	FERRY_A_OPCODE,
	FERRY_A_TIMED,
	FERRY_A_NSECS,
	FERRY_A_LATENCIES,
	FERRY_A_LATENCY,
	FERRY_A_SPIN_US,
	FERRY_A_ON_DEATH,
	FERRY_A_GRACE,
	FERRY_A_TIMEOUT,
	FERRY_A_STALL,
	FERRY_A_STALLS,
	__FERRY_A_END,
};

#define FERRY_SPIN_US_MAX	1000000

enum ferry_placement {
	FERRY_PLACEMENT_USER	= 0,
	FERRY_PLACEMENT_KERNEL	= 1,
};

/**
 * enum ferry_state - life of a channel
 * @FERRY_STATE_WAITING: there is a server, no client has been bound yet
 * @FERRY_STATE_LIVE: client and server are there
 * @FERRY_STATE_DEAD: one of them is gone; requests fail with -ENOTCONN
 * @FERRY_STATE_DETACHED: the server died; requests wait for the next one
 */
enum ferry_state {
	FERRY_STATE_WAITING	= 0,
	FERRY_STATE_LIVE	= 1,
	FERRY_STATE_DEAD	= 2,
	FERRY_STATE_DETACHED	= 3,
};

#endif /* _UAPI_LINUX_FERRY_NETLINK_H */
