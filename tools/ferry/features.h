/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* What library, module and kernel offer together, each on a line, there or not. */
#ifndef FERRY_FEATURES_H
#define FERRY_FEATURES_H

#include <json-c/json.h>

/** features_collect() - an object; its "module" is null where none is loaded */
struct json_object *features_collect(void);

/** features_print() - the same for people */
void features_print(struct json_object *features);

#endif
