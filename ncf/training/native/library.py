"""The compiled training steps: built for this machine's processor, loaded, and their C interface declared."""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import time
from ctypes import c_double, c_int32, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from ncf.errors import ConfigError
from ncf.files import cache_dir, new_file

COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-pthread")
WIDE = ("-mprefer-vector-width=512",)  # by default, compilers use half of an x86 processor's vectors
ARCH_VARIABLE = "NCF_MARCH"  # the processor to compile for, in the compiler's words; of this machine by default
SOURCES = Path(__file__).parent

logger = logging.getLogger(__name__)

LOSSES = ("bce", "mse", "least-squares", "bpr")
PHASES = ("find", "look up", "forward", "loss", "backward", "pass on", "finish")


class Parameter(ctypes.Structure):
    """See interface.hpp, as for all structures here."""

    _fields_ = (
        ("value", c_void_p),
        ("mean", c_void_p),
        ("square", c_void_p),
        ("size", c_int64),
        ("trained", c_int64),
    )


class Layer(ctypes.Structure):
    """Weight and bias of a layer of the tower."""

    _fields_ = (("weight", Parameter), ("bias", Parameter))


class Optimizer(ctypes.Structure):
    """Constants of Adam; all zeros for SGD."""

    _fields_ = (("beta1", c_double), ("beta2", c_double), ("eps", c_double), ("adam", c_int64))


class Rates(ctypes.Structure):
    """What changes from step to step."""

    _fields_ = (("rate", c_double), ("correction", c_double), ("decay", c_double))


class Config(ctypes.Structure):
    """The model, its parameters, and how they are trained."""

    _fields_ = (
        ("num_users", c_int64),
        ("num_items", c_int64),
        ("gmf_dim", c_int64),
        ("num_layers", c_int64),
        ("widths", ctypes.POINTER(c_int64)),
        *((f"gmf_{name}", Parameter) for name in ("users", "items", "head", "bias")),
        *((f"mlp_{name}", Parameter) for name in ("users", "items", "head", "bias")),
        ("layers", ctypes.POINTER(Layer)),
        ("optimizer", Optimizer),
        ("loss", c_int64),
        ("dense", c_int64),
        ("dropout", c_double),
        ("l2_samples", c_double),
        ("l2_tables", c_double),
        ("positives", c_int64),
        ("group_size", c_int64),
        ("threads", c_int64),
    )


class Pair(ctypes.Structure):
    """A positive."""

    _fields_ = (("user", c_int32), ("item", c_int32))


class Seen(ctypes.Structure):
    """The items that each user has seen."""

    _fields_ = (("below", c_void_p), ("offsets", c_void_p), ("num_items", c_int64))


class _Entry(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("offset", c_int64), ("size", c_int64))


STRUCTURES: tuple[type[ctypes.Structure], ...] = (Parameter, Layer, Optimizer, Rates, Config, Pair, Seen)
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {  # result and arguments
    "ncf_layout": (ctypes.POINTER(_Entry), []),
    "ncf_create": (c_void_p, [ctypes.POINTER(Config)]),
    "ncf_restart": (None, [c_void_p, c_int64]),
    "ncf_run": (c_double, [c_void_p, c_int64, *6 * [c_void_p]]),
    "ncf_finish": (None, [c_void_p]),
    "ncf_seconds": (ctypes.POINTER(c_double * len(PHASES)), [c_void_p]),
    "ncf_free": (None, [c_void_p]),
    "ncf_use_large_pages": (None, [c_void_p, c_int64]),
    "ncf_draw": (
        None,
        [ctypes.POINTER(Seen), c_void_p, c_void_p, c_int64, c_uint64, c_int64, c_int64, c_void_p, c_void_p],
    ),
}


def compiler() -> str:
    """The C++ compiler: the one that CXX names, or else the first on the PATH.

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
    """The compiled steps. They are compiled once for each kind of processor, compiler and version of the sources.

    Raises:
        ConfigError: there is no compiler, it fails, the cache can't be written to, or the library does not match.
    """
    program = compiler()
    flags = [
        *FLAGS,
        f"-march={os.environ.get(ARCH_VARIABLE, 'native')}",
        *(WIDE if platform.machine() in ("x86_64", "AMD64") else ()),
    ]
    # the compiler's own macros name its version and the processor: several machines can share a home folder
    macros = _run([program, *flags, "-dM", "-E", "-x", "c++", os.devnull])
    texts = [path.read_text(encoding="utf-8") for path in sorted(SOURCES.glob("*.[ch]pp"))]
    name = hashlib.sha256("\0".join([macros, *flags, *texts]).encode()).hexdigest()[:16]
    path = cache_dir() / "native" / f"{name}.so"
    try:
        if not path.exists():
            logger.info("compiling the training steps for this processor, once")
            began = time.perf_counter()
            with new_file(path) as building:
                _run([program, *flags, "-o", str(building), *map(str, sorted(SOURCES.glob("*.cpp")))])
            logger.info("compiled in %.0f s, and kept in %s", time.perf_counter() - began, path.parent)
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise ConfigError(
            f"the compiled step can't be kept or loaded ({error})",
            got=str(path),
            allowed="a folder that can be written to, on a disk that may hold programs",
            do="set NCF_CACHE_DIR to one, or train with compile off",
        ) from error
    for function, (result, arguments) in FUNCTIONS.items():
        getattr(loaded, function).restype, getattr(loaded, function).argtypes = result, arguments
    _check_layout(loaded, path)
    return loaded


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(
            "the C++ compiler failed",
            got=" ".join(command),
            allowed="GCC 9 or Clang 12, or newer",
            do=f"train with compile off, or fix this: {done.stderr.strip()[-500:]}",
        )
    return done.stdout


def _check_layout(loaded: ctypes.CDLL, path: Path) -> None:
    """Refuse a library whose structures differ from those above: it would read and write the wrong memory."""
    compiled: dict[str, tuple[int, int]] = {}
    for entry in loaded.ncf_layout():  # a pointer has no end; the last entry has no name
        if entry.name is None:
            break
        compiled[entry.name.decode()] = (entry.offset, entry.size)
    declared = _layout()
    different = [name for name in (declared | compiled) if declared.get(name) != compiled.get(name)]
    if different:
        raise ConfigError(
            "the C++ and the Python half of the training step have different structures; "
            f"(offset, size) of {different[0]} in C++",
            got=compiled.get(different[0], "missing"),
            allowed=f"as in Python, {declared.get(different[0], 'missing')}",
            do=f"make interface.hpp and library.py in {SOURCES} agree, or install ncf again; then delete {path}",
        )


def _layout() -> dict[str, tuple[int, int]]:
    """Offset and size of every structure and field, and the value of every enumerator, by name."""
    layout = {f"loss {name}": (value, 0) for value, name in enumerate(LOSSES)}
    layout |= {f"phase {name}": (value, 0) for value, name in enumerate(PHASES)}
    for structure in STRUCTURES:
        layout[structure.__name__] = (0, ctypes.sizeof(structure))
        for name, *_ in structure._fields_:
            field = getattr(structure, name)
            layout[f"{structure.__name__}.{name}"] = (field.offset, field.size)
    return layout
