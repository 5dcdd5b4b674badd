/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Kernel modules of ours: which are loaded, which could be. */
#ifndef FERRY_MODULES_H
#define FERRY_MODULES_H

#include <stdbool.h>
#include <stddef.h>

/* Names of backends, sorted; backends_free() it. */
struct backends {
	char **names;
	size_t nr;
};

/** backends_loaded() - those with a ferry-NAME module in the running kernel */
int backends_loaded(struct backends *list);

/** backends_installed() - those that modprobe finds for the running kernel */
int backends_installed(struct backends *list);
void backends_free(struct backends *list);

/**
 * module_attr() - /sys/module/@module/@attr
 * Return: @buf, or NULL: not loaded or no such attribute
 */
char *module_attr(const char *module, const char *attr, char *buf, size_t size);

/** module_installed() - a field of the .ko that modprobe would load; as module_attr() */
char *module_installed(const char *module, const char *field, char *buf, size_t size);

#endif
