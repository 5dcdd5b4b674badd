// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry version: what is installed and what is running. */
#include "features.h"
#include "ferry.h"
#include "flags.h"
#include "modules.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <ferry/backend.h>
#include <json-c/json.h>
#include <linux/ferry.h>

static const char usage[] =
	"Usage: ferry version [--features] [--json]\n"
	"\n"
	"Show the versions of this command, of the loaded module and of the kernel.\n"
	"\n"
	"  --features  what module and kernel offer together, and what they lack\n"
	"  --json      print an object for programs\n"
	"  -h, --help  show this help\n";

static struct json_object *string_or_null(const char *str)
{
	return str ? json_object_new_string(str) : NULL;
}

/* Is what modprobe would load now another build than what is loaded? */
static bool is_outdated(const char *module)
{
	char loaded[64], installed[64];

	return module_attr(module, "srcversion", loaded, sizeof(loaded)) &&
	       module_installed(module, "srcversion", installed, sizeof(installed)) &&
	       strcmp(loaded, installed) != 0;
}

static void add_outdated(struct json_object *array, const char *module)
{
	if (is_outdated(module))
		json_object_array_add(array, json_object_new_string(module));
}

/* Of the core there are both srcversions; of the modules beside it, their names. */
static struct json_object *outdated(void)
{
	struct json_object *array = json_object_new_array();
	struct backends list = { 0 };
	char name[256];
	size_t i;

	add_outdated(array, "ferryfs");
	add_outdated(array, "ferryblk");
	backends_loaded(&list);
	for (i = 0; i < list.nr; i++) {
		snprintf(name, sizeof(name), "ferry_%s", list.names[i]);
		add_outdated(array, name);
	}
	backends_free(&list);
	return array;
}

/* One object is filled; people and programs are shown the same. */
static struct json_object *collect(bool with_features)
{
	struct json_object *o = json_object_new_object(), *module = NULL;
	char version[64], loaded[64], installed[64];
	struct utsname uts;

	uname(&uts);
	json_object_object_add(o, "version", json_object_new_string(FERRY_VERSION));
	json_object_object_add(o, "abi", json_object_new_int(FERRY_ABI));
	json_object_object_add(o, "backend_abi", json_object_new_int(FERRY_BACKEND_ABI));
	json_object_object_add(o, "kernel", json_object_new_string(uts.release));
	if (module_attr("ferry", "initstate", version, sizeof(version))) {
		module = json_object_new_object();
		json_object_object_add(module, "version", string_or_null(
			module_attr("ferry", "version", version, sizeof(version))));
		json_object_object_add(module, "srcversion", string_or_null(
			module_attr("ferry", "srcversion", loaded, sizeof(loaded))));
		json_object_object_add(module, "installed_srcversion", string_or_null(
			module_installed("ferry", "srcversion", installed, sizeof(installed))));
		json_object_object_add(module, "outdated", outdated());
	}
	json_object_object_add(o, "module", module);
	if (with_features)
		json_object_object_add(o, "features", features_collect());
	return o;
}

static const char *get(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static void print_module(struct json_object *module)
{
	const char *version, *loaded, *installed;
	struct json_object *others;
	size_t i;

	if (!module) {
		puts("module   not loaded: modprobe ferry, or make load");
		return;
	}
	version = get(module, "version");
	loaded = get(module, "srcversion");
	installed = get(module, "installed_srcversion");
	printf("module   %s\n", version ? version : "of unknown version");
	if (version && strcmp(version, FERRY_VERSION))
		printf("         not this command's version: make unload load, or install both anew\n");
	if (loaded && installed && strcmp(loaded, installed))
		printf("         not the installed one: make unload, then modprobe ferryfs\n");
	others = json_object_object_get(module, "outdated");
	for (i = 0; i < json_object_array_length(others); i++)
		printf("         %s is not the installed one: make unload, then modprobe it\n",
		       json_object_get_string(json_object_array_get_idx(others, i)));
}

static void print_people(struct json_object *o)
{
	struct json_object *more = json_object_object_get(o, "features");

	printf("ferry    %s (ABI %s, backend ABI %s)\n", get(o, "version"), get(o, "abi"),
	       get(o, "backend_abi"));
	print_module(json_object_object_get(o, "module"));
	printf("kernel   %s\n", get(o, "kernel"));
	if (more)
		features_print(more);
}

int cmd_version(int argc, char **argv)
{
	bool json = false, with_features = false;
	const struct flag flags[] = { { "features", &with_features }, { "json", &json }, { 0 } };
	int status = flags_parse(argc, argv, usage, flags);
	struct json_object *o;

	if (status != FLAGS_OK)
		return status;
	if (optind < argc)
		return bad_usage("version", "unexpected argument %s", argv[optind]);
	o = collect(with_features);
	if (json)
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						       JSON_C_TO_STRING_NOSLASHESCAPE));
	else
		print_people(o);
	json_object_put(o);
	return EXIT_SUCCESS;
}
