// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delivery inside the kernel: a request is a function call. The dispatcher that a
 * daemon runs on a message is run on the caller's own args; no message is built.
 *
 * The caller waits, uninterruptibly, if the backend answers later: a backend in
 * the kernel is as trusted as the rest of it.
 */
#include <linux/cred.h>
#include <linux/fuse.h>
#include <linux/kmod.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include "compat/core.h"
#include "core/core.h"
#include "core/file.h"
#include "core/queue.h"
#include "ferry/filter.h"
#include "ferry/req.h"

struct local_backend {
	struct list_head		node;
	const struct ferry_backend	*backend;
	struct module			*owner;
};

/**
 * struct local_server - a server in the kernel
 * @server: of its backend, and those that it stands before below it
 * @owner: its backend's module, held
 * @class: what it serves
 * @missing: while it loads: no module is loaded for it, and this is where to say which one would
 *	have been, FERRY_NAME_MAX bytes; else NULL
 * @work: frees it
 */
struct local_server {
	struct ferry_server	server;
	struct module		*owner;
	u32			class;
	char			*missing;
	struct work_struct	work;
};

/**
 * struct local_req - a request under way; on its caller's stack
 * @req: what the dispatcher sees
 * @task: the caller
 * @done: answered; from then on the struct may be gone, unless it is @task who looks
 * @iter: what is left of its data, in kernel pages
 */
struct local_req {
	struct ferry_req	req;
	struct task_struct	*task;
	bool			done;
	struct iov_iter		iter;
};

static DEFINE_MUTEX(backends_lock);
static LIST_HEAD(backends);

static struct local_backend *find(const char *name)
{
	struct local_backend *b;

	list_for_each_entry(b, &backends, node) {
		if (!strcmp(b->backend->name, name))
			return b;
	}
	return NULL;
}

/**
 * ferry_backend_register() - make a backend available in kernel placement
 * @backend: stays until ferry_backend_unregister()
 * @owner: its module
 * Return: 0, -EEXIST: there is one of that name, -EPROTO: built for another
 *	FERRY_BACKEND_ABI, -ENOMEM
 */
int ferry_backend_register(const struct ferry_backend *backend, struct module *owner)
{
	struct local_backend *b;
	int err = 0;

	if (backend->abi != FERRY_BACKEND_ABI)
		return -EPROTO;
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	b->backend = backend;
	b->owner = owner;
	mutex_lock(&backends_lock);
	if (find(backend->name))
		err = -EEXIST;
	else
		list_add_tail(&b->node, &backends);
	mutex_unlock(&backends_lock);
	if (err)
		kfree(b);
	return err;
}
EXPORT_SYMBOL_GPL(ferry_backend_register);

/** ferry_backend_unregister() - from the backend's module exit: no server is left */
void ferry_backend_unregister(const struct ferry_backend *backend)
{
	struct local_backend *b;

	mutex_lock(&backends_lock);
	b = find(backend->name);
	if (b)
		list_del(&b->node);
	mutex_unlock(&backends_lock);
	kfree(b);
}
EXPORT_SYMBOL_GPL(ferry_backend_unregister);

/*
 * The iterator is one of kernel pages, and the other side a backend's memory: nothing for
 * the look at whose object it is that copy_to_iter() begins with, a tenth of a small request.
 */
static ssize_t local_pull(struct ferry_req *req, u64 offset,
			  const struct ferry_iov *iov, unsigned int nr_iov)
{
	struct local_req *lr = container_of(req, struct local_req, req);
	struct iov_iter iter = lr->iter;
	ssize_t done = 0;
	unsigned int i;

	if (!req->data_in || offset > req->data_len)
		return 0;
	iov_iter_advance(&iter, offset);
	for (i = 0; i < nr_iov; i++) {
		size_t n = min(iov[i].len, iov_iter_count(&iter));

		if (_copy_from_iter(iov[i].base, n, &iter) != n)
			return -EFAULT;
		done += n;
		if (n < iov[i].len)
			break;
	}
	return done;
}

static ssize_t local_push(struct ferry_req *req, const struct ferry_iov *iov,
			  unsigned int nr_iov)
{
	struct local_req *lr = container_of(req, struct local_req, req);
	ssize_t done = 0;
	unsigned int i;

	for (i = 0; i < nr_iov; i++) {
		size_t n = min(iov[i].len, iov_iter_count(&lr->iter));

		if (_copy_to_iter(iov[i].base, n, &lr->iter) != n)
			return -EFAULT;
		done += n;
		if (n < iov[i].len)
			break;
	}
	return done;
}

/* From page to page, past the backend: nothing is copied if the file is open for direct I/O. */
static ssize_t local_transfer_file(struct ferry_req *req, struct ferry_file *file, u64 off,
				   u32 len, bool sync)
{
	struct local_req *lr = container_of(req, struct local_req, req);
	struct iov_iter iter = lr->iter;
	ssize_t n;

	iov_iter_truncate(&iter, len);
	n = ferry_file_iter(file, off, &iter, req->data_in, sync);
	if (n > 0 && !req->data_in)
		iov_iter_advance(&lr->iter, n);
	return n;
}

static void local_done(struct ferry_req *req)
{
	struct local_req *lr = container_of(req, struct local_req, req);
	struct task_struct *task = lr->task;

	if (likely(task == current)) {
		lr->done = true;
		return;
	}
	/* Once it sees the flag the caller may go, and its task end: hence rcu. */
	rcu_read_lock();
	smp_store_release(&lr->done, true);
	wake_up_process(task);
	rcu_read_unlock();
}

static void wait_done(struct local_req *lr)
{
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		/* Pairs with the release in local_done(): the reply is complete. */
		if (smp_load_acquire(&lr->done))
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
}

static const struct ferry_req_host local_host = {
	.pull = local_pull,
	.push = local_push,
	.transfer_file = local_transfer_file,
	.done = local_done,
	.skips = true,
};

/* Lengths as the daemon's side checks them, so that a class may rely on them in both. */
static int check_reply(const struct ferry_req *req, struct ferry_args *args)
{
	u32 want = 0;
	unsigned int i;

	if (req->error)
		return req->error;
	for (i = 0; i < args->nr_out; i++)
		want += args->out[i].len;
	if (req->out_len > want ||
	    (req->out_len < want && !(args->flags & FERRY_ARGS_OUT_VAR)))
		return -EIO;
	args->out_len = req->out_len;
	args->data_done = req->pushed;
	return 0;
}

static int local_call(struct ferry_chan *chan, struct ferry_args *args)
{
	const struct ferry_ids ids = ferry_ids_of(chan, args);
	struct local_server *ls = chan->server;
	struct local_req lr FERRY_UNINIT;	/* what is not set here, ferry_dispatch() sets */
	struct ferry_req *req = &lr.req;
	struct ferry_pin pin FERRY_UNINIT;
	unsigned int i;
	int err;

	if (unlikely(READ_ONCE(chan->gate) == FERRY_GATE_DEAD))
		return -ENOTCONN;

	pin.bvec = NULL;
	lr.task = current;
	lr.done = false;

	req->host = &local_host;
	req->server = &ls->server;
	req->class = chan->class;
	req->opcode = args->opcode;
	req->unique = 0;
	req->node = args->node;
	req->cred.uid = ids.uid;
	req->cred.gid = ids.gid;
	req->cred.pid = ids.pid;
	req->nr_in = args->nr_in;
	for (i = 0; i < args->nr_in; i++) {
		req->in[i].p = args->in[i].p;
		req->in[i].len = args->in[i].len;
	}
	req->nr_out = args->nr_out;
	for (i = 0; i < args->nr_out; i++) {
		req->out[i].p = args->out[i].p;
		req->out[i].len = args->out[i].len;
	}
	req->data_in = args->flags & FERRY_ARGS_DATA_IN;
	req->data_len = 0;

	if (args->data) {
		req->data_len = args->data_len;
		lr.iter = *args->data;
		/*
		 * A backend copies with its locks held: it must not fault, for the
		 * fault may want the same file.
		 */
		if (user_backed_iter(&lr.iter)) {
			err = ferry_pin_user(&pin, &lr.iter, args->data_len, !req->data_in);
			if (err)
				return err;
			iov_iter_bvec(&lr.iter, req->data_in ? ITER_SOURCE : ITER_DEST,
				      pin.bvec, pin.nr, args->data_len);
		} else {
			iov_iter_truncate(&lr.iter, args->data_len);
		}
	}

	ferry_dispatch(req);
	if (unlikely(!smp_load_acquire(&lr.done)))
		wait_done(&lr);
	if (pin.bvec)
		ferry_unpin(&pin);
	return check_reply(req, args);
}

/* It counts as begun already: no move is over before it has ended. */
void ferry_submit_deferred(struct ferry_chan *chan, struct ferry_args *args)
{
	ferry_chan_end(chan, args, local_call(chan, args));
}
EXPORT_SYMBOL_GPL(ferry_submit_deferred);

static void local_submit(struct ferry_chan *chan, struct ferry_args *args)
{
	if (args->defer)
		args->defer(args);
	else
		ferry_submit_deferred(chan, args);
}

static void local_abort(struct ferry_chan *chan)
{
}

static void free_server(struct local_server *ls)
{
	ferry_server_destroy(&ls->server, ls->class);
	module_put(ls->owner);
	kfree(ls);
}

void ferry_local_free(struct ferry_chan *chan)
{
	if (chan->server)
		free_server(chan->server);
	chan->server = NULL;
}

static void free_later(struct work_struct *work)
{
	free_server(container_of(work, struct local_server, work));
}

/* As ferry_local_free(), but clients wait: it may take as long as there are files. */
void ferry_local_retire(struct ferry_chan *chan)
{
	struct local_server *ls = chan->server;

	/* Few and slow to close: the next server may want a device now, that is held by one. */
	if (ls->class == FERRY_CLASS_BLOCK && ls->server.block.does_io) {
		ferry_local_free(chan);
		return;
	}
	chan->server = NULL;
	INIT_WORK(&ls->work, free_later);
	ferry_recover_later(&ls->work);
}

const struct ferry_deliver_ops ferry_local_ops = {
	.placement	= FERRY_PLACEMENT_KERNEL,
	.call		= local_call,
	.submit		= local_submit,
	.abort		= local_abort,
};

/* The backend of that name, its module held; loaded, if it @may be and need be. */
static const struct ferry_backend *get_backend(const char *name, struct module **owner, bool may)
{
	const struct ferry_backend *backend = NULL;
	struct local_backend *b;
	bool tried = !may;

again:
	mutex_lock(&backends_lock);
	b = find(name);
	if (b && try_module_get(b->owner)) {
		backend = b->backend;
		*owner = b->owner;
	}
	mutex_unlock(&backends_lock);
	if (!backend && !tried) {
		tried = true;
		if (!request_module("ferry-%s", name))
			goto again;
	}
	return backend;
}

static int no_backend(const char *name)
{
	ferry_log(FERRY_LOG_ERR, "there is no backend \"%s\"", name);
	return -ENOENT;
}

int ferry_backend_get(const struct ferry_server *above, const char *name,
		      const struct ferry_backend **backend)
{
	const struct local_server *ls;
	struct module *owner;

	while (above->above)
		above = above->above;
	ls = container_of(above, struct local_server, server);
	*backend = get_backend(name, &owner, !ls->missing);
	if (*backend)
		return 0;
	/* Longer ones have none. */
	if (!ls->missing || strlen(name) >= FERRY_NAME_MAX)
		return no_backend(name);
	strscpy(ls->missing, name, FERRY_NAME_MAX);
	return -ENOENT;
}

/* Load the module of backend @name, if need be. Return: 0; -ENOENT, after a line in the log */
int ferry_local_find(const char *name)
{
	struct module *owner;

	if (!get_backend(name, &owner, true))
		return no_backend(name);
	module_put(owner);
	return 0;
}

void ferry_backend_put(const struct ferry_backend *backend)
{
	mutex_lock(&backends_lock);
	module_put(find(backend->name)->owner);
	mutex_unlock(&backends_lock);
}

/*
 * A server of backend @name: as @args say, or, where @stream is given, as the one was
 * that has been saved there, and then of modules that are loaded already, see local_server.missing.
 */
static struct local_server *start_server(u32 class, const char *name, const char *args,
					 struct ferry_stream *stream, char *missing)
{
	const struct ferry_backend *backend;
	struct local_server *ls;
	struct module *owner;
	int err = -ENOMEM;

	backend = get_backend(name, &owner, !stream);
	if (!backend)
		return ERR_PTR(-ENOENT);
	ls = kzalloc(sizeof(*ls), GFP_KERNEL);
	if (!ls)
		goto put_module;
	ls->owner = owner;
	ls->class = class;
	ls->missing = missing;
	err = stream ? ferry_server_load(&ls->server, backend, class, stream) :
		       ferry_server_init(&ls->server, backend, class, args);
	ls->missing = NULL;
	if (!err)
		return ls;
	kfree(ls);
put_module:
	module_put(owner);
	return ERR_PTR(err);
}

/*
 * Could a server in the kernel go on where @chan's stops? 0: yes, and @owner, the backend's
 * module, is held; -ENOENT: there is no such backend; -EOPNOTSUPP
 */
int ferry_local_can_load(const struct ferry_chan *chan, struct module **owner)
{
	const struct ferry_backend *backend = get_backend(chan->name, owner, true);

	if (!backend)
		return -ENOENT;
	if ((backend->load || backend->flags & FERRY_STATELESS) &&
	    (chan->class == FERRY_CLASS_FS ? !!backend->fs : !!backend->block))
		return 0;
	module_put(*owner);
	return -EOPNOTSUPP;
}

int ferry_local_save(struct ferry_chan *chan, struct ferry_stream *stream)
{
	struct local_server *ls = chan->server;

	return ferry_server_save(&ls->server, chan->class, stream);
}

/*
 * Make a server for @chan, which goes on where the saved one stopped. No module is loaded for that:
 * @missing, which is "", names the first one that would have to be.
 */
int ferry_local_load(struct ferry_chan *chan, struct ferry_stream *stream,
		     char missing[FERRY_NAME_MAX])
{
	struct local_server *ls = start_server(chan->class, chan->name, NULL, stream, missing);

	if (IS_ERR(ls))
		return PTR_ERR(ls) == -ENOENT ? -EOPNOTSUPP : PTR_ERR(ls);
	chan->server = ls;
	return 0;
}

struct ferry_chan *ferry_chan_local(u32 class, const char *name, const char *args)
{
	struct local_server *ls;
	struct ferry_chan *chan;

	if (strlen(name) >= FERRY_NAME_MAX)
		return ERR_PTR(-ENOENT);
	ls = start_server(class, name, args, NULL, NULL);
	if (IS_ERR(ls))
		return ERR_CAST(ls);
	chan = ferry_chan_alloc(class, name, &ferry_local_ops);
	if (IS_ERR(chan)) {
		free_server(ls);
		return chan;
	}
	chan->server = ls;
	ferry_chan_publish(chan);
	return chan;
}
EXPORT_SYMBOL_GPL(ferry_chan_local);

void ferry_chan_names(const struct ferry_chan *chan, char *buf, size_t size)
{
	const struct local_server *ls = chan->server;

	ferry_filter_names(&ls->server, buf, size);
}
EXPORT_SYMBOL_GPL(ferry_chan_names);

bool ferry_chan_checks_access(const struct ferry_chan *chan)
{
	const struct local_server *ls = chan->server;

	return ls->server.backend->flags & FERRY_CHECKS_ACCESS;
}
EXPORT_SYMBOL_GPL(ferry_chan_checks_access);
