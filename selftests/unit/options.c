// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Mount options are taken apart as ferry(7) says. */
#include <sys/mount.h>

#include "../claim.h"
#include "../../tools/ferry/options.h"

static char err[128];

static struct options parse(const char *str)
{
	struct options opts = { 0 };
	int ret = options_parse(&opts, str, err, sizeof(err));

	if (ret)
		claim_fail(__FILE__, __LINE__, "%s: %d, %s", str, ret, err);
	return opts;
}

static void check_refused(const char *str, const char *message)
{
	struct options opts = { 0 };

	CHECK_EQ(options_parse(&opts, str, err, sizeof(err)), -EINVAL);
	if (!strstr(err, message))
		claim_fail(__FILE__, __LINE__, "%s: said '%s', not '%s'", str, err, message);
	CHECK(!strchr(err, '\n'));
	options_free(&opts);
}

static void check_ferryd(const char *str, const char *want)
{
	struct options opts = parse(str);
	char *got = options_for_ferryd(&opts);

	if (strcmp(got, want))
		claim_fail(__FILE__, __LINE__, "%s became '%s', not '%s'", str, got, want);
	free(got);
	options_free(&opts);
}

static void nothing(void)
{
	struct options opts = parse(NULL);

	CHECK(!opts.kernel && !opts.wait && !opts.queues && !opts.depth && !opts.flags);
	CHECK(!*opts.vfs && !*opts.fs);
	options_free(&opts);
	check_ferryd("", "allow_other");
	check_ferryd(",,", "allow_other");
	check_ferryd("defaults", "allow_other");
}

static void ours(void)
{
	struct options opts = parse("placement=kernel,wait=rw,queues=256,depth=1024");

	CHECK(opts.kernel);
	CHECK(!strcmp(opts.wait, "rw"));
	CHECK_EQ(opts.queues, 256);
	CHECK_EQ(opts.depth, 1024);
	CHECK(!*opts.vfs && !*opts.fs);
	options_free(&opts);
}

static void last_counts(void)
{
	struct options opts = parse("ro,placement=kernel,wait=rw,queues=1,no_allow_other,"
				    "placement=user,wait=sync,queues=2,allow_other,rw");

	CHECK(!opts.kernel);
	CHECK(!strcmp(opts.wait, "sync"));
	CHECK_EQ(opts.queues, 2);
	CHECK(!opts.no_allow_other);
	CHECK(!(opts.flags & MS_RDONLY));
	options_free(&opts);
}

static void generic(void)
{
	struct options opts = parse("ro,nosuid,nodev,noexec,noatime,nodiratime,sync,dirsync,"
				    "lazytime,strictatime,nosymfollow,remount");

	CHECK_EQ(opts.flags, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME |
		 MS_NODIRATIME | MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME | MS_STRICTATIME |
		 MS_NOSYMFOLLOW | MS_REMOUNT);
	CHECK(!*opts.fs);
	options_free(&opts);
}

static void user_space_only(void)
{
	struct options opts = parse("user,users,owner,auto,noauto,nofail,_netdev,x-gvfs-hide,"
				    "x-systemd.automount=1,comment=a,defaults");

	CHECK_EQ(opts.flags, 0);
	CHECK(!*opts.vfs && !*opts.fs);
	options_free(&opts);
}

static void the_rest(void)
{
	struct options opts = parse("attr_timeout=0,ro,max_read=4096,odd,context=\"a,b\",e=");

	if (strcmp(opts.fs, "attr_timeout=0,max_read=4096,odd,context=\"a,b\",e="))
		claim_fail(__FILE__, __LINE__, "left: %s", opts.fs);
	CHECK(!strcmp(opts.vfs, "ro"));
	options_free(&opts);
}

static void sloppy(void)
{
	struct options opts = parse("odd,attr_timeout=0,max_reader=1,entry_timeout=1.5,x=y");

	CHECK_EQ(options_drop_unknown(&opts), 0);
	CHECK(!strcmp(opts.fs, "attr_timeout=0,entry_timeout=1.5"));
	options_free(&opts);
	opts = parse("odd");
	CHECK_EQ(options_drop_unknown(&opts), 0);
	CHECK(!strcmp(opts.fs, ""));
	options_free(&opts);
}

static void check_disk(const char *str, const char *want)
{
	char *got = options_of_disk(str);

	if (strcmp(got, want))
		claim_fail(__FILE__, __LINE__, "%s became '%s', not '%s'", str, got, want);
	free(got);
}

static void disks(void)
{
	check_disk(NULL, "");
	check_disk("wait=poll,queues=2,spin_us=9,inline=1,on_death=fail,grace=1,timeout=2", "");
	check_disk("ro,wait=poll,depth=8,serial=a-b,waiting", "ro,depth=8,serial=a-b,waiting");
}

static void ferryd(void)
{
	check_ferryd("placement=user,noatime,attr_timeout=0,depth=8,queues=2,wait=rw",
		     "wait=rw,queues=2,depth=8,allow_other,noatime,attr_timeout=0");
	check_ferryd("no_allow_other,no_default_permissions,nofail", "no_default_permissions");
	check_ferryd("wait=poll,spin_us=50",
		     "wait=poll,spin_us=50,allow_other");
	check_ferryd("grace=60,on_death=reissue,timeout=5,no_allow_other",
		     "grace=60,timeout=5,on_death=reissue");
	check_ferryd("no_allow_other,wait=sync", "wait=sync");
	check_ferryd("default_permissions,allow_other", "allow_other,default_permissions");
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
	check_refused("queues=99999999999999999999999", "queues needs a number from 1 to 256");
	check_refused("queues=-1", "queues needs a number from 1 to 256");
	check_refused("queues=1k", "queues needs a number from 1 to 256");
	check_refused("queues=", "queues needs a number from 1 to 256");
	check_refused("queues", "queues needs a number from 1 to 256");
	check_refused("depth=1025", "depth needs a number from 1 to 1024");
	check_refused("context=\"a,b", "quote");
}

static const struct claim claims[] = {
	{ "no options ask for nothing", nothing },
	{ "placement, wait, queues and depth are ours", ours },
	{ "the last of contradicting options counts", last_counts },
	{ "generic options become mount flags", generic },
	{ "options for user space alone are dropped", user_space_only },
	{ "the rest goes to the filesystem unchanged", the_rest },
	{ "sloppy forgets what the filesystem does not know", sloppy },
	{ "a disk in the kernel gets the options that are the disk's", disks },
	{ "ferryd is told all but the placement", ferryd },
	{ "nonsense is refused with one clear line", refused },
};
CLAIMS_MAIN(claims)
