// SPDX-License-Identifier: GPL-2.0-only
/* env.h for the kernel. */
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include <ferry/env.h>

/*
 * A backend allocates under its own locks, and reclaim may call back into its
 * filesystem: hence no __GFP_FS. The memory is charged to whoever asks, as that
 * of tmpfs is.
 */
#define FERRY_GFP	(GFP_NOFS | __GFP_ACCOUNT | __GFP_ZERO)

void *ferry_alloc(size_t size)
{
	return kvmalloc(size, FERRY_GFP);
}
FERRY_EXPORT(ferry_alloc);

void ferry_free(void *p)
{
	kvfree(p);
}
FERRY_EXPORT(ferry_free);

void *ferry_page_alloc(void)
{
	return (void *)__get_free_page(FERRY_GFP);
}
FERRY_EXPORT(ferry_page_alloc);

void *ferry_page_alloc_raw(void)
{
	return (void *)__get_free_page(FERRY_GFP & ~__GFP_ZERO);
}
FERRY_EXPORT(ferry_page_alloc_raw);

void ferry_page_free(void *page)
{
	free_page((unsigned long)page);
}
FERRY_EXPORT(ferry_page_free);

/* As current_time() stamps inodes. */
void ferry_now(struct ferry_time *t)
{
	struct timespec64 ts;

	ktime_get_coarse_real_ts64(&ts);
	t->sec = ts.tv_sec;
	t->nsec = ts.tv_nsec;
}
FERRY_EXPORT(ferry_now);

/* A disk's thread that sleeps is idle, not hung. */
void ferry_sleep(u64 us)
{
	if (us < 10000)
		usleep_range_state(us, us + us / 8 + 1, TASK_IDLE);
	else
		schedule_timeout_idle(usecs_to_jiffies(us));
}
FERRY_EXPORT(ferry_sleep);

void ferry_random(void *buf, size_t len)
{
	get_random_bytes(buf, len);
}
FERRY_EXPORT(ferry_random);

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list ap;

	va_start(ap, fmt);
	vaf.va = &ap;
	switch (level) {
	case FERRY_LOG_ERR:
		pr_err_ratelimited("ferry: %pV\n", &vaf);
		break;
	case FERRY_LOG_WARN:
		pr_warn_ratelimited("ferry: %pV\n", &vaf);
		break;
	case FERRY_LOG_INFO:
		pr_info_ratelimited("ferry: %pV\n", &vaf);
		break;
	case FERRY_LOG_DEBUG:
		pr_debug("ferry: %pV\n", &vaf);
		break;
	}
	va_end(ap);
}
FERRY_EXPORT(ferry_log);
