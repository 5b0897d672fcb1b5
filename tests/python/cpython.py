"""CPython's own tests of poplib, run on the drop-in."""
# cpython.py - proves that pop3.py passes what poplib must pass
# SPDX-License-Identifier: MIT
#
# Puts pop3 in poplib's place, then runs Python's test.test_poplib: every test
# has to pass and none may be skipped.  Exit status 77: that module is not
# installed.  Given by cpython.sh: PYTHONPATH with bindings/python, LIBPOP3.

import importlib.util
import sys
import unittest
import warnings

# Of Python 3.11; a version that has fewer would prove less.
AT_LEAST = 71


def is_installed(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def main():
    if not is_installed("test.test_poplib"):
        print("skipped: test.test_poplib is not installed (Debian: "
              "libpython3-testsuite, or libpython%d.%d-testsuite)"
              % sys.version_info[:2])
        return 77
    import pop3
    sys.modules["poplib"] = pop3
    warnings.simplefilter("ignore", DeprecationWarning)
    from test import test_poplib
    assert test_poplib.poplib is pop3
    tests = unittest.defaultTestLoader.loadTestsFromModule(test_poplib)
    result = unittest.TextTestRunner().run(tests)
    good = (result.wasSuccessful() and not result.skipped and
            result.testsRun >= AT_LEAST)
    print("%s - test.test_poplib of Python %s: %d tests run, %d skipped"
          % ("ok" if good else "not ok", sys.version.split()[0],
             result.testsRun, len(result.skipped)))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
