// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * usage: ask WHAT ... One question to the netlink family by hand, as no library would put it;
 * prints the error's name, or "0". For rights and for messages that are wrong.
 *
 *	ask get ID | abort ID | hunt ID | set ID ATTR VALUE | raw CMD [ATTR VALUE] | short CMD | join
 *
 * hunt: abort ID from the moment that it is there, for which it looks all the time.
 */
#include <errno.h>
#include <linux/ferry.h>
#include <linux/ferry_netlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[256];
};

static int sock;

static void begin(struct message *m, int type, int cmd)
{
	memset(m, 0, sizeof(*m));
	m->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	m->head.nlmsg_type = (unsigned short)type;
	m->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	m->genl.cmd = (unsigned char)cmd;
	m->genl.version = FERRY_GENL_VERSION;
}

static void add(struct message *m, int type, const void *data, size_t len)
{
	struct nlattr *attr = (void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));

	attr->nla_type = (unsigned short)type;
	attr->nla_len = (unsigned short)(NLA_HDRLEN + len);
	memcpy((char *)attr + NLA_HDRLEN, data, len);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

static void add_u32(struct message *m, int type, const char *text)
{
	unsigned int value = (unsigned int)strtoul(text, NULL, 0);

	add(m, type, &value, sizeof(value));
}

/* The errno of the answer; where @want is an attribute, its payload comes to @data. */
static int send_and_hear(struct message *m, int want, void *data, size_t len)
{
	char buf[16384];
	ssize_t n;

	if (send(sock, m, m->head.nlmsg_len, 0) < 0)
		return errno;
	for (;;) {
		const struct nlmsghdr *h = (void *)buf;

		n = recv(sock, buf, sizeof(buf), 0);
		if (n < (ssize_t)sizeof(*h))
			return EIO;
		if (h->nlmsg_type == NLMSG_ERROR)
			return -((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		for (size_t at = NLMSG_LENGTH(GENL_HDRLEN); want && at < h->nlmsg_len;) {
			const struct nlattr *a = (void *)(buf + at);

			if (a->nla_type == want)
				memcpy(data, (const char *)a + NLA_HDRLEN, len);
			at += NLA_ALIGN(a->nla_len);
		}
	}
}

static int family(void)
{
	unsigned short id = 0;
	struct message m;

	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	add(&m, CTRL_ATTR_FAMILY_NAME, FERRY_GENL_NAME, sizeof(FERRY_GENL_NAME));
	if (send_and_hear(&m, CTRL_ATTR_FAMILY_ID, &id, sizeof(id)) || !id) {
		fputs("ask: there is no family ferry\n", stderr);
		exit(1);
	}
	return id;
}

/* The family has one group: its number is in a nest of nests, behind their headers. */
static int join(void)
{
	struct {
		struct nlattr nest, id;
		unsigned int number;
	} group = { { 0 } };
	struct message m;

	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	add(&m, CTRL_ATTR_FAMILY_NAME, FERRY_GENL_NAME, sizeof(FERRY_GENL_NAME));
	if (send_and_hear(&m, CTRL_ATTR_MCAST_GROUPS, &group, sizeof(group)))
		return EIO;
	return setsockopt(sock, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group.number,
			  sizeof(group.number)) ? errno : 0;
}

static int hunt(const struct message *abort_it)
{
	time_t end = time(NULL) + 20;
	struct message m;
	int err;

	do {
		m = *abort_it;
		err = send_and_hear(&m, 0, NULL, 0);
	} while (err == ENOENT && time(NULL) < end);
	return err;
}

static int ask(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int id = family();
	struct message m;

	if (!strcmp(what, "join"))
		return join();
	if (!strcmp(what, "get") && argc == 3) {
		begin(&m, id, FERRY_CMD_CHAN_GET);
		add_u32(&m, FERRY_A_ID, argv[2]);
	} else if ((!strcmp(what, "abort") || !strcmp(what, "hunt")) && argc == 3) {
		begin(&m, id, FERRY_CMD_ABORT);
		add_u32(&m, FERRY_A_ID, argv[2]);
		if (*what == 'h')
			return hunt(&m);
	} else if (!strcmp(what, "set") && argc == 5) {
		begin(&m, id, FERRY_CMD_SET);
		add_u32(&m, FERRY_A_ID, argv[2]);
		add_u32(&m, atoi(argv[3]), argv[4]);
	} else if (!strcmp(what, "raw") && argc >= 3) {
		begin(&m, id, atoi(argv[2]));
		if (argc == 5)
			add_u32(&m, atoi(argv[3]), argv[4]);
	} else if (!strcmp(what, "short") && argc == 3) {
		begin(&m, id, atoi(argv[2]));
		add(&m, FERRY_A_ID, "", 1);
	} else {
		fputs("usage: ask get ID | abort ID | hunt ID | set ID ATTR VALUE | raw CMD [ATTR VALUE] | short CMD | join\n",
		      stderr);
		exit(2);
	}
	return send_and_hear(&m, 0, NULL, 0);
}

int main(int argc, char **argv)
{
	int err;

	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (sock < 0) {
		perror("ask: socket");
		return 1;
	}
	err = ask(argc, argv);
	puts(err ? strerrorname_np(err) : "0");
	return 0;
}
