# One front for everything. `make help` lists the verbs.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
PYTHON ?= python3
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BUILT := $(abspath $(or $(CARGO_TARGET_DIR),target))

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
SONAME := librft.so.$(basename $(VERSION))
C_FILES = $(wildcard examples/*/*.c examples/*/*.cpp examples/*/*.h examples/*/*.hpp include/*.hpp include/rft/*.hpp bindings/c/*.c \
	bindings/cpp/*.cpp bindings/cpp/*.hpp bindings/go/*.c bindings/go/*.h benches/faces/*.c benches/faces/*.cpp benches/faces/*.h)
C_STYLE := --style=file:examples/.clang-format
DEMO := examples/demo
C_TOOLS := gcc pkg-config
KV_TOOLS := $(C_TOOLS) libmicrohttpd-dev libcurl4-openssl-dev libgnutls28-dev python3
KV_CPP_TOOLS := g++ pkg-config libcpp-httplib-dev libssl-dev

.PHONY: help
help:
	@echo 'make demo     a node in each language over HTTP, on a page to watch: kill -9 of the leader, a join, a removal,'
	@echo '              every write checked. SERVE=1 keeps the cluster up instead, with buttons, until Ctrl-C;'
	@echo '              TLS=1 has all of them speak HTTPS; PORT=8080 is where the page is'
	@echo 'make test     all tests, the C examples and 200 rounds of kill -9; says at the end what it skipped'
	@echo '              one language of them: make test-rust test-c test-cpp test-go'
	@echo 'make gate-renew  takes what a proposal costs now as what make test lets it cost: allocations, instructions'
	@echo 'make check    format, lints, header: looks and changes nothing'
	@echo 'make fix      formats the sources and generates the header'
	@echo 'make abi      takes a change of the C interface over into include/abi, and tells it'
	@echo 'make fuzz     arbitrary bytes for what reads them: SECONDS=60 for all targets, or TARGET=wal for one'
	@echo 'make soak     seven hunts, each for SECONDS=600, from SEED=7 on if that is given:'
	@echo '              make soak-simulation  clusters in virtual time, watched by an oracle'
	@echo '              make soak-processes   kill -9 and SIGSTOP of random nodes (or ROUNDS=1000 of it)'
	@echo '              make soak-engines     engines that are stopped, cut off and restarted'
	@echo '              make soak-disk        power cuts at every moment of random histories of a store'
	@echo '              make soak-netns       processes in namespaces: partitions, loss, delay, kill, as root'
	@echo '              make soak-mixed       one cluster of four languages: all of that, and directories that change hands'
	@echo '              make soak-etcd        nodes on etcd'\''s raft beside ours'
	@echo 'make soak-snapshot  2 GiB (or BYTES) of snapshot between two processes, in little memory'
	@echo 'make bench    ours beside its peers, into tables, charts and target/bench/summary.json: QUICK=1 in three minutes,'
	@echo '              SUITE=core for one suite; logs are written to BENCH_DIR, a folder on the disk that matters'
	@echo 'make docs     the manual, by mdBook, which it installs into target/tools if need be'
	@echo 'make docs-c   the manual of rft.h and rft.hpp, by Doxygen'
	@echo 'make install  library, headers, rft.pc, a CMake package and the program rft: PREFIX=$(PREFIX) DESTDIR='
	@echo 'make go-static  what the Go package links with the build tag rft_static'
	@echo 'make clean    deletes what was built'

# ---- building ----

# Built by itself, so that the library never sees what only the program needs.
TOOL := -p raft-core --features tool --bin rft

.PHONY: lib shared kv kv-cpp three-nodes smoke
lib:
	@scripts/need.sh cargo gcc
	$(CARGO) build --release -p raft-ffi
	$(CARGO) build --release $(TOOL)

# The shared library that is installed, optimized across crates: Cargo does that only where no Rust library is asked for too.
shared:
	@scripts/need.sh cargo gcc
	$(CARGO) rustc --profile dist -p raft-ffi --crate-type cdylib

kv: lib
	@scripts/need.sh $(KV_TOOLS)
	$(MAKE) -C examples/kv-c TARGET=$(BUILT)

# With Go alone; where there is none, nothing is built.
.PHONY: kv-go
kv-go: go-static
	@if scripts/need.sh --optional 'the service in Go' go-1.24; then $(MAKE) -C examples/kv-go; fi

kv-cpp: lib
	@scripts/need.sh $(KV_CPP_TOOLS)
	$(MAKE) -C examples/kv-cpp TARGET=$(BUILT)

# The hosts of the service, in all languages. One whose language is not on the machine is left out, and named.
HOSTS := kv-c kv-cpp kv-python kv-go
SERVERS := $(foreach host,$(HOSTS),examples/$(host)/build/$(host))
.PHONY: hosts
hosts: kv kv-cpp kv-python kv-go

three-nodes: lib
	$(MAKE) -C examples/three-nodes-c TARGET=$(BUILT)

# What the tag rft_static links: a library and its header beside the Go package.
GO := bindings/go
GO_MODULES := $(GO) examples/kv-go examples/tutorial/go
GO_PLACES := $(GO_MODULES) examples/kv-etcd benches/peers benches/faces/go
GO_HOST = $(shell cd $(GO) && go env GOOS)_$(shell cd $(GO) && go env GOARCH)
.PHONY: go-header go-static
go-header:
	@mkdir -p $(GO)/lib/include
	@install -m 644 include/rft.h $(GO)/lib/include/rft.h

go-static: lib go-header
	@mkdir -p $(GO)/lib/$(GO_HOST)
	install -m 644 $(BUILT)/release/librft.a $(GO)/lib/$(GO_HOST)/librft.a

# ---- running ----

# A disk that fails when it is told to.
SHIM := $(BUILT)/demo/disk_fault.so
$(SHIM): $(DEMO)/disk_fault.c
	@mkdir -p $(BUILT)/demo
	$(CC) -std=gnu11 -Wall -Wextra -Werror -O1 -shared -fPIC -o $@ $< -ldl

# They go to those who ask for them. `make test SEED=7` must not narrow a test that looks for the same name down.
unexport SEED SECONDS BYTES SERVE TLS PORT QUICK SUITE

.PHONY: demo
demo: hosts
	@$(if $(TLS),scripts/need.sh openssl)
	$(PYTHON) $(DEMO)/demo.py $(if $(SERVE),--serve) $(if $(TLS),--tls) $(if $(PORT),--port $(PORT)) $(SERVERS)

.PHONY: soak soak-simulation soak-processes soak-engines soak-disk soak-netns soak-mixed soak-etcd soak-snapshot fuzz
soak:
	@$(MAKE) soak-simulation
	@$(MAKE) soak-processes
	@$(MAKE) soak-engines
	@$(MAKE) soak-disk
	@$(MAKE) soak-netns
	@$(MAKE) soak-mixed
	@$(MAKE) soak-etcd

SOAK_SECONDS = $(or $(SECONDS),600)
soak-simulation:
	@scripts/need.sh cargo gcc
	SECONDS=$(SOAK_SECONDS) $(if $(SEED),SEED=$(SEED)) \
		$(CARGO) test --release -p raft-core --test simulation no_seed -- --nocapture

soak-processes: kv
	$(PYTHON) $(DEMO)/soak.py $(or $(ROUNDS),$(SOAK_SECONDS)s) $(or $(SEED),1) --leases

soak-engines:
	@scripts/need.sh cargo gcc
	scripts/soak-engines.sh $(SOAK_SECONDS) $(or $(SEED),1)

soak-disk:
	@scripts/need.sh cargo gcc
	SECONDS=$(SOAK_SECONDS) $(if $(SEED),SEED=$(SEED)) \
		$(CARGO) test --release -p raft-core --test disk_crash every_moment -- --nocapture

# Five nodes, then five with slow disks, and then three whose messages are late.
soak-netns: kv $(SHIM)
	@scripts/need.sh iproute2 nftables
	$(PYTHON) $(DEMO)/netns.py $$(($(SOAK_SECONDS) / 3)) $(or $(SEED),1) --nodes 5
	$(PYTHON) $(DEMO)/netns.py $$(($(SOAK_SECONDS) / 3)) $(or $(SEED),1) --nodes 5 --slow-disks $(SHIM)
	$(PYTHON) $(DEMO)/netns.py $$(($(SOAK_SECONDS) / 3)) $(or $(SEED),1) --late

soak-mixed: hosts
	$(PYTHON) $(DEMO)/mixed.py $(SOAK_SECONDS) $(or $(SEED),1) $(SERVERS)

soak-etcd: kv
	@scripts/need.sh golang-go
	scripts/etcd-cluster.sh $(SOAK_SECONDS) $(or $(SEED),1) $(BUILT)/release/rft

soak-snapshot:
	@scripts/need.sh cargo gcc
	BYTES=$(or $(BYTES),2147483648) $(CARGO) test --release -p raft-core --test big_snapshot

fuzz:
	@scripts/need.sh cargo gcc g++
	scripts/fuzz.sh $(or $(SECONDS),60) $(TARGET)

# What was skipped is collected here, to be told at the end.
SKIPPED := $(BUILT)/skipped
.PHONY: test test-rust test-etcd test-c test-cpp test-go test-python test-bench test-kv-python test-http test-install test-soak \
	test-disk test-netns test-mixed test-page test-etcd-cluster test-docs
test:
	@mkdir -p $(BUILT) && : >$(SKIPPED)
	@$(MAKE) RFT_SKIPPED=$(SKIPPED) test-rust test-etcd test-c test-cpp test-go test-python test-bench test-install test-http \
		test-kv-python test-soak test-disk test-netns test-mixed test-page test-etcd-cluster test-docs
	@sort -u $(SKIPPED)
	@if [ -s $(SKIPPED) ]; then echo 'make test: all passed, except for what the lines above skipped'; \
		else echo 'make test: all passed, nothing skipped'; fi

test-rust:
	@scripts/need.sh cargo gcc
	@scripts/need.sh --optional 'the run of the C host under valgrind' valgrind || true
	@scripts/need.sh --optional 'the header under clang' clang || true
	@scripts/need.sh --optional 'the binary interface of the header' abigail-tools || true
	$(CARGO) build --workspace # the C hosts in the tests link what lies in target/debug
	$(CARGO) test --workspace
	$(CARGO) test -p raft-core --features tool --test tool
	$(CARGO) test -p raft-core --features mutants --test mutants --test planted # what is planted is found
	@$(PYTHON) scripts/instructions.py

# Takes what a proposal costs now, in allocations and in instructions, as what it may cost.
.PHONY: gate-renew
gate-renew:
	@scripts/need.sh cargo gcc valgrind python3
	UPDATE=1 $(CARGO) test -p raft-core --test steady
	$(PYTHON) scripts/instructions.py --renew

# A Go module of its own, which nothing else needs.
test-etcd:
	@if scripts/need.sh --optional 'the test against the log of etcd' golang-go; then \
		$(CARGO) build -p raft-core --example etcd_driver && $(CARGO) build $(TOOL) && \
		scripts/test-etcd.sh $(BUILT); fi

test-c: kv three-nodes
	$(MAKE) -C examples/kv-c test
	$(MAKE) -C examples/three-nodes-c test TARGET=$(BUILT)
	$(MAKE) -C bindings/c test TARGET=$(BUILT)
	@if scripts/need.sh --optional 'a program with two libraries of Raft' libraft-dev; then \
		$(MAKE) -C bindings/c test-beside-libraft TARGET=$(BUILT); fi

test-cpp: lib
	@if scripts/need.sh --optional 'the tests of rft.hpp' g++; then $(MAKE) -C bindings/cpp test TARGET=$(BUILT) && \
		$(MAKE) test-kv-cpp; fi

# Once as it is, with kv-c as the one that takes its directories over, and once under the sanitizers and over TLS.
.PHONY: test-kv-cpp
test-kv-cpp: kv kv-cpp
	@scripts/need.sh openssl python3
	$(MAKE) -C examples/kv-cpp test
	$(MAKE) -C examples/kv-cpp sanitized TARGET=$(BUILT)
	SERVER=examples/kv-cpp/build/kv-cpp OTHER=examples/kv-c/build/kv-c $(PYTHON) $(DEMO)/routes.py
	SERVER=examples/kv-cpp/build/sanitized/kv-cpp TLS=1 $(PYTHON) $(DEMO)/routes.py

# Twice: by pkg-config and the shared library, and static under the race detector, with every pointer that crosses watched.
GO_STAGE := $(BUILT)/go-stage
# Go's caches do not see that the header or the library changed; a flag that changes with them they do see.
GO_SEEN = CGO_CFLAGS="-O2 -g -DRFT_SEEN=$$(cat include/rft.h $(BUILT)/release/librft.a | cksum | cut -d ' ' -f 1)"
GO_TEST := go test -count=1 -timeout 300s
test-go: lib
	@if scripts/need.sh --optional 'the Go binding' go-1.24 pkg-config; then \
		$(MAKE) test-go-shared test-go-static test-go-etcd test-kv-go; fi

.PHONY: test-go-shared test-go-static test-go-etcd test-kv-go
test-go-shared:
	rm -rf $(GO_STAGE)
	$(MAKE) install DESTDIR=$(GO_STAGE) >/dev/null
	export $(GO_SEEN) && cd $(GO) && PKG_CONFIG_LIBDIR=$(GO_STAGE)$(LIBDIR)/pkgconfig PKG_CONFIG_SYSROOT_DIR=$(GO_STAGE) \
		LD_LIBRARY_PATH=$(GO_STAGE)$(LIBDIR) $(GO_TEST) ./...
	rm -rf $(GO_STAGE)

test-go-static: go-static
	export $(GO_SEEN) && cd $(GO) && GOEXPERIMENT=cgocheck2 $(GO_TEST) -race -tags rft_static ./...

# Against etcd's own transport, in a module of its own.
test-go-etcd: go-static
	export $(GO_SEEN) && scripts/test-rafthttp.sh

test-kv-go: kv-go
	$(MAKE) -C examples/kv-go test
	SERVER=examples/kv-go/build/kv-go $(PYTHON) $(DEMO)/routes.py
	SERVER=examples/kv-go/build/kv-go TLS=1 $(PYTHON) $(DEMO)/routes.py

test-http: kv
	@scripts/need.sh openssl
	$(PYTHON) $(DEMO)/routes.py
	TLS=1 $(PYTHON) $(DEMO)/routes.py

# Without an environment for Python there is nothing to test, as was said.
test-kv-python: kv-python
	@scripts/need.sh openssl
	@if [ -x $(KV_PY)/build/kv-python ]; then export SERVER=$(KV_PY)/build/kv-python && \
		$(PYTHON) $(DEMO)/routes.py && TLS=1 $(PYTHON) $(DEMO)/routes.py; fi

# The tests have a virtual environment of their own; without it they are skipped, and said to be.
PY := bindings/python
VENV := $(BUILT)/venv-python
KV_PY := examples/kv-python
PY_WANTS := $(PY)/requirements-dev.txt $(KV_PY)/requirements.txt
IN_VENV = VIRTUAL_ENV=$(VENV) PATH=$(VENV)/bin:$$PATH
test-python:
	@scripts/need.sh cargo gcc
	@if scripts/python-venv.sh $(VENV) 'the Python binding' $(PY_WANTS); then $(MAKE) test-python-in-venv; fi

# What the frame of the benchmarks computes; no benchmark is run.
test-bench:
	cd benches && $(PYTHON) -m unittest -q test_bench

# The program as its user has it: an environment of its own, with the wheel. What starts it lies where kv-c's program does.
VENV_KV := $(BUILT)/venv-kv-python
KV_WHEEL := $(BUILT)/wheel-kv-python
.PHONY: kv-python kv-python-in-venv
kv-python:
	@scripts/need.sh cargo gcc
	@if scripts/python-venv.sh $(VENV) kv-python $(PY_WANTS) && \
		scripts/python-venv.sh $(VENV_KV) kv-python $(KV_PY)/requirements.txt; then $(MAKE) kv-python-in-venv; fi

kv-python-in-venv:
	rm -rf $(KV_WHEEL)
	cd $(PY) && $(IN_VENV) maturin build --quiet --locked --release --out $(KV_WHEEL)
	$(VENV_KV)/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall \
		$(KV_WHEEL)/*.whl
	@mkdir -p $(KV_PY)/build
	@printf '#!/bin/sh\nPYTHONPATH=%s exec %s -m kv "$$@"\n' $(abspath $(KV_PY)) $(VENV_KV)/bin/python >$(KV_PY)/build/kv-python
	@chmod +x $(KV_PY)/build/kv-python

.PHONY: test-python-in-venv
test-python-in-venv:
	cd $(PY) && $(IN_VENV) maturin develop --quiet --locked
	cd $(PY) && $(IN_VENV) mypy
	cd $(PY) && $(IN_VENV) python -m mypy.stubtest rft._native
	cd $(PY) && $(IN_VENV) pytest
	cd $(KV_PY) && $(IN_VENV) mypy
	cd $(KV_PY) && $(IN_VENV) pytest
	cd benches && $(IN_VENV) mypy
	scripts/test-wheel.sh $(VENV) $(BUILT)/wheel
	@scripts/need.sh --optional 'the Python binding without the global lock' python3.14t || true

# The last run loses writes on purpose: the soak has to see it.
test-soak: kv
	$(PYTHON) $(DEMO)/soak.py 200 $(or $(SEED),1)
	$(PYTHON) $(DEMO)/soak.py 100 $(or $(SEED),1) --leases
	$(PYTHON) $(DEMO)/soak.py 100 $(or $(SEED),1) --wipe | grep -q '^soak: FAIL.*lost write'

test-disk: kv $(SHIM)
	$(PYTHON) $(DEMO)/disk_faults.py $(SHIM)

# The manual's commands, with what `make install` lays down, and with the Python package that test-python has built.
DOCS_STAGE := $(BUILT)/docs-stage
test-docs: lib
	rm -rf $(DOCS_STAGE)
	$(MAKE) install DESTDIR=$(DOCS_STAGE) >/dev/null
	$(PYTHON) scripts/docs.py run $(DOCS_STAGE) $(PREFIX) $(LIBDIR) $(VENV)/bin
	rm -rf $(DOCS_STAGE)
	@if [ -n "$(MDBOOK)" ]; then $(MAKE) docs; else \
		echo 'skipped: the pages of the manual (make docs installs mdbook)' | tee -a $(or $(RFT_SKIPPED),/dev/null); fi

# The real raft of etcd, in modules of its own: about a minute and a half.
test-etcd-cluster: kv
	@if scripts/need.sh --optional 'clusters with nodes on the raft of etcd' golang-go; then \
		scripts/etcd-cluster.sh 4 $(or $(SEED),1) $(BUILT)/release/rft; fi

# As root, because namespaces of the network are made, and removed again. The last run reads what is stale on purpose: the
# checker has to see it.
test-netns: kv $(SHIM)
	@if [ "$$(id -u)" != 0 ] || ! unshare -n true 2>/dev/null; then \
		echo 'skipped: partitions between processes (not root, or no namespaces)' | tee -a $(or $(RFT_SKIPPED),/dev/null); \
	elif { scripts/need.sh iproute2 nftables || true; } && \
		scripts/need.sh --optional 'partitions between processes' iproute2 nftables; then \
		$(PYTHON) $(DEMO)/netns.py 25 $(or $(SEED),1) && \
		$(PYTHON) $(DEMO)/netns.py 15 $(or $(SEED),1) --nodes 5 && \
		$(PYTHON) $(DEMO)/netns.py 10 $(or $(SEED),1) --nodes 5 --slow-disks $(SHIM) && \
		$(PYTHON) $(DEMO)/netns.py 15 $(or $(SEED),1) --late && \
		$(PYTHON) $(DEMO)/netns.py 5 $(or $(SEED),1) --stale | grep -q '^netns: FAIL: not linearizable'; fi

# One cluster of all languages. As root with one-way cuts between them.
.PHONY: test-mixed
test-mixed: hosts
	$(PYTHON) $(DEMO)/mixed.py 60 $(or $(SEED),1) $(SERVERS)

# The page of the demo: what it refuses, and in a browser. Screenshots are left to be looked at.
.PHONY: test-page
test-page: hosts
	@browser=$$(scripts/need.sh --optional 'the page of the demo in a browser' chromium chromium-driver >&2 || echo --no-browser); \
		$(PYTHON) $(DEMO)/page_test.py $$browser --shots $(BUILT)/demo-page $(SERVERS)

# Programs that know only what `make install` puts down.
STAGE := $(BUILT)/stage
test-install: lib
	rm -rf $(STAGE) $(STAGE)-moved
	$(MAKE) install DESTDIR=$(STAGE)
	scripts/test-install.sh $(STAGE) $(PREFIX) $(LIBDIR)
	rm -rf $(STAGE)
	@if scripts/need.sh --optional 'the tree that cargo-c installs' cargo-cinstall; then $(MAKE) test-cinstall; fi

# cargo-c lays down the same files, but for the program; where CMake looks it has another folder.
.PHONY: test-cinstall
FILES_OF = (cd $(1)$(PREFIX) && find include lib share -not -type d 2>/dev/null | sed 's|^share/cmake|lib/cmake|' | sort)
test-cinstall:
	rm -rf $(STAGE) $(STAGE)-cinstall
	$(MAKE) install DESTDIR=$(STAGE) >/dev/null
	$(CARGO) cinstall --release -p raft-ffi --destdir $(STAGE)-cinstall --prefix $(PREFIX) --libdir $(LIBDIR)
	$(call FILES_OF,$(STAGE)) >$(BUILT)/installed
	$(call FILES_OF,$(STAGE)-cinstall) | diff $(BUILT)/installed -
	scripts/test-install.sh $(STAGE)-cinstall $(PREFIX) $(LIBDIR)
	rm -rf $(STAGE) $(STAGE)-cinstall $(BUILT)/installed

# ---- style ----

# Workspaces of their own, with dependencies that the library must not have.
WORKSPACES := benches raft-core/fuzz bindings/python

.PHONY: check check-rust check-c check-go check-python check-docs fix
check: check-rust check-c check-go check-python check-docs
	@echo 'make check: all is well'

check-rust:
	@scripts/need.sh cargo gcc
	$(CARGO) fmt --all --check
	for other in $(WORKSPACES); do $(CARGO) fmt --all --manifest-path $$other/Cargo.toml --check || exit 1; done
	$(CARGO) clippy --workspace --all-targets --features raft-core/tool,raft-core/mutants -- -D warnings
	$(CARGO) test -p raft-ffi --test header --test abi

# Into target/tools, where it is not there: that takes some minutes, once.
MDBOOK_VERSION := 0.4.52
TOOLS := $(BUILT)/tools
MDBOOK = $(or $(wildcard $(TOOLS)/bin/mdbook),$(shell command -v mdbook))
.PHONY: docs
docs:
	@[ -n "$(MDBOOK)" ] || { scripts/need.sh cargo gcc && \
		$(CARGO) install mdbook --locked --version $(MDBOOK_VERSION) --no-default-features --features search \
			--root $(TOOLS) --target-dir $(TOOLS)/build && rm -rf $(TOOLS)/build; }
	@$(PYTHON) scripts/docs.py check
	$(MDBOOK) build docs --dest-dir $(BUILT)/docs
	@echo 'make docs: $(BUILT)/docs/index.html'

# Doxygen fails where something has no text, and where a text names what is not there.
.PHONY: docs-c
docs-c:
	@scripts/need.sh doxygen
	@mkdir -p $(BUILT)/docs-c
	RFT_DOCS=$(BUILT)/docs-c doxygen include/Doxyfile
	@echo 'make docs-c: $(BUILT)/docs-c/html/index.html'

check-c:
	@if scripts/need.sh --optional 'whether Doxygen takes rft.h and rft.hpp' doxygen; then $(MAKE) docs-c; fi
	@if scripts/need.sh --optional 'the format of C and C++' clang-format; then \
		clang-format $(C_STYLE) --dry-run -Werror $(C_FILES); fi

check-go: go-header
	@if scripts/need.sh --optional 'format and vet of all Go' go-1.24; then \
		ugly=$$(gofmt -l $(GO_PLACES)) || exit 1; \
		[ -z "$$ugly" ] || { echo "$$ugly" >&2; exit 1; }; \
		for module in $(GO_MODULES); do \
			(cd $$module && go vet -tags rft_static ./...) || exit 1; done; fi

# Links, anchors and includes.
check-docs:
	$(PYTHON) scripts/docs.py check

# Scripts without a configuration are looked at for mistakes only. B023: their functions of a loop end with its round.
PY_PLACES = $(PY) $(KV_PY) benches
PY_SCRIPTS := $(DEMO) scripts examples/tutorial
check-python:
	$(CARGO) clippy --manifest-path $(PY)/Cargo.toml --all-targets -- -D warnings
	@if scripts/python-venv.sh $(VENV) 'format and lints of $(PY_PLACES), lints of $(PY_SCRIPTS)' $(PY_WANTS); then \
		for here in $(PY_PLACES); do \
			(cd $$here && $(VENV)/bin/ruff format --check --quiet . && $(VENV)/bin/ruff check --quiet .) || exit 1; done; \
		$(VENV)/bin/ruff check --quiet --no-cache --isolated --target-version py39 --select F,B --ignore B023 $(PY_SCRIPTS); fi

fix:
	@scripts/need.sh cargo gcc
	$(CARGO) fmt --all
	for other in $(WORKSPACES); do $(CARGO) fmt --all --manifest-path $$other/Cargo.toml || exit 1; done
	UPDATE=1 $(CARGO) test -p raft-ffi --test header
	@if scripts/need.sh --optional 'the format of C and C++' clang-format; then clang-format $(C_STYLE) -i $(C_FILES); fi
	@if scripts/need.sh --optional 'the format of Go' go-1.24; then gofmt -w $(GO_PLACES); fi
	@if scripts/python-venv.sh $(VENV) 'the format of $(PY_PLACES)' $(PY_WANTS); then \
		for here in $(PY_PLACES); do \
			(cd $$here && $(VENV)/bin/ruff check --fix --quiet . && $(VENV)/bin/ruff format --quiet .) || exit 1; done; fi

# A change of the binary interface is taken over by hand, so that it is seen and meant.
.PHONY: abi
abi:
	@scripts/need.sh cargo gcc abigail-tools
	UPDATE=1 $(CARGO) test -p raft-ffi --test abi the_interface -- --nocapture

# ---- the rest ----

.PHONY: bench install clean
# Durable files go to BENCH_DIR; the temporary directory may be memory, where a sync costs nothing.
bench:
	@scripts/need.sh cargo gcc python3
	$(if $(BENCH_DIR),BENCH_DIR=$(abspath $(BENCH_DIR))) $(PYTHON) benches/run.py $(if $(QUICK),--quick) $(SUITE)

install: lib shared
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/rft $(DESTDIR)$(PREFIX)/include/rft \
		$(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILT)/release/rft $(DESTDIR)$(PREFIX)/bin/rft
	install -m 644 include/rft.h include/rft.hpp $(DESTDIR)$(PREFIX)/include
	install -m 644 include/rft/*.hpp $(DESTDIR)$(PREFIX)/include/rft
	install -m 644 $(BUILT)/release/librft.a $(DESTDIR)$(LIBDIR)/librft.a
	install -m 755 $(BUILT)/dist/librft.so $(DESTDIR)$(LIBDIR)/librft.so.$(VERSION)
	ln -sf librft.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/librft.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		scripts/rft.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/rft.pc
	install -m 644 raft-ffi/cmake/*.cmake $(DESTDIR)$(LIBDIR)/cmake/rft

clean:
	$(CARGO) clean
	rm -rf benches/target raft-core/fuzz/target $(PY)/target $(PY)/python/rft/*.so
	$(MAKE) -C examples/kv-c clean
	$(MAKE) -C examples/kv-go clean
	$(MAKE) -C examples/kv-cpp clean
	$(MAKE) -C examples/three-nodes-c clean
	rm -rf examples/kv-etcd/build
	$(MAKE) -C bindings/c clean
	$(MAKE) -C bindings/cpp clean
	rm -rf $(GO)/lib $(KV_PY)/build
