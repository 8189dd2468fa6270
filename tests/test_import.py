"""``import eeginv`` is light, and makes torchaudio, hence Braindecode, importable anywhere."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import eeginv

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ["braindecode", "matplotlib", "mne", "pandas", "scipy", "sklearn", "skorch", "torch"]

FAILURES = {
    "cannot load": "raise OSError('libcudart.so.13: cannot open shared object file')",
    "other CUDA": "raise RuntimeError('compiled with different CUDA versions')",
    "half-way": "_check_cuda_version = None\nraise ImportError('Failed to load libtorchaudio')",
    "no message": "raise OSError",
}

# What torchaudio asks of its extension: 2.9 and later, then the names of earlier versions.
USER_OF_THE_EXTENSION = """
    from . import _extension
    from ._extension import _IS_TORCHAUDIO_EXT_AVAILABLE, _IS_ALIGN_AVAILABLE
    from ._extension import _check_cuda_version, _load_lib, fail_if_no_align
    from ._extension import _IS_RIR_AVAILABLE, fail_if_no_rir
    from ._extension.utils import marker

    sox = _extension.lazy_import_sox_ext()

    @fail_if_no_align
    def forced_align(emission):
        return "aligned"
"""


def run_python(code, path=None, *options):
    """Run code in a fresh interpreter and return what it printed; fail with its errors."""
    lines = [] if path is None else [f"import sys; sys.path.insert(0, {str(path)!r})"]
    script = "\n".join([*lines, textwrap.dedent(code)])
    command = [sys.executable, *options, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(done.stderr)
    return done.stdout.strip()


@pytest.fixture
def fake_torchaudio(tmp_path):
    """Return a function that writes a package named torchaudio with a given extension."""

    def write(extension, package=USER_OF_THE_EXTENSION):
        folder = tmp_path / "torchaudio" / "_extension"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text(textwrap.dedent(package))
        (folder / "__init__.py").write_text(textwrap.dedent(extension))
        (folder / "utils.py").write_text("marker = 'utils'\n")
        return tmp_path

    return write


def test_import_loads_nothing_heavy():
    loaded = run_python(
        f"""
        import sys
        import eeginv
        print(sorted(set({HEAVY!r}) & set(sys.modules)))
        """
    )
    assert loaded == "[]"


@pytest.mark.parametrize("name", eeginv.__all__)
def test_public_name_resolves(name):
    assert name in dir(eeginv)
    assert getattr(eeginv, name) is not None


def test_version_is_a_version():
    assert [part.isdigit() for part in eeginv.__version__.split(".")[:2]] == [True, True]


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        eeginv.no_such_name  # noqa: B018


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_extension_that_fails_is_said_to_be_unavailable(fake_torchaudio, failure):
    path = fake_torchaudio(failure)
    printed = run_python(
        """
        import warnings
        import eeginv

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import torchaudio

        extension = torchaudio._extension
        assert extension._IS_TORCHAUDIO_EXT_AVAILABLE is False
        assert extension._IS_ALIGN_AVAILABLE is False
        assert torchaudio._IS_RIR_AVAILABLE is False
        assert extension._check_cuda_version() is None
        assert extension._load_lib("torchaudio_prefixctc") is False
        assert torchaudio.sox.is_available() is False
        assert torchaudio.marker == "utils"
        assert not hasattr(extension, "something_else")
        try:
            torchaudio.forced_align(None)
        except RuntimeError as error:
            assert "torchaudio.forced_align needs the compiled extension" in str(error)
        else:
            raise SystemExit("forced_align ran")

        (warning,) = caught
        assert warning.category is eeginv.exceptions.TorchaudioExtensionWarning
        assert warning.filename == torchaudio.__file__
        print(warning.message)
        """,
        path,
    )
    assert "runs without it" in printed
    assert "FilterBankLayer" in printed
    assert "\n" not in printed


def test_warning_comes_once_in_a_process(fake_torchaudio):
    path = fake_torchaudio("raise OSError('no')")
    printed = run_python(
        """
        import importlib
        import sys
        import warnings
        import eeginv

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import torchaudio
            importlib.reload(torchaudio._extension)
            importlib.reload(torchaudio)
            importlib.reload(eeginv._torchaudio_hook)
            importlib.reload(eeginv)
            importlib.reload(torchaudio._extension)
            for name in [name for name in sys.modules if name.startswith("torchaudio")]:
                del sys.modules[name]
            import torchaudio
        assert torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE is False
        print(len(caught))
        """,
        path,
    )
    assert printed == "1"


def test_import_that_failed_before_eeginv_works_after(fake_torchaudio):
    path = fake_torchaudio("raise OSError('no')")
    printed = run_python(
        """
        try:
            import torchaudio
        except OSError:
            print("failed")
        import eeginv
        import torchaudio
        print(torchaudio._IS_TORCHAUDIO_EXT_AVAILABLE)
        """,
        path,
    )
    assert printed.split() == ["failed", "False"]


def test_extension_that_loads_is_untouched(fake_torchaudio):
    path = fake_torchaudio("_IS_TORCHAUDIO_EXT_AVAILABLE = True", "from . import _extension")
    code = """
        import torchaudio
        extension = torchaudio._extension
        names = {name: value for name, value in vars(extension).items() if name[:2] != "__"}
        print(sorted(names.items()))
        print(sorted(vars(extension)))
        print(type(extension.__loader__), type(extension.__spec__.loader))
        print(extension.__file__, extension.__spec__.origin, extension.__path__)
        """
    with_hook = run_python("import eeginv\n" + textwrap.dedent(code), path, "-W", "error")
    assert with_hook == run_python(code, path)
    assert "('_IS_TORCHAUDIO_EXT_AVAILABLE', True)" in with_hook


def test_extension_that_loads_at_a_reload_forgets_the_answer(fake_torchaudio):
    path = fake_torchaudio("import os\nos.environ['FAKE_EXTENSION']\n", "from . import _extension")
    run_python(
        """
        import importlib
        import os
        import eeginv
        import torchaudio._extension as extension
        assert extension._IS_ALIGN_AVAILABLE is False
        os.environ["FAKE_EXTENSION"] = "here"
        importlib.reload(extension)
        assert not hasattr(extension, "_IS_SOMETHING_AVAILABLE")
        assert not hasattr(extension, "_load_lib")
        """,
        path,
    )


def test_errors_elsewhere_in_torchaudio_are_not_hidden(fake_torchaudio):
    path = fake_torchaudio("", "raise OSError('the package itself')")
    printed = run_python(
        """
        import eeginv
        try:
            import torchaudio
        except OSError as error:
            print(error)
        """,
        path,
    )
    assert printed == "the package itself"


def test_without_torchaudio_nothing_happens(tmp_path):
    # The standard library only: no site-packages, so no torchaudio.
    (tmp_path / "lazy_loader.py").write_text(
        "def attach(*args, **kwargs):\n    return None, lambda: [], []\n"
    )
    printed = run_python(
        f"""
        import sys
        sys.path.append({str(ROOT)!r})
        import eeginv
        try:
            import torchaudio
        except ModuleNotFoundError as error:
            print(error.name)
        """,
        tmp_path,
        "-S",
        "-W",
        "error",
    )
    assert printed == "torchaudio"


def test_installed_once():
    printed = run_python(
        """
        import importlib
        import sys
        import eeginv
        eeginv._torchaudio_hook.install()
        importlib.reload(eeginv)
        importlib.reload(eeginv._torchaudio_hook).install()
        print([type(finder).__name__ for finder in sys.meta_path].count("_ExtensionFinder"))
        """
    )
    assert printed == "1"


def test_braindecode_imports_after_eeginv():
    printed = run_python(
        """
        import eeginv
        import braindecode
        import torch
        import torchaudio

        # Used by Braindecode's filter banks and spectral models.
        noise = torch.ones(1, 2, 100, requires_grad=True)
        torchaudio.functional.convolve(noise, torch.ones(1, 2, 5)).sum().backward()
        torchaudio.transforms.Spectrogram(n_fft=20)(noise).sum().backward()
        import torchaudio._extension.utils
        print(braindecode.__name__)
        """
    )
    assert printed == "braindecode"


@pytest.mark.parametrize(
    "call",
    [
        "eeginv.estimators.backbone.build_backbone(\n"
        "    'ShallowFBCSPNet', n_chans=2, n_times=200, n_outputs=2, sfreq=100)",
        "eeginv.simulate_sleep(n_subjects=1, hours=0.25, sfreq=64, random_state=0)",
    ],
    ids=["backbone", "nights"],
)
def test_loading_braindecode_brings_no_warnings_of_others(call):
    printed = run_python(
        f"""
        import warnings
        import eeginv

        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            import eeginv.estimators.backbone
            exec({call!r})
        print("quiet")
        """
    )
    assert printed == "quiet"
