# One front for everything. `make help` lists the verbs.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
PYTHON ?= python3
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME := librft.so.$(basename $(VERSION))
C_FILES = $(wildcard examples/*/*.c examples/*/*.h)
DEMO := examples/demo
C_TOOLS := gcc pkg-config
KV_TOOLS := $(C_TOOLS) libmicrohttpd-dev libcurl4-openssl-dev python3

.PHONY: help
help:
	@echo 'make demo     three nodes over HTTP: kill -9 of the leader, a join, a removal, every write checked'
	@echo 'make test     all tests, the C examples and 200 rounds of kill -9'
	@echo 'make check    format, lints, header: looks and changes nothing'
	@echo 'make fix      formats the sources and generates the header'
	@echo 'make soak     kill -9 of random nodes for longer: SECONDS=600 (or ROUNDS=1000) SEED=7'
	@echo 'make bench    the benchmarks'
	@echo 'make install  library, header and rft.pc: PREFIX=$(PREFIX) DESTDIR='
	@echo 'make clean    deletes what was built'

# ---- building ----

.PHONY: lib kv three-nodes smoke
lib:
	@scripts/need.sh cargo gcc
	$(CARGO) build --release -p raft-ffi

kv: lib
	@scripts/need.sh $(KV_TOOLS)
	$(MAKE) -C examples/kv-c TARGET=$(TARGET)

three-nodes: lib
	$(MAKE) -C examples/three-nodes-c TARGET=$(TARGET)

# ---- running ----

.PHONY: demo soak
demo: kv
	$(PYTHON) $(DEMO)/demo.py

SEED ?= 1
ifdef ROUNDS
SOAK_LENGTH = $(ROUNDS)
else
SECONDS ?= 600
SOAK_LENGTH = $(SECONDS)s
endif
soak: kv
	$(PYTHON) $(DEMO)/soak.py $(SOAK_LENGTH) $(SEED)

.PHONY: test test-rust test-c test-http test-install test-soak
test: test-rust test-c test-install test-http test-soak
	@echo 'make test: all passed'

test-rust:
	@scripts/need.sh cargo gcc
	@scripts/need.sh --optional 'the run of the C host under valgrind' valgrind || true
	@scripts/need.sh --optional 'the header under clang' clang || true
	$(CARGO) build --workspace # the C hosts in the tests link what lies in target/debug
	$(CARGO) test --workspace

test-c: kv three-nodes
	$(MAKE) -C examples/kv-c test
	$(MAKE) -C examples/three-nodes-c test TARGET=$(TARGET)

test-http: kv
	$(PYTHON) $(DEMO)/routes.py

# The second run loses writes on purpose: the soak has to see it.
test-soak: kv
	$(PYTHON) $(DEMO)/soak.py 200 $(SEED)
	$(PYTHON) $(DEMO)/soak.py 100 $(SEED) --wipe | grep -q '^soak: FAIL.*lost write'

# A program that knows only what `make install` puts down, linked both ways.
STAGE := $(TARGET)/stage
FROM_STAGE = PKG_CONFIG_LIBDIR=$(STAGE)$(LIBDIR)/pkgconfig PKG_CONFIG_SYSROOT_DIR=$(STAGE) pkg-config
test-install: lib
	rm -rf $(STAGE)
	$(MAKE) install DESTDIR=$(STAGE)
	$(CC) -o $(STAGE)/smoke examples/smoke/smoke.c $$($(FROM_STAGE) --cflags --libs rft)
	cd $(STAGE) && LD_LIBRARY_PATH=$(STAGE)$(LIBDIR) ./smoke
	rm -f $(STAGE)$(LIBDIR)/librft.so*
	$(CC) -o $(STAGE)/smoke-static examples/smoke/smoke.c $$($(FROM_STAGE) --cflags --libs --static rft)
	cd $(STAGE) && ./smoke-static
	rm -rf $(STAGE)

# ---- style ----

.PHONY: check check-rust check-c fix
check: check-rust check-c
	@echo 'make check: all is well'

check-rust:
	@scripts/need.sh cargo gcc
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test -p raft-ffi --test header

check-c:
	@if scripts/need.sh --optional 'the format of the C examples' clang-format; then \
		clang-format --dry-run -Werror $(C_FILES); fi

fix:
	@scripts/need.sh cargo gcc
	$(CARGO) fmt --all
	UPDATE=1 $(CARGO) test -p raft-ffi --test header
	@if scripts/need.sh --optional 'the format of the C examples' clang-format; then \
		clang-format -i $(C_FILES); fi

# ---- the rest ----

.PHONY: bench install clean
bench:
	@scripts/need.sh cargo gcc
	cd benches && $(CARGO) bench

install: lib
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 644 include/rft.h $(DESTDIR)$(PREFIX)/include/rft.h
	install -m 644 $(TARGET)/release/librft.a $(DESTDIR)$(LIBDIR)/librft.a
	install -m 755 $(TARGET)/release/librft.so $(DESTDIR)$(LIBDIR)/librft.so.$(VERSION)
	ln -sf librft.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/librft.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		scripts/rft.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/rft.pc

clean:
	$(CARGO) clean
	$(MAKE) -C examples/kv-c clean
	$(MAKE) -C examples/three-nodes-c clean
