"""Builds the wheel: pop3.py as a package, with its types and the library."""
# setup.py - what pyproject.toml cannot say
# SPDX-License-Identifier: MIT
#
#   LIBPOP3=../../build/lib/.libs/libpop3.so pip wheel --no-deps .
#
# pop3.py is one file, which works wherever it is copied to.  A type checker
# takes the types of an installed module from a package alone (PEP 561), and
# the shared library wants a place too; so the wheel has a package of the same
# name.  Without $LIBPOP3 it holds no library, and serves every machine that
# has one.

import os
import shutil
import sys

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    from wheel.bdist_wheel import bdist_wheel

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.environ.get("LIBPOP3")
SONAME = "libpop3.0.dylib" if sys.platform == "darwin" else "libpop3.so.0"


class AsPackage(build_py):
    def run(self):
        package = os.path.join(self.build_lib, "pop3")
        os.makedirs(package, exist_ok=True)
        for source, target in self.files():
            shutil.copyfile(source, os.path.join(package, target))
        open(os.path.join(package, "py.typed"), "w").close()

    def files(self):
        yield os.path.join(HERE, "pop3.py"), "__init__.py"
        yield os.path.join(HERE, "pop3.pyi"), "__init__.pyi"
        if LIBRARY:
            yield os.path.realpath(LIBRARY), SONAME


class Wheel(bdist_wheel):
    """For any Python 3, but for this kind of machine alone with a library."""

    def get_tag(self):
        platform = super().get_tag()[2]
        return "py3", "none", platform if LIBRARY else "any"


class MayBeBinary(Distribution):
    def has_ext_modules(self):
        return bool(LIBRARY)


setup(packages=["pop3"], package_dir={"pop3": "."}, distclass=MayBeBinary,
      cmdclass={"build_py": AsPackage, "bdist_wheel": Wheel})
