# libpop3: the everyday Makefile of a git checkout (a release has none of it)
# SPDX-License-Identifier: MIT
#
#   make              builds the library and the program in build/
#   make check        runs the tests
#   make demo         shows the program; SPEC=ssl:me@mail.example: on that server
#   make bench        runs the benchmarks
#   make install      installs into PREFIX (/usr/local), below DESTDIR if given
#   make clean        removes what was compiled; distclean: all that was made
#   make format       applies .clang-format;  make tidy: runs clang-tidy
#   make sanitize     runs the tests with ASan and UBSan;  make valgrind
#   make tsan         runs many threads with ThreadSanitizer
#   make fuzz         fuzzes for SECONDS=60 each target
#   make coverage     fails where the tests reach under 90 % of lib/
#   make abi          describes the ABI in lib/libpop3.abi, after an addition
#   make dist         makes the release; distcheck: and proves it
#
# PREFIX, CC, CFLAGS and CONFIGURE_FLAGS count for the run that they are given
# to: where they differ from those of the last run, all is built anew. BUILD
# names another directory to build in.

.SUFFIXES:
.DEFAULT_GOAL := all

BUILD ?= build
PREFIX ?= /usr/local
CONFIGURE_FLAGS ?=
COVERAGE_LEAST ?= 90

# CC and CFLAGS only where somebody gave them; make itself has a CC.
given = $(if $(filter environment% command%,$(origin $(1))),$(1)='$($(1))')
settings = --prefix='$(PREFIX)' $(call given,CC) $(call given,CFLAGS) \
	$(call given,LDFLAGS) $(CONFIGURE_FLAGS)

# In parallel, unless -j is given.
cores := $(shell nproc 2>/dev/null || echo 1)
inner = @+$(MAKE) --no-print-directory -C $(BUILD) \
	$(if $(findstring -j,$(MAKEFLAGS)),,-j$(cores))

.PHONY: all check demo bench install uninstall clean distclean format tidy \
	dist distcheck coverage sanitize tsan valgrind fuzz abi setup setup-check setup-bench FORCE

all: $(BUILD)/config.status
	$(inner) all

# -- Bootstrapping -------------------------------------------------------------

setup:
	@sh build-aux/setup.sh

setup-check:
	@sh build-aux/setup.sh --with check

setup-bench:
	@sh build-aux/setup.sh --with check --with bench

configure: configure.ac Makefile.am $(wildcard m4/p3_*.m4) | setup
	@echo 'autoreconf'
	@autoreconf -fi >autoreconf.log 2>&1 || { cat autoreconf.log; exit 1; }
	@rm -f autoreconf.log
	@touch configure

# The settings of the last run; touched only where this run has others.
$(BUILD)/settings: FORCE
	@mkdir -p $(BUILD)
	@echo "$(settings)" | cmp -s - $@ || { \
	    test ! -f $(BUILD)/Makefile || \
	        $(MAKE) --silent -C $(BUILD) clean; \
	    echo "$(settings)" >$@; }

$(BUILD)/config.status: configure libpop3.pc.in $(BUILD)/settings | setup
	@echo "configure in $(BUILD)/"
	@cd $(BUILD) && '$(CURDIR)/configure' --quiet $(settings) || \
	    { rm -f settings; exit 1; }

# A build that was configured before Check was there has to look again.
check-ready: setup-check $(BUILD)/config.status
	@! grep -q '^S\["HAVE_CHECK_TRUE"\]="#"' $(BUILD)/config.status || \
	    (cd $(BUILD) && ./config.status --quiet --recheck && \
	     ./config.status --quiet)
.PHONY: check-ready

# -- Using the build -----------------------------------------------------------

check: check-ready
	$(inner) check

demo: check-ready
	$(inner) --silent all
	$(inner) --silent demo SPEC='$(SPEC)'

bench: setup-bench check-ready
	$(inner) --silent all
	$(inner) --silent bench

# Without DESTDIR the loader is to learn of the library.
install: all
	$(inner) install DESTDIR='$(DESTDIR)'
	@test -n '$(DESTDIR)' || ldconfig 2>/dev/null || :

uninstall: $(BUILD)/config.status
	$(inner) uninstall DESTDIR='$(DESTDIR)'

valgrind: check-ready
	$(inner) valgrind

tidy: check-ready
	$(inner) tidy

abi: $(BUILD)/config.status
	$(inner) abi

dist: $(BUILD)/config.status
	$(inner) dist

distcheck: check-ready
	$(inner) distcheck

# -- Other builds --------------------------------------------------------------

other = @+$(MAKE) --no-print-directory

# Downloads are cut and killed at fewer places than in `make check`.
sanitize coverage: export DOWNLOAD_STEP = 29
sanitize coverage: export DOWNLOAD_KILLS = 40

# In one process: the search for leaks would cost more than each test itself.
sanitize: export CK_FORK = no
sanitize:
	$(other) check BUILD=build-sanitize CONFIGURE_FLAGS='$(CONFIGURE_FLAGS) \
	    --disable-static --enable-sanitizers=address,undefined'

tsan:
	$(other) check BUILD=build-tsan TESTS=tests/check_threads.sh \
	    CONFIGURE_FLAGS='$(CONFIGURE_FLAGS) --disable-static \
	    --enable-sanitizers=thread'

coverage:
	@find . -path './build-coverage/*' -name '*.gcda' -exec rm -f {} +
	$(other) check BUILD=build-coverage CONFIGURE_FLAGS='$(CONFIGURE_FLAGS) \
	    --disable-static --enable-coverage'
	@sh build-aux/coverage.sh build-coverage $(COVERAGE_LEAST)

fuzz: setup-check
	@sh tests/fuzz/run.sh build-fuzz $(SECONDS)

# -- Sources -------------------------------------------------------------------

format:
	find include lib tools tests -name '*.[ch]' -exec clang-format -i {} +

clean:
	@test ! -f $(BUILD)/Makefile || $(MAKE) --silent -C $(BUILD) clean

distclean:
	rm -rf build build-coverage build-sanitize build-tsan build-fuzz build-ci-* autom4te.cache
	rm -f configure configure~ Makefile.in aclocal.m4 m4/libtool.m4 m4/lt*.m4
	cd build-aux && rm -f ar-lib compile config.guess config.sub depcomp \
	    install-sh ltmain.sh missing test-driver *~
