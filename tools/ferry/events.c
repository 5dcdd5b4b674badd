// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry events: what happens to channels, as it happens. */
#include "channel.h"
#include "ferry.h"
#include "flags.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <json-c/json.h>

static const char usage[] =
	"Usage: ferry events [--json]\n"
	"\n"
	"Tell what happens to channels, a line each, until interrupted: created, bound to a\n"
	"mount or disk, server attached, detached, recovered or died, timeout of a request,\n"
	"stalled, aborted, moved, gone. Root only.\n"
	"\n"
	"  --json      print an object a line for programs\n"
	"  -h, --help  show this help\n";

static void print_text(const struct event *event)
{
	time_t seconds = (time_t)(event->time / 1000000000);
	char when[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	printf("%s.%03u  %-9s  channel %u: %s, %s %s, %s\n", when,
	       (unsigned int)(event->time / 1000000 % 1000), event_name(event->event), event->id,
	       event->name, placement_name(event->placement), class_name(event->class),
	       state_name(event->state));
}

static void print_json(const struct event *event)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "time_ns", json_object_new_uint64(event->time));
	json_object_object_add(o, "event", json_object_new_string(event_name(event->event)));
	json_object_object_add(o, "id", json_object_new_uint64(event->id));
	json_object_object_add(o, "name", json_object_new_string(event->name));
	json_object_object_add(o, "class", json_object_new_string(class_name(event->class)));
	json_object_object_add(o, "placement",
			       json_object_new_string(placement_name(event->placement)));
	json_object_object_add(o, "state", json_object_new_string(state_name(event->state)));
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

/* Ends when nobody reads any more. */
static int told(const struct event *event, void *arg)
{
	const bool *json = arg;

	(*json ? print_json : print_text)(event);
	return fflush(stdout) || ferror(stdout);
}

static void lost(void *arg)
{
	complain("events came faster than they could be read; some are lost");
}

int cmd_events(int argc, char **argv)
{
	bool json = false;
	const struct flag flags[] = { { "json", &json }, { 0 } };
	int err, status = flags_parse(argc, argv, usage, flags);

	if (status != FLAGS_OK)
		return status;
	if (optind < argc)
		return bad_usage("events", "unexpected argument %s", argv[optind]);
	err = events_watch(told, lost, &json);
	if (err < 0)
		channel_complain(err, "watch events");
	return err < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
