// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Options are taken apart, and told to the kernel, as ferry(7) says. */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <ferry/options.h>

#include "../claim.h"

static char logged[1024];

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	va_list ap;

	CHECK(!*logged);
	va_start(ap, fmt);
	vsnprintf(logged, sizeof(logged), fmt, ap);
	va_end(ap);
}

/* What the kernel was told, and what it does not like. */
#define CONTEXT	1000

static char told[1024];
static unsigned int attrs;
static unsigned long remounted;
static const char *disliked, *words;

int __wrap_fsopen(const char *name, unsigned int flags);
int __wrap_fsopen(const char *name, unsigned int flags)
{
	told[0] = 0;
	attrs = 0;
	remounted = 0;
	return CONTEXT;
}

int __wrap_fsconfig(int fd, unsigned int cmd, const char *key, const char *value, int aux);
int __wrap_fsconfig(int fd, unsigned int cmd, const char *key, const char *value, int aux)
{
	size_t used = strlen(told);

	CHECK_EQ(fd, CONTEXT);
	if (disliked && key && !strcmp(key, disliked)) {
		errno = EINVAL;
		return -1;
	}
	if (cmd == FSCONFIG_CMD_CREATE)
		key = "create";
	CHECK(!value || strlen(value) < 256);
	CHECK_EQ(cmd == FSCONFIG_SET_STRING, value != NULL);
	snprintf(told + used, sizeof(told) - used, "%s%s%s%s", used ? " " : "", key,
		 value ? "=" : "", value ? value : "");
	return 0;
}

int __wrap_fsmount(int fd, unsigned int flags, unsigned int ms);
int __wrap_fsmount(int fd, unsigned int flags, unsigned int ms)
{
	attrs = ms;
	return CONTEXT;
}

int __wrap_move_mount(int fd, const char *path, int to_fd, const char *to, unsigned int flags);
int __wrap_move_mount(int fd, const char *path, int to_fd, const char *to, unsigned int flags)
{
	return 0;
}

int __wrap_mount(const char *source, const char *dir, const char *type, unsigned long ms,
		 const void *data);
int __wrap_mount(const char *source, const char *dir, const char *type, unsigned long ms,
		 const void *data)
{
	remounted = ms;
	return 0;
}

ssize_t __wrap_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	ssize_t len = words ? (ssize_t)strlen(words) : -1;

	if (words)
		memcpy(buf, words, (size_t)len);
	words = NULL;
	return len;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	return fd == CONTEXT ? 0 : __real_close(fd);
}

static struct ferry_options parse(const char *str)
{
	struct ferry_options opts = { 0 };
	int ret;

	*logged = 0;
	ret = ferry_options_parse(&opts, str);
	if (ret)
		claim_fail(__FILE__, __LINE__, "%s: %d, %s", str, ret, logged);
	return opts;
}

static void check_said(const char *str, const char *message)
{
	if (!strstr(logged, message))
		claim_fail(__FILE__, __LINE__, "%s: said '%s', not '%s'", str, logged, message);
}

static void check_refused(const char *str, const char *message)
{
	struct ferry_options opts = { 0 };

	*logged = 0;
	CHECK_EQ(ferry_options_parse(&opts, str), -EINVAL);
	check_said(str, message);
	ferry_options_free(&opts);
}

static void check_rest(const char *str, const char *want)
{
	struct ferry_options opts = parse(str);

	if (strcmp(opts.rest, want))
		claim_fail(__FILE__, __LINE__, "%s left '%s', not '%s'", str, opts.rest, want);
	ferry_options_free(&opts);
}

static void nothing(void)
{
	struct ferry_options opts = parse(NULL);
	unsigned int next = 0;

	CHECK(!opts.placement && !ferry_options_next(&opts, &next) && !*opts.rest);
	ferry_options_free(&opts);
	check_rest("", "");
	check_rest(",,", "");
}

static void ours(void)
{
	struct ferry_options opts = parse("placement=kernel,wait=rw,queues=256,depth=1024,inline=1,"
					  "spin_us=9,on_death=fail,grace=86400,timeout=5");
	unsigned int next = 0, nr = 0;

	CHECK(!strcmp(opts.placement, "kernel"));
	CHECK(!strcmp(opts.session.wait, "rw"));
	CHECK_EQ(opts.session.queues, 256);
	CHECK_EQ(opts.session.depth, 1024);
	CHECK_EQ(opts.session.inline_max, 1);
	CHECK_EQ(opts.session.spin_us, 9);
	CHECK(!strcmp(opts.session.on_death, "fail"));
	CHECK_EQ(opts.session.grace, 86400);
	CHECK_EQ(opts.session.timeout, 5);
	CHECK(!*opts.rest);
	while (ferry_options_next(&opts, &next))
		nr++;
	CHECK_EQ(nr, 8);
	ferry_options_free(&opts);
}

static void names(void)
{
	struct ferry_options opts = parse("ro,timeout=1,placement=user,on_death=fail");
	unsigned int next = 0;

	CHECK(!strcmp(ferry_options_next(&opts, &next), "on_death"));
	CHECK(!strcmp(ferry_options_next(&opts, &next), "timeout"));
	CHECK(!ferry_options_next(&opts, &next));
	ferry_options_free(&opts);
}

static void last_counts(void)
{
	struct ferry_options opts = parse("placement=kernel,wait=rw,queues=1,ro,"
					  "placement=user,wait=sync,queues=2,rw");

	CHECK(!strcmp(opts.placement, "user"));
	CHECK(!strcmp(opts.session.wait, "sync"));
	CHECK_EQ(opts.session.queues, 2);
	CHECK(!strcmp(opts.rest, "ro,rw"));
	ferry_options_free(&opts);
}

static void the_rest(void)
{
	check_rest("attr_timeout=0,wait=rw,ro,max_read=4096,odd,context=\"a,b\",e=",
		   "attr_timeout=0,ro,max_read=4096,odd,context=\"a,b\",e=");
	check_rest("ro,wait=poll,serial=a-b,waiting", "ro,serial=a-b,waiting");
}

static void refused(void)
{
	check_refused("placement=moon", "placement must be user or kernel");
	check_refused("placement", "placement must be user or kernel");
	check_refused("placement=kernelx", "placement must be user or kernel");
	check_refused("wait=polling", "wait must be sync, poll, uring or rw");
	check_refused("wait", "wait must be sync, poll, uring or rw");
	check_refused("on_death=cry", "on_death must be reissue, kernel or fail");
	check_refused("grace=0", "grace needs a number from 1 to 86400");
	check_refused("spin_us=0", "spin_us needs a number from 1 to 1000000");
	check_refused("queues=0", "queues needs a number from 1 to 256");
	check_refused("queues=257", "queues needs a number from 1 to 256");
	check_refused("queues=4294967297", "queues needs a number from 1 to 256");
	check_refused("queues=99999999999999999999999", "queues needs a number from 1 to 256");
	check_refused("queues=-1", "queues needs a number from 1 to 256");
	check_refused("queues=1k", "queues needs a number from 1 to 256");
	check_refused("queues=", "queues needs a number from 1 to 256");
	check_refused("queues", "queues needs a number from 1 to 256");
	check_refused("depth=1025", "depth needs a number from 1 to 1024");
	check_refused("context=\"a,b", "quote");
}

static void check_told(const char *options, const char *want, unsigned int want_attrs)
{
	*logged = 0;
	CHECK_EQ(ferry_mount("memfs", "/nonexistent", options), 0);
	if (strcmp(told, want))
		claim_fail(__FILE__, __LINE__, "%s: told '%s', not '%s'", options, told, want);
	CHECK_EQ(attrs, want_attrs);
}

static void generic(void)
{
	check_told(NULL, "source=memfs create", 0);
	check_told("nosuid,nodev,noexec,nosymfollow,nodiratime", "source=memfs create",
		   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
		   MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_NODIRATIME);
	check_told("ro,sync,dirsync,lazytime", "ro sync dirsync lazytime source=memfs create",
		   MOUNT_ATTR_RDONLY);
	check_told("ro,nosuid,sync,rw,suid,async", "source=memfs create", 0);
	check_told("noatime", "source=memfs create", MOUNT_ATTR_NOATIME);
	check_told("noatime,strictatime", "source=memfs create", MOUNT_ATTR_STRICTATIME);
	check_told("strictatime,relatime,silent", "source=memfs create", 0);
}

static void user_space_only(void)
{
	check_told("user,users,owner,auto,noauto,nofail,_netdev,x-gvfs-hide,x-systemd.automount=1,"
		   "X-a,comment=a,defaults,rshared", "source=memfs create", 0);
}

static void filesystems(void)
{
	check_told("odd,attr_timeout=0,context=\"a,b\",e=", "odd attr_timeout=0 context=a,b e= "
		   "source=memfs create", 0);
	check_told("allow_other,no_allow_other", "allow_other no_allow_other source=memfs create", 0);
}

static void sloppy(void)
{
	check_told("sloppy,odd,attr_timeout=0,max_reader=1,ro,entry_timeout=1.5,x=y",
		   "attr_timeout=0 entry_timeout=1.5 ro source=memfs create", MOUNT_ATTR_RDONLY);
}

static void remount(void)
{
	CHECK_EQ(ferry_mount("memfs", "/nonexistent", "fd=4,ro,remount,nosymfollow,odd"), 0);
	CHECK_EQ(remounted, MS_REMOUNT | MS_RDONLY | MS_NOSYMFOLLOW);
	CHECK(!strcmp(told, "ro"));
}

static void kernels_words(void)
{
	*logged = 0;
	disliked = "odd";
	words = "e ferry: Unknown parameter 'odd'\n";
	CHECK_EQ(ferry_mount("memfs", "/nonexistent", "ro,odd=1"), -EINVAL);
	check_said("odd=1", "option odd: Unknown parameter 'odd'; ferry(7)");
	*logged = 0;
	CHECK_EQ(ferry_mount_check("odd"), -EINVAL);
	check_said("odd", "option odd: Invalid argument; ferry(7)");
	disliked = NULL;
	CHECK_EQ(ferry_mount_check("odd"), 0);
}

static void long_source(void)
{
	char source[400];

	memset(source, 'a', sizeof(source) - 1);
	source[sizeof(source) - 1] = 0;
	*logged = 0;
	CHECK_EQ(ferry_mount(source, "/nonexistent", "fd=3"), 0);
	CHECK_EQ(ferry_mount(source, "/nonexistent", NULL), -ENAMETOOLONG);
	check_said("a long source", "255 characters");
}

static void sources(void)
{
	static const char *const good[] = {
		"memfs", "memfs:", "memfs:a/b", "a-b_c.D9:x", "delay:ms=1+ramdisk", "delay+a/b",
	};
	static const char *const bad[] = { "", ":", "a/b", ".a", "a b:x", "+ramdisk" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		CHECK_EQ(ferry_source_check(good[i]), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		*logged = 0;
		CHECK_EQ(ferry_source_check(bad[i]), -EINVAL);
		check_said(bad[i], "not a backend's name");
	}
	*logged = 0;
	CHECK_EQ(ferry_source_check("a23456789012345678901234567890123456789012345678901234567890123456789"),
		 -EINVAL);
	check_said("a long name", "at most");
}

static const struct claim claims[] = {
	{ "no options ask for nothing", nothing },
	{ "how to serve is ours", ours },
	{ "what was said of it can be named", names },
	{ "the last of contradicting options counts", last_counts },
	{ "the rest is left unchanged", the_rest },
	{ "nonsense is refused with one clear line", refused },
	{ "generic options become mount flags", generic },
	{ "options for user space alone are dropped", user_space_only },
	{ "the others go to the filesystem, without quotes", filesystems },
	{ "sloppy forgets what the filesystem does not know", sloppy },
	{ "a remount changes flags alone", remount },
	{ "what the kernel does not like is told in its words", kernels_words },
	{ "a source that is too long for the kernel is cut short for show alone", long_source },
	{ "a source begins with a backend's name", sources },
};
CLAIMS_MAIN(claims)
