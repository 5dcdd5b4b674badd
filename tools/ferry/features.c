// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry version --features. The module tells in words what it offers on this kernel
 * (kmod/core/features.c); here is all that there can be, so that what is missing is seen.
 */
#include "features.h"
#include "modules.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX	1024

/**
 * struct feature - something that may be there or not
 * @group: what it is a kind of
 * @word: the module's word for it; of a class: the module that has it
 * @what: what one has by it
 * @without: where it is missing: why, and what is done instead
 */
struct feature {
	const char *group;
	const char *word;
	const char *what;
	const char *without;
};

static const struct feature features[] = {
	{ "class", "ferryfs", "fs: a filesystem is mounted",
	  "fs is not loaded: modprobe ferryfs, or make load" },
	{ "class", "ferryblk", "block: a disk, /dev/ferryb<N>",
	  "block is not loaded: modprobe ferryblk, or make load" },
	{ "wait", "rw", "read() and write() a request, as /dev/fuse", "" },
	{ "wait", "sync", "a system call a request", "" },
	{ "wait", "poll", "none while both sides are awake", "" },
	{ "wait", "uring", "io_uring commands, with the server's own I/O in the same ring", "" },
	{ "wait", "uring-cancel", "a ring that goes tells so at once",
	  "this kernel does not tell that a ring goes: the module looks from time to time" },
	{ "wait", "uring-gather", "a disk's server is left asleep until several requests have come",
	  "this kernel wakes a server for each request: it serves them as they come" },
	{ "data", "slot", "in the memory that both sides see", "" },
	{ "data", "copy", "one copy between a request's pages and the server's memory", "" },
	{ "data", "transfer", "between a request's pages and a file of the server's, by the kernel", "" },
	{ "data", "passthrough", "an open file's data never leaves the kernel", "" },
	{ "data", "pin", "pages of direct I/O are pinned: a fork() meanwhile takes none away",
	  "this kernel pins none: who forks during a direct read may miss what it brings" },
	{ "cache", "folio-bound", "files are cached in pieces of at most 64 KiB",
	  "this kernel sets no bound: larger ones are split before they are written to" },
	{ "cache", "folio-write", "what is written is cached in such pieces",
	  "this kernel caches page by page what is written" },
	{ "death", "reissue", "requests wait for the next server and are given to it", "" },
	{ "death", "kernel", "the backend inside the kernel goes on where a daemon died", "" },
	{ "death", "move", "a live server is exchanged, or moved across the line", "" },
	{ "death", "timeout", "a request has a deadline of its own", "" },
	{ "death", "stall", "a server that does not answer is told of", "" },
};

#define NR_FEATURES	(sizeof(features) / sizeof(features[0]))

static bool is_class(const struct feature *f)
{
	return !strcmp(f->group, "class");
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *at = text;

	while ((at = strstr(at, word))) {
		if ((at == text || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
		at += len;
	}
	return false;
}

static bool is_loaded(const char *module)
{
	char state[64];

	return module_attr(module, "initstate", state, sizeof(state)) != NULL;
}

static struct json_object *row(const char *group, const char *word, bool here, const char *text)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "group", json_object_new_string(group));
	json_object_object_add(o, "name", json_object_new_string(word));
	json_object_object_add(o, "here", json_object_new_boolean(here));
	json_object_object_add(o, "text", json_object_new_string(text));
	return o;
}

/* A module newer than this command may say words that it does not know. */
static void add_unknown(struct json_object *rows, char *text)
{
	char *save = NULL, *word;

	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		size_t i = 0;

		while (i < NR_FEATURES && strcmp(features[i].word, word))
			i++;
		if (i == NR_FEATURES)
			json_object_array_add(rows, row("?", word, true,
							"unknown to this command: is it older "
							"than the module?"));
	}
}

static struct json_object *collect_rows(void)
{
	struct json_object *rows = json_object_new_array();
	char text[TEXT_MAX];
	size_t i;

	if (!module_attr("ferry", "parameters/features", text, sizeof(text)))
		text[0] = '\0';
	for (i = 0; i < NR_FEATURES; i++) {
		const struct feature *f = &features[i];
		bool here = is_class(f) ? is_loaded(f->word) : has_word(text, f->word);
		const char *why = *f->without ? f->without : "this module is older: it has none";

		json_object_array_add(rows, row(f->group, f->word, here, here ? f->what : why));
	}
	add_unknown(rows, text);
	return rows;
}

static struct json_object *names(int (*get)(struct backends *list))
{
	struct json_object *array = json_object_new_array();
	struct backends list = { 0 };
	size_t i;

	get(&list);
	for (i = 0; i < list.nr; i++)
		json_object_array_add(array, json_object_new_string(list.names[i]));
	backends_free(&list);
	return array;
}

struct json_object *features_collect(void)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "module", is_loaded("ferry") ? collect_rows() : NULL);
	json_object_object_add(o, "kernel_backends_loaded", names(backends_loaded));
	json_object_object_add(o, "kernel_backends_installed", names(backends_installed));
	return o;
}

static const char *get(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static void print_names(const char *title, struct json_object *array)
{
	size_t i, nr = json_object_array_length(array);

	printf("%s:", title);
	for (i = 0; i < nr; i++)
		printf(" %s", json_object_get_string(json_object_array_get_idx(array, i)));
	puts(nr ? "" : " none");
}

void features_print(struct json_object *o)
{
	struct json_object *rows = json_object_object_get(o, "module"), *r;
	size_t i;

	if (!rows)
		puts("What this kernel has is known when the module is loaded.");
	for (i = 0; rows && i < json_object_array_length(rows); i++) {
		r = json_object_array_get_idx(rows, i);
		printf("%-6s %-13s %-4s %s\n", get(r, "group"), get(r, "name"),
		       json_object_get_boolean(json_object_object_get(r, "here")) ? "yes" : "no",
		       get(r, "text"));
	}
	print_names("backends in the kernel", json_object_object_get(o, "kernel_backends_loaded"));
	print_names("backends for modprobe", json_object_object_get(o, "kernel_backends_installed"));
}
