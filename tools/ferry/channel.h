/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Channels, as the module's netlink family tells about them. */
#ifndef FERRY_CHANNEL_H
#define FERRY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/ferry.h>
#include <linux/ferry_netlink.h>

struct json_object;
struct libmnt_fs;
struct libmnt_iter;
struct libmnt_table;

/* Requests and what they carried. */
struct counts {
	uint64_t requests;
	uint64_t errors;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t in_flight;
};

/* One message of FERRY_CMD_CHAN_GET; see enum ferry_attr_id for the fields. */
struct channel {
	uint32_t id;
	uint32_t class;
	uint32_t placement;
	uint32_t state;
	uint32_t queues;
	uint32_t depth;
	uint32_t flags;
	uint32_t pid;
	uint32_t uid;
	uint32_t latency;
	uint32_t spin_us;
	uint32_t on_death;
	uint32_t grace;
	uint32_t timeout;
	uint32_t stall;
	uint64_t stalls;
	struct counts counts;
	uint64_t handed;
	uint64_t posted;
	uint64_t queued;
	uint64_t spun;
	uint64_t spun_out;
	uint64_t slept;
	char name[FERRY_NAME_MAX];
	char client[32];
};

/* One message of FERRY_CMD_STAT_GET; the times are 0 where none were taken. */
struct op {
	uint32_t id;
	uint32_t class;
	uint32_t opcode;
	struct counts counts;
	uint64_t timed;
	uint64_t nsecs;
	uint64_t latencies[FERRY_LATENCY_BUCKETS];
};

/* One message of FERRY_CMD_EVENT. */
struct event {
	uint64_t time;
	uint32_t event;
	uint32_t id;
	uint32_t class;
	uint32_t placement;
	uint32_t state;
	char name[FERRY_NAME_MAX];
};

/*
 * Errors of what follows: -ENODEV: the module is not loaded; -ENOENT: no such channel;
 * -EPERM; or another -errno. channel_complain() has words for them.
 */

/**
 * channels_get() - all channels
 * @channels: to be freed; NULL if there are none
 */
int channels_get(struct channel **channels, size_t *nr);

/**
 * ops_get() - what the opcodes of channels count, in order of channel and opcode
 * @id: of one channel; 0: all
 * @ops: to be freed; NULL if there are none
 */
int ops_get(uint32_t id, struct op **ops, size_t *nr);

/** channel_set() - change a setting; -ERANGE: the value is out of range */
int channel_set(uint32_t id, int attr, uint32_t value);

/** channel_abort() - end a channel */
int channel_abort(uint32_t id);

/**
 * events_watch() - hear of events
 * @told: called with each; anything but 0 ends it
 * @lost: called where the kernel could not keep up with telling
 * Return: what @told returned, or -errno
 */
int events_watch(int (*told)(const struct event *event, void *arg), void (*lost)(void *arg),
		 void *arg);

/** channel_complain() - say in one line that @what could not be done, and why */
void channel_complain(int err, const char *what);

/**
 * channel_find() - the channel that a user means
 * @name: a number, a mount point, a disk (ferryb0 or /dev/ferryb0), or a backend's name
 *	that only one channel has
 * Return: 0; or -errno, after one line that says what is wrong
 */
int channel_find(const char *name, struct channel *channel);

/* Words for a channel. */
const char *class_name(uint32_t class);
const char *placement_name(uint32_t placement);
const char *state_name(uint32_t state);
const char *event_name(uint32_t event);
const char *death_name(uint32_t on_death);

/* All that ferry set changes, by the names that it has there: a line, or members of @o. */
void settings_print(const struct channel *c);
void settings_to_json(const struct channel *c, struct json_object *o);

/* An object with @list, which is given away, as its "channels". */
void channels_print_json(struct json_object *list);

/** style_name() - NULL: requests are calls, nobody waits for them */
const char *style_name(const struct channel *c);

/** opcode_name() - as "READ"; NULL: it has none */
const char *opcode_name(uint32_t class, uint32_t opcode);

/** channel_next_mount() - the next mount of a channel, or NULL */
struct libmnt_fs *channel_next_mount(struct libmnt_table *table, struct libmnt_iter *iter,
				     const struct channel *c);

/** channel_place() - where users see it: mount point or disk; "" if nowhere */
const char *channel_place(struct libmnt_table *table, const struct channel *c, char *buf,
			  size_t size);

/**
 * latency() - the time that a share of requests did not exceed, ns
 * @share: 0.5 for the median
 * Return: 0 if none was timed. Within a bucket times are taken to be spread evenly.
 */
double latency(const uint64_t buckets[FERRY_LATENCY_BUCKETS], double share);

#endif
