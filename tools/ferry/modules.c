// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Kernel modules of ours: which are loaded, which could be. */
#include "modules.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add(struct backends *list, const char *name, size_t len)
{
	char **names = reallocarray(list->names, list->nr + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	list->names = names;
	names[list->nr] = strndup(name, len);
	if (!names[list->nr])
		return -ENOMEM;
	list->nr++;
	return 0;
}

void backends_free(struct backends *list)
{
	size_t i;

	for (i = 0; i < list->nr; i++)
		free(list->names[i]);
	free(list->names);
}

int backends_loaded(struct backends *list)
{
	DIR *dir = opendir("/sys/module");
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return -errno;
	while (!ret && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "ferry_", 6))
			ret = add(list, entry->d_name + 6, strlen(entry->d_name + 6));
	}
	closedir(dir);
	if (list->nr)
		qsort(list->names, list->nr, sizeof(*list->names), by_name);
	return ret;
}

/* A line of modules.dep is "updates/ferry/ferry-memfs.ko: updates/ferry/ferry.ko". */
static int add_from_dep(struct backends *list, const char *line)
{
	const char *end = strchr(line, ':'), *name, *suffix;

	if (!end)
		return 0;
	name = memrchr(line, '/', (size_t)(end - line));
	name = name ? name + 1 : line;
	suffix = strstr(name, ".ko");
	if (strncmp(name, "ferry-", 6) || !suffix || suffix > end)
		return 0;
	return add(list, name + 6, (size_t)(suffix - name - 6));
}

int backends_installed(struct backends *list)
{
	struct utsname uts;
	size_t size = 0;
	char *line = NULL;
	char path[256];
	int ret = 0;
	FILE *file;

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", uts.release);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!ret && getline(&line, &size, file) > 0)
		ret = add_from_dep(list, line);
	free(line);
	fclose(file);
	if (list->nr)
		qsort(list->names, list->nr, sizeof(*list->names), by_name);
	return ret;
}

static char *read_line(FILE *file, char *buf, size_t size)
{
	char *line = fgets(buf, (int)size, file);

	if (line)
		line[strcspn(line, "\n")] = '\0';
	return line && *line ? line : NULL;
}

char *module_attr(const char *module, const char *attr, char *buf, size_t size)
{
	char path[256], *line;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/%s/%s", module, attr);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	line = read_line(file, buf, size);
	fclose(file);
	return line;
}

char *module_installed(const char *module, const char *field, char *buf, size_t size)
{
	char command[128], *line;
	FILE *file;

	snprintf(command, sizeof(command), "PATH=$PATH:/sbin modinfo -F %s %s 2>/dev/null",
		 field, module);
	file = popen(command, "re");
	if (!file)
		return NULL;
	line = read_line(file, buf, size);
	pclose(file);
	return line;
}
