// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Extended attributes. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../claim.h"

static void need_xattrs(void)
{
	make_file("f", 10, 1);
	if (setxattr("f", "user.probe", "x", 1, 0)) {
		CHECK_EQ(errno, EOPNOTSUPP);
		claim_skip("no extended attributes here");
	}
	DO(removexattr("f", "user.probe"));
}

static void set_get_remove(void)
{
	char buf[16] = "";
	int fd;

	need_xattrs();
	DO(setxattr("f", "user.a", "hello", 5, 0));
	CHECK_EQ(getxattr("f", "user.a", buf, sizeof(buf)), 5);
	CHECK(!memcmp(buf, "hello", 5));
	fd = DO(open("f", O_RDWR));
	DO(fsetxattr(fd, "user.a", "bye", 3, 0));
	CHECK_EQ(fgetxattr(fd, "user.a", buf, sizeof(buf)), 3);
	drop_caches();
	CHECK_EQ(getxattr("f", "user.a", buf, sizeof(buf)), 3);
	CHECK(!memcmp(buf, "bye", 3));
	DO(removexattr("f", "user.a"));
	CHECK_ERR(getxattr("f", "user.a", buf, sizeof(buf)), ENODATA);
	CHECK_ERR(removexattr("f", "user.a"), ENODATA);
}

static void create_replace(void)
{
	char buf[4];

	need_xattrs();
	CHECK_ERR(setxattr("f", "user.a", "1", 1, XATTR_REPLACE), ENODATA);
	DO(setxattr("f", "user.a", "1", 1, XATTR_CREATE));
	CHECK_ERR(setxattr("f", "user.a", "2", 1, XATTR_CREATE), EEXIST);
	DO(setxattr("f", "user.a", "3", 1, XATTR_REPLACE));
	CHECK_EQ(getxattr("f", "user.a", buf, 4), 1);
	CHECK_EQ(buf[0], '3');
}

static void sizes(void)
{
	char *value = xmalloc(70000), *back = xmalloc(70000), small[4];

	need_xattrs();
	DO(setxattr("f", "user.empty", "", 0, 0));
	CHECK_EQ(getxattr("f", "user.empty", back, 10), 0);
	fill_pattern(value, 2000, 0, 1);
	DO(setxattr("f", "user.v", value, 2000, 0));
	CHECK_EQ(getxattr("f", "user.v", NULL, 0), 2000);
	CHECK_EQ(getxattr("f", "user.v", back, 70000 - 4464), 2000);
	CHECK_EQ(find_difference(back, 2000, 0, 1), -1);
	CHECK_ERR(getxattr("f", "user.v", small, 4), ERANGE);
	CHECK_ERR(setxattr("f", "user.v", value, 65537, 0), E2BIG);
}

static void listing(void)
{
	char buf[256];
	ssize_t n, i;
	int seen = 0;

	need_xattrs();
	DO(setxattr("f", "user.one", "1", 1, 0));
	DO(setxattr("f", "user.two", "2", 1, 0));
	n = DO(listxattr("f", buf, sizeof(buf)));
	CHECK_EQ(listxattr("f", NULL, 0), n);
	for (i = 0; i < n; i += strlen(buf + i) + 1)
		seen += !strcmp(buf + i, "user.one") + 10 * !strcmp(buf + i, "user.two");
	CHECK_EQ(seen, 11);
	CHECK_ERR(listxattr("f", buf, 3), ERANGE);
}

/* Nor is their length told. */
static void trusted(void)
{
	static const char visible[] = "user.a";
	char buf[64];
	pid_t pid;

	need_root();
	need_xattrs();
	DO(setxattr("f", "trusted.b", "1", 1, 0));
	DO(setxattr("f", "user.a", "1", 1, 0));
	CHECK_EQ(listxattr("f", buf, sizeof(buf)), sizeof("trusted.b") + sizeof(visible));
	pid = DO(fork());
	if (!pid) {
		become(65534, 65534);
		CHECK_EQ(listxattr("f", NULL, 0), sizeof(visible));
		CHECK_EQ(listxattr("f", buf, sizeof(buf)), sizeof(visible));
		memset(buf, 0, sizeof(buf));
		CHECK_EQ(listxattr("f", buf, sizeof(visible)), sizeof(visible));
		CHECK(!memcmp(buf, visible, sizeof(visible)));
		CHECK_ERR(listxattr("f", buf, sizeof(visible) - 1), ERANGE);
		_exit(0);
	}
	wait_ok(pid);
}

static void names(void)
{
	char name[300] = "user.";

	need_xattrs();
	memset(name + 5, 'n', 250);
	name[255] = 0;
	DO(setxattr("f", name, "x", 1, 0));
	DO(removexattr("f", name));
	name[255] = 'n';
	name[256] = 0;
	CHECK_ERR(setxattr("f", name, "x", 1, 0), ERANGE);
	CHECK_ERR(setxattr("f", "nonsense", "x", 1, 0), EOPNOTSUPP);
	DO(symlink("f", "s"));
	CHECK_ERR(lsetxattr("s", "user.a", "x", 1, 0), EPERM);
}

static void directories(void)
{
	char c;

	need_xattrs();
	DO(mkdir("d", 0755));
	DO(setxattr("d", "user.a", "x", 1, 0));
	DO(rename("d", "e"));
	CHECK_EQ(getxattr("e", "user.a", &c, 1), 1);
	CHECK_EQ(c, 'x');
}

static const struct claim claims[] = {
	{ "an attribute is set, read and removed", set_get_remove },
	{ "XATTR_CREATE and XATTR_REPLACE keep their word", create_replace },
	{ "values of any size up to the limit, ERANGE and E2BIG", sizes },
	{ "listxattr names each", listing },
	{ "listxattr shows trusted names to an administrator alone", trusted },
	{ "names of 255 bytes work, longer and foreign ones do not", names },
	{ "directories have attributes and keep them", directories },
};
CLAIMS_MAIN(claims)
