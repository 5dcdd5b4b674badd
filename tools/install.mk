# SPDX-License-Identifier: GPL-2.0-only OR MIT
# make install and uninstall. DESTDIR goes before every path, for packages; what lies
# outside prefix lies where kernel, mount(8), systemd and udev look for it.
unitdir   := /lib/systemd/system
rulesdir  := /lib/udev/rules.d
usersdir  := /usr/lib/sysusers.d
optionsdir := /lib/modprobe.d
loaddir   := /usr/lib/modules-load.d
bashdir    = $(prefix)/share/bash-completion/completions

# Debian's make -C KDIR kernelrelease tells another number.
KREL       = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
moddir     = /lib/modules/$(or $(KREL),$(error no utsrelease.h in KDIR=$(KDIR): for which kernel?))/updates/ferry
UNITS     := $(notdir $(wildcard userd/*.service))
# What a backend or a session wants, in user space.
HEADERS_OF_LIB := $(filter-out %/req.h %/env_kernel.h,$(wildcard include/ferry/*.h))
MAN_PAGES := $(wildcard Documentation/man/*.[0-9])

# What has the prefix in it is made anew when that is another one.
$(B)/lib/load.o $(B)/lib/pkgconfig/ferry.pc: $(B)/prefix
$(B)/prefix: FORCE
	@mkdir -p $(B)
	@echo '$(prefix)' | cmp -s - $@ || echo '$(prefix)' >$@

.PHONY: install uninstall FORCE
install: all ## all of it: prefix=/usr/local, DESTDIR= for packages
	install -d $(addprefix $(DESTDIR),$(bindir) $(libdir)/pkgconfig $(libdir)/ferry/backends \
		$(incdir)/ferry $(incdir)/linux $(unitdir) $(rulesdir) $(usersdir) \
		$(optionsdir) $(loaddir) /etc/ferry /sbin)
	install $(filter-out %/mount.ferry,$(wildcard $(B)/bin/*)) $(DESTDIR)$(bindir)
	ln -sf $(bindir)/ferry $(DESTDIR)/sbin/mount.ferry
	cp -P $(wildcard $(B)/lib/libferry.*) $(DESTDIR)$(libdir)
	install -m 644 $(wildcard $(B)/backends/*.so) $(DESTDIR)$(libdir)/ferry/backends
	install -m 644 $(HEADERS_OF_LIB) $(DESTDIR)$(incdir)/ferry
	install -m 644 include/uapi/linux/ferry*.h $(DESTDIR)$(incdir)/linux
	install -D -m 644 tools/ferry.bash-completion $(DESTDIR)$(bashdir)/ferry
	install -m 644 $(B)/lib/pkgconfig/ferry.pc $(DESTDIR)$(libdir)/pkgconfig
	$(foreach u,$(UNITS),sed 's|@bindir@|$(bindir)|' userd/$u >$(DESTDIR)$(unitdir)/$u &&) :
	install -m 644 tools/60-ferry.rules $(DESTDIR)$(rulesdir)
	install -m 644 tools/ferry.sysusers $(DESTDIR)$(usersdir)/ferry.conf
	install -m 644 tools/ferry.modules-load $(DESTDIR)$(loaddir)/ferry.conf
	echo 'options ferry rescue=$(bindir)/ferry' >$(DESTDIR)$(optionsdir)/ferry.conf
	$(foreach p,$(MAN_PAGES),install -D -m 644 -t $(DESTDIR)$(mandir)/man$(subst .,,$(suffix $p)) $p &&) :
	install -D -m 644 -t $(DESTDIR)$(moddir) ferry*.ko
	strip --strip-debug $(DESTDIR)$(moddir)/*.ko
	$(if $(DESTDIR),,groupadd -rf ferry && ldconfig && depmod $(KREL))

uninstall: ## remove what make install brought
	rm -f $(addprefix $(DESTDIR)$(bindir)/,$(notdir $(wildcard $(B)/bin/*)) ferry ferryd) \
		$(DESTDIR)/sbin/mount.ferry $(DESTDIR)$(libdir)/libferry.* \
		$(DESTDIR)$(libdir)/pkgconfig/ferry.pc \
		$(addprefix $(DESTDIR)$(incdir)/linux/,$(notdir $(wildcard include/uapi/linux/*.h))) \
		$(addprefix $(DESTDIR)$(unitdir)/,$(UNITS)) $(DESTDIR)$(rulesdir)/60-ferry.rules \
		$(DESTDIR)$(usersdir)/ferry.conf $(DESTDIR)$(optionsdir)/ferry.conf \
		$(DESTDIR)$(loaddir)/ferry.conf $(DESTDIR)$(bashdir)/ferry \
		$(foreach p,$(MAN_PAGES),$(DESTDIR)$(mandir)/man$(subst .,,$(suffix $p))/$(notdir $p))
	rm -rf $(addprefix $(DESTDIR),$(libdir)/ferry $(incdir)/ferry $(moddir))
	$(if $(DESTDIR),,ldconfig && depmod $(KREL))
