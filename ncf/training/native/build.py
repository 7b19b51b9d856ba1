"""From the C++ of this folder to a library for this machine's processor, kept for the next time."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

from ncf.errors import ConfigError
from ncf.files import cache_dir, new_file

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-pthread")
WIDE = ("-mprefer-vector-width=512",)  # compilers would use half of an x86 processor's vectors
SOURCES = Path(__file__).parent


def compiler() -> str:
    """The C++ compiler: the one CXX names, or else the first on the PATH.

    Raises:
        ConfigError: there is none.
    """
    for name in (os.environ.get("CXX", ""), *COMPILERS):
        if found := shutil.which(name):
            return found
    raise ConfigError(
        "compile needs a C++ compiler, and none was found",
        allowed=f"one of {', '.join(COMPILERS)} on the PATH, or one named by CXX",
        do="install one (Debian: apt-get install g++), or train with compile off",
    )


@cache
def library() -> ctypes.CDLL:
    """The compiled steps; compiled if they have not been on such a processor by such a compiler.

    Raises:
        ConfigError: there is no compiler, it fails, or there is no place for the library.
    """
    program = compiler()
    flags = [*FLAGS, *(WIDE if platform.machine() in ("x86_64", "AMD64") else ())]
    # what the compiler says of itself and of the processor: a home folder can be shared by several machines
    told = _run([program, *flags, "-dM", "-E", "-x", "c++", os.devnull])
    texts = [path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.[ch]pp"))]
    name = hashlib.sha256("\0".join([told, *flags, *texts]).encode()).hexdigest()[:16]
    path = cache_dir() / "native" / f"{name}.so"
    try:
        if not path.exists():
            with new_file(path) as building:
                _run([program, *flags, "-o", str(building), *map(str, sorted(SOURCES.glob("*.cpp")))])
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ConfigError(
            f"the compiled step can't be kept or loaded ({error})",
            got=str(path),
            allowed="a folder that can be written to, on a disk that may hold programs",
            do="set NCF_CACHE_DIR to one, or train with compile off",
        ) from error


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(
            "the C++ compiler failed",
            got=" ".join(command),
            allowed="GCC 9 or Clang 12, or newer",
            do=f"train with compile off, or mend this: {done.stderr.strip()[-500:]}",
        )
    return done.stdout
