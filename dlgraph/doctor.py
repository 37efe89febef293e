"""`dlgraph doctor`: is everything here that the lessons need, and what repairs it if not.

Each check is a function that returns rows; one that fails says so in its row and stops no other.
Nothing is downloaded or changed.  Which packages belong to the lessons is read from the installed
package's own metadata, so it stands in `pyproject.toml` only.
"""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.metadata as metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlgraph._version import __version__

INSTALL = 'pip install "dlgraph[lab]"'
LESSON_EXTRAS = ("", "data", "lab")  # "" stands for what dlgraph itself needs
LOW_DISK = 2**30
"""Bytes; the lessons and their data need far less, pip's unpacking needs about this much."""


@dataclass(frozen=True)
class Check:
    """One row of the report.

    `status` is "ok"; "missing" for something that the lessons can do without; or "broken" for
    something that they need.  `repair` is what to do about it.
    """

    name: str
    status: str
    detail: str
    repair: str = ""

    def __str__(self) -> str:
        row = f"{self.status:<9}{self.name:<18}{self.detail}"
        return f"{row}\n{'':<9}{'':<18}repair: {self.repair}" if self.repair else row


def main(as_json: bool = False) -> int:
    """Print the report; the exit status is 1 if something that the lessons need is broken."""
    checks = examine()
    broken = [check.name for check in checks if check.status == "broken"]
    if as_json:
        rows = [dataclasses.asdict(check) for check in checks]
        print(json.dumps({"ok": not broken, "checks": rows}, indent=1))
    else:
        print(*checks, sep="\n")
        print(_which_python(checks))
        print(f"to repair: {', '.join(broken)}" if broken else "The lessons have what they need.")
    return 1 if broken else 0


def _which_python(checks: list[Check]) -> str:
    """A line on what `pip` and `python` stand for, where the shell has others or none."""
    named = any(check.repair.startswith(("pip ", "python ")) for check in checks)
    first = shutil.which("python")
    here = Path(sys.executable)
    if not named or (first is not None and Path(first).parent == here.parent):
        return ""
    program = f'"{here}"' if " " in str(here) else here
    return f"\nhere python is {program}, and pip: {program} -m pip\n"


def examine() -> list[Check]:
    """Run every check, in the order in which a person would look.

    >>> from dlgraph import doctor
    >>> [check.status for check in doctor.examine() if check.name in ("Python", "numpy")]
    ['ok', 'ok']
    """
    checks: list[Check] = []
    for name, needed, examine_part in PARTS:
        try:
            checks += examine_part()
        except Exception as error:  # a broken package can raise anything while it is imported
            status = "broken" if needed else "missing"
            checks.append(Check(name, status, f"{type(error).__name__}: {error}"))
    return checks


def _python() -> list[Check]:
    detail = f"{platform.python_version()}  {sys.executable}"
    return [Check("Python", "ok", detail)]


def _dlgraph() -> list[Check]:
    folder = Path(__file__).resolve().parent
    detail = f"{__version__}  {folder}"
    try:
        installed = metadata.version("dlgraph")
    except metadata.PackageNotFoundError:
        where = f"not installed, only imported from {folder}"
        return [Check("dlgraph", "broken", where, f'pip install -e "{folder.parent}[lab]"')]
    if installed != __version__:
        repair = "pip install it again from the same place"
        return [Check("dlgraph", "broken", f"{detail}, but installed as {installed}", repair)]
    return [Check("dlgraph", "ok", detail)]


def _packages() -> list[Check]:
    checks = []
    for name, wanted in lesson_packages():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            checks.append(Check(name, "broken", "not installed", INSTALL))
            continue
        if _in_range(version, wanted):
            checks.append(Check(name, "ok", version))
        else:
            checks.append(Check(name, "broken", f"{version}, needed is {wanted}", INSTALL))
    return checks


def lesson_packages() -> list[tuple[str, str]]:
    """Name and version range of each package that the lessons need, from dlgraph's metadata.

    >>> from dlgraph.doctor import lesson_packages
    >>> dict(lesson_packages())["numpy"]
    '<3,>=2.0'
    """
    packages = {}  # a package of the extra `data` is listed for `lab` as well
    for line in metadata.requires("dlgraph") or []:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        found = re.match(r"\s*([\w.-]+)\s*(?:\[[^]]*\])?\s*\(?([^)]*)", requirement)
        if found and found[1] != "dlgraph" and (extra[1] if extra else "") in LESSON_EXTRAS:
            packages[found[1]] = found[2].strip()
    return sorted(packages.items(), key=lambda package: (package[0] != "numpy", package[0]))


def _in_range(version: str, wanted: str) -> bool:
    if importlib.util.find_spec("packaging") is None:  # comes with JupyterLab, missing without it
        return True
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)


def _kernel() -> list[Check]:
    # A kernel of the same name that another Python registered is why "No module named dlgraph"
    # appears in a notebook although the import works in the terminal.
    if importlib.util.find_spec("jupyter_client") is None:
        return [Check("kernel python3", "broken", "Jupyter is not installed", INSTALL)]
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("python3")
    program = spec.argv[0]
    if os.path.isabs(program) and Path(program).parent != Path(sys.executable).parent:
        detail = f"notebooks would run {program}, where dlgraph may not be installed"
        return [Check("kernel python3", "broken", detail, f"remove {spec.resource_dir}")]
    return [Check("kernel python3", "ok", "notebooks run this Python")]


def _runtime() -> list[Check]:
    # Without it JupyterLab ends at once: a home that is full, or may only be read.
    if importlib.util.find_spec("jupyter_core") is None:
        return []
    from jupyter_core.paths import jupyter_runtime_dir

    folder = Path(jupyter_runtime_dir())
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there):
            return []
    except OSError as error:
        detail = f"Jupyter cannot write to {folder}: {error.strerror}"
        repair = "set JUPYTER_RUNTIME_DIR to a folder that you can write to"
        return [Check("Jupyter's files", "broken", detail, repair)]


def _widgets() -> list[Check]:
    if importlib.util.find_spec("jupyter_core") is None:
        return [Check("widgets", "broken", "Jupyter is not installed", INSTALL)]
    from jupyter_core.paths import jupyter_config_path, jupyter_path

    disabled: set[str] = set()
    for folder in jupyter_config_path():
        page = Path(folder, "labconfig", "page_config.json")
        if page.is_file():
            listed = json.loads(page.read_text(encoding="utf-8")).get("disabledExtensions", {})
            off = listed.items() if isinstance(listed, dict) else ((name, True) for name in listed)
            disabled |= {name for name, is_off in off if is_off}
    folders = jupyter_path("labextensions")
    checks = []
    for label, extension in (
        ("widgets", "@jupyter-widgets/jupyterlab-manager"),
        ("widgets (any)", "anywidget"),
    ):
        files = (Path(folder, extension, "package.json") for folder in folders)
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            detail = f"JupyterLab does not find {extension}"
            repair = 'pip install --force-reinstall "jupyterlab_widgets" "anywidget"'
            checks.append(Check(label, "broken", detail, repair))
        elif extension in disabled:
            repair = f"jupyter labextension enable {extension}"
            checks.append(Check(label, "broken", f"{extension} is switched off", repair))
        else:
            version = json.loads(found.read_text(encoding="utf-8"))["version"]
            checks.append(Check(label, "ok", f"JupyterLab loads {extension} {version}"))
    return checks


def _blas() -> list[Check]:
    from dlgraph.executors.threads import SMALL

    chosen = ", ".join(
        f"{name}={os.environ[name]}"
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        if os.environ.get(name)
    )
    note = chosen or "`dlgraph lab` sets one thread, the fastest for small arrays"
    note += f"; a Session takes one thread below {SMALL / 1e6:.0f} MFLOP and measures above"
    import numpy  # before threadpoolctl looks: it sees only libraries that are loaded

    if importlib.util.find_spec("threadpoolctl") is not None:
        from threadpoolctl import threadpool_info

        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        if pools:
            text = "; ".join(
                f"{pool['internal_api']} {pool['version']}"
                f"{_made_for(pool.get('architecture'))}, {pool['num_threads']} thread(s)"
                for pool in pools
            )
            return [Check("BLAS", "ok", f"{text}  ({note})", _held_back())]
    build = numpy.show_config(mode="dicts")
    blas = build["Build Dependencies"]["blas"]
    return [Check("BLAS", "ok", f"{blas['name']} {blas['version']}  ({note})")]


def _made_for(architecture: str | None) -> str:
    return f" for {architecture}" if architecture else ""


def _held_back() -> str:
    # Products of an MLP took one and a half times as long with the kernels of an older processor.
    chosen = os.environ.get("OPENBLAS_CORETYPE")
    if not chosen:
        return ""
    return f"unset OPENBLAS_CORETYPE ({chosen}): OpenBLAS itself finds what suits the processor"


def _gpu() -> list[Check]:
    driver = cuda_of_driver()
    if driver is None:
        return [Check("GPU", "missing", "no NVIDIA driver: everything runs on the CPU")]
    text = f"driver for CUDA {driver[0]}.{driver[1]}"
    if importlib.util.find_spec("cupy") is None:
        extra = "cuda13" if driver >= (13, 0) else "cuda12"
        return [Check("GPU", "missing", f"{text}, no CuPy", f'pip install "dlgraph[{extra}]"')]
    try:
        import cupy

        names = [
            cupy.cuda.runtime.getDeviceProperties(device)["name"].decode()
            for device in range(cupy.cuda.runtime.getDeviceCount())
        ]
        works = int((cupy.ones((2, 2)) @ cupy.ones((2, 2))).sum()) == 8  # compiles, runs, cuBLAS
    except Exception as error:  # most often libraries of CUDA that are not there
        package = f"cupy-cuda{driver[0]}x[ctk]"
        detail = f"{text}, but CuPy fails: {type(error).__name__}: {error}"
        return [Check("GPU", "missing", detail, f'pip install "{package}" brings its libraries')]
    detail = f"{', '.join(names)}; {text}; CuPy {cupy.__version__}"
    return [Check("GPU", "ok" if works else "missing", detail)]


def cuda_of_driver() -> tuple[int, int] | None:
    """The newest CUDA version that this machine's NVIDIA driver can run, None without a driver."""
    for library in ("libcuda.so.1", "nvcuda.dll"):
        try:
            cuda = ctypes.CDLL(library)
        except OSError:
            continue
        number = ctypes.c_int()
        if cuda.cuDriverGetVersion(ctypes.byref(number)) == 0 and number.value:
            return number.value // 1000, number.value % 1000 // 10
    return None


def _data() -> list[Check]:
    from dlgraph.data.catalogue import RECORDS, sum_of
    from dlgraph.data.places import VARIABLE, locate

    checks = []
    for key, record in RECORDS.items():
        places = locate(key)
        place = next((place for place in places if place.complete), None)
        partial = next((p for p in places if p.found and p.source == VARIABLE), None)
        if place is None and partial is not None:
            detail = f"{partial.folder} lacks {', '.join(partial.missing)}"
            repair = "copy the missing files there, or move the others away"
            checks.append(Check(record.name, "broken", detail, repair))
        elif place is None:
            detail = "not here: no lesson needs it"
            if key == "mnist":
                detail = "not here: without it and without a network, lessons use digits instead"
            repair = f'python -c "import dlgraph as dg; {record.call}()" downloads it once'
            checks.append(Check(record.name, "missing", detail, repair))
        else:
            files = [(place.found[file.name], file) for file in record.files]
            bad = [path.name for path, file in files if sum_of(path) != file.expected(path)]
            if bad:
                detail = f"{place.folder}: damaged: {', '.join(bad)}"
                checks.append(Check(record.name, "broken", detail, "delete or replace them"))
            else:
                checks.append(Check(record.name, "ok", f"{place}, checksums right"))
    return checks


def _disk() -> list[Check]:
    from dlgraph.passes.cost import show_bytes

    folder = Path.cwd()
    free = shutil.disk_usage(folder).free
    detail = f"{show_bytes(free)} free in {folder}"
    if free < LOW_DISK:
        return [Check("disk", "missing", detail, "free some space before you install or save")]
    return [Check("disk", "ok", detail)]


PARTS: list[tuple[str, bool, Callable[[], list[Check]]]] = [
    ("Python", True, _python),
    ("dlgraph", True, _dlgraph),
    ("packages", True, _packages),
    ("kernel python3", True, _kernel),
    ("Jupyter's files", True, _runtime),
    ("widgets", True, _widgets),
    ("BLAS", False, _blas),
    ("GPU", False, _gpu),
    ("data", True, _data),
    ("disk", False, _disk),
]
