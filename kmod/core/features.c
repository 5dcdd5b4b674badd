// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this module offers on this kernel, for `ferry version --features`: the words of
 * /sys/module/ferry/parameters/features. tools/ferry/features.c knows what each means.
 */
#include <linux/moduleparam.h>
#include <linux/sysfs.h>
#include "compat/core.h"
#include "compat/pagecache.h"
#include "compat/uring.h"

static const char features[] =
	"rw sync poll uring "
	"slot copy transfer passthrough "
	"reissue kernel move timeout stall";

static int get(char *buf, const struct kernel_param *param)
{
	return sysfs_emit(buf, "%s%s%s%s%s%s\n", features,
			  FERRY_CMD_CANCELS ? " uring-cancel" : "",
			  FERRY_CMD_GATHERS ? " uring-gather" : "",
			  FERRY_ITER_PINS ? " pin" : "", FERRY_FOLIOS_BOUNDED ? " folio-bound" : "",
			  FERRY_FOLIOS_WRITTEN ? " folio-write" : "");
}

/* It is told, not chosen: not at insmod either. */
static int set(const char *val, const struct kernel_param *param)
{
	return -EPERM;
}

static const struct kernel_param_ops ops = {
	.get	= get,
	.set	= set,
};
module_param_cb(features, &ops, NULL, 0444);
MODULE_PARM_DESC(features, "what the module offers on this kernel; cannot be set");
