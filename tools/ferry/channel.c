// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Channels: words for them, and which one a user means. */
#include "channel.h"
#include "ferry.h"
#include "mounts.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *word(const char *const *words, size_t nr, uint32_t n)
{
	return n < nr && words[n] ? words[n] : "?";
}

const char *class_name(uint32_t class)
{
	static const char *const words[] = {
		[FERRY_CLASS_FS]	= "fs",
		[FERRY_CLASS_BLOCK]	= "block",
	};

	return word(words, ARRAY_SIZE(words), class);
}

const char *placement_name(uint32_t placement)
{
	return placement == FERRY_PLACEMENT_KERNEL ? "kernel" : "user";
}

const char *state_name(uint32_t state)
{
	static const char *const words[] = {
		[FERRY_STATE_WAITING]	= "waiting",
		[FERRY_STATE_LIVE]	= "live",
		[FERRY_STATE_DEAD]	= "dead",
		[FERRY_STATE_DETACHED]	= "detached",
	};

	return word(words, ARRAY_SIZE(words), state);
}

const char *event_name(uint32_t event)
{
	static const char *const words[] = {
		[FERRY_EVENT_CREATED]	= "created",
		[FERRY_EVENT_BOUND]	= "bound",
		[FERRY_EVENT_ATTACHED]	= "attached",
		[FERRY_EVENT_DETACHED]	= "detached",
		[FERRY_EVENT_RECOVERED]	= "recovered",
		[FERRY_EVENT_DIED]	= "died",
		[FERRY_EVENT_TIMEOUT]	= "timeout",
		[FERRY_EVENT_ABORTED]	= "aborted",
		[FERRY_EVENT_MOVED]	= "moved",
		[FERRY_EVENT_GONE]	= "gone",
		[FERRY_EVENT_STALLED]	= "stalled",
	};

	return word(words, ARRAY_SIZE(words), event);
}

const char *death_name(uint32_t on_death)
{
	static const char *const words[] = {
		[FERRY_DEATH_FAIL]	= "fail",
		[FERRY_DEATH_REISSUE]	= "reissue",
		[FERRY_DEATH_KERNEL]	= "kernel",
	};

	return word(words, ARRAY_SIZE(words), on_death);
}

void settings_print(const struct channel *c)
{
	printf("latency %s, spin_us %u, on_death %s, grace %u, timeout %u, stall %u\n",
	       c->latency ? "on" : "off", c->spin_us, death_name(c->on_death), c->grace,
	       c->timeout, c->stall);
}

void settings_to_json(const struct channel *c, struct json_object *o)
{
	json_object_object_add(o, "latency", json_object_new_boolean(c->latency));
	json_object_object_add(o, "spin_us", json_object_new_uint64(c->spin_us));
	json_object_object_add(o, "on_death", json_object_new_string(death_name(c->on_death)));
	json_object_object_add(o, "grace", json_object_new_uint64(c->grace));
	json_object_object_add(o, "timeout", json_object_new_uint64(c->timeout));
	json_object_object_add(o, "stall", json_object_new_uint64(c->stall));
}

void channels_print_json(struct json_object *list)
{
	struct json_object *top = json_object_new_object();

	json_object_object_add(top, "channels", list);
	puts(json_object_to_json_string_ext(top, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(top);
}

const char *style_name(const struct channel *c)
{
	if (c->placement == FERRY_PLACEMENT_KERNEL)
		return NULL;
	return c->flags & FERRY_CREATE_RW ? "rw" : c->flags & FERRY_CREATE_POLL ? "poll" :
	       c->flags & FERRY_CREATE_URING ? "uring" : "sync";
}

struct libmnt_fs *channel_next_mount(struct libmnt_table *table, struct libmnt_iter *iter,
				     const struct channel *c)
{
	struct libmnt_fs *fs;
	char client[32];
	dev_t dev;

	while (table && mnt_table_next_fs(table, iter, &fs) == 0) {
		dev = mnt_fs_get_devno(fs);
		snprintf(client, sizeof(client), "%u:%u", major(dev), minor(dev));
		if (!strcmp(client, c->client) && mounts_is_ferry(fs))
			return fs;
	}
	return NULL;
}

const char *channel_place(struct libmnt_table *table, const struct channel *c, char *buf,
			  size_t size)
{
	struct libmnt_iter *iter;
	struct libmnt_fs *fs;

	if (c->class != FERRY_CLASS_FS) {
		snprintf(buf, size, "%s%s", *c->client ? "/dev/" : "", c->client);
		return buf;
	}
	iter = mnt_new_iter(MNT_ITER_FORWARD);
	fs = iter ? channel_next_mount(table, iter, c) : NULL;
	snprintf(buf, size, "%s", fs ? mnt_fs_get_target(fs) : "");
	mnt_free_iter(iter);
	return buf;
}

void channel_complain(int err, const char *what)
{
	switch (err) {
	case -ENODEV:
		complain("the module ferry is not loaded: modprobe ferry, or make load");
		break;
	case -EPERM:
		complain("cannot %s: that needs CAP_SYS_ADMIN or CAP_NET_ADMIN: be root", what);
		break;
	case -ENOENT:
		complain("cannot %s: the channel is gone, or another user's", what);
		break;
	case -EOPNOTSUPP:
		complain("cannot %s: its server keeps nothing for another one, or cannot go on in the kernel: mount it so, see on_death= in ferry(7)",
			 what);
		break;
	default:
		complain("cannot %s: %s", what, strerror(-err));
	}
}

/* The client instance that a path is of, as channels tell it; or "". */
static void client_of_path(const char *path, char *client, size_t size)
{
	struct libmnt_table *table = mounts_read();
	struct libmnt_fs *fs = table ? mounts_at(table, path) : NULL;
	dev_t dev;

	*client = '\0';
	if (!strncmp(path, "/dev/ferryb", strlen("/dev/ferryb"))) {
		snprintf(client, size, "%s", path + strlen("/dev/"));
	} else if (fs && mounts_is_ferry(fs)) {
		dev = mnt_fs_get_devno(fs);
		snprintf(client, size, "%u:%u", major(dev), minor(dev));
	}
	mnt_unref_table(table);
}

static bool is_number(const char *name)
{
	return *name && name[strspn(name, "0123456789")] == '\0';
}

/* Those of @channels that a word means come to its front; how many they are. */
static size_t select_word(struct channel *channels, size_t nr, const char *word)
{
	size_t i, found = 0;
	bool hit;

	for (i = 0; i < nr; i++) {
		if (is_number(word))
			hit = channels[i].id == strtoul(word, NULL, 10);
		else
			hit = !strcmp(channels[i].client, word) || !strcmp(channels[i].name, word);
		if (hit)
			channels[found++] = channels[i];
	}
	return found;
}

/* The same with a path, where a word without a slash may be one as well. */
static size_t select_named(struct channel *channels, size_t nr, const char *name)
{
	size_t found = strchr(name, '/') ? 0 : select_word(channels, nr, name);
	char client[32];

	if (found)
		return found;
	client_of_path(name, client, sizeof(client));
	return *client ? select_word(channels, nr, client) : 0;
}

static void complain_ambiguous(const char *name, const struct channel *channels, size_t nr)
{
	char ids[64] = "";
	size_t i, len = 0;

	for (i = 0; i < nr && len < sizeof(ids) - 12; i++)
		len += snprintf(ids + len, sizeof(ids) - len, "%s%u", i ? ", " : "",
				channels[i].id);
	complain("%zu channels are called %s: say which by number: %s%s", nr, name, ids,
		 i < nr ? " ..." : "");
}

int channel_find(const char *name, struct channel *channel)
{
	struct channel *channels;
	size_t nr, found;
	int err;

	err = channels_get(&channels, &nr);
	if (err) {
		channel_complain(err, "list channels");
		return err;
	}
	found = select_named(channels, nr, name);
	if (found == 1) {
		*channel = channels[0];
	} else if (found) {
		complain_ambiguous(name, channels, found);
		err = -EEXIST;
	} else {
		complain("%s: no channel of yours has this number, mount point, disk or name: see ferry list",
			 name);
		err = -ENOENT;
	}
	free(channels);
	return err;
}
