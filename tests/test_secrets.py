from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sitiv_infra.errors import InvalidInput, NotObserved
from sitiv_infra.messages import Language
from sitiv_infra.secrets import Secrets, variable_of

WORD = "correct-horse-battery"


def file_of(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secrets.yml"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_secret_comes_from_the_environment_before_the_file(tmp_path: Path) -> None:
    file = file_of(tmp_path, f"ad-corbas: {WORD}\nad-givors: no\n")
    secrets = Secrets(file, {"SITIV_SECRET_AD_CORBAS": "from-the-environment"})
    assert secrets.get("ad-corbas") == "from-the-environment"
    assert secrets.get("ad-givors") == "no"


def test_a_missing_secret_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(NotObserved, match="set SITIV_SECRET_AD_CORBAS, or use --secrets FILE"):
        Secrets(None, {}).get("ad-corbas")
    file = file_of(tmp_path, "other: x\n")
    with pytest.raises(NotObserved, match=r"SITIV_SECRET_AD_CORBAS, or that key in .*secrets\.yml"):
        Secrets(file, {}).get("ad-corbas")
    for folder in (None, file):
        with pytest.raises(NotObserved) as caught:
            Secrets(folder, {}).get("ad-corbas")
        told = Language("fr").cause(str(caught.value))
        assert told.startswith("pas de secret")
        assert " or " not in told
    with pytest.raises(NotObserved, match="no credential is declared"):
        Secrets(None, {}).get(None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(InvalidInput, match="chmod 600"):
        Secrets(file_of(tmp_path, "a: b", mode))


@pytest.mark.parametrize("text", [f"a: [{WORD}", f"- {WORD}", f"a: {{b: {WORD}}}", f"{WORD}"])
def test_a_wrong_file_is_refused_without_its_content(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Secrets(file_of(tmp_path, text))
    assert WORD not in str(caught.value)
    assert "secrets.yml" in str(caught.value)


@pytest.mark.parametrize("raw", [b"\xff\xfe\x80 ", b"a: \x00", b"a: *x", b"? [a, b]\n: c\n"])
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, raw: bytes) -> None:
    file = file_of(tmp_path, "")
    file.write_bytes(raw)
    with pytest.raises(InvalidInput, match=r"secrets\.yml"):
        Secrets(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        Secrets(tmp_path / "none.yml")


def test_known_secrets_are_wiped_from_texts(tmp_path: Path) -> None:
    secrets = Secrets(file_of(tmp_path, f"a: {WORD}"), {"SITIV_SECRET_B": f"{WORD}-longer"})
    assert secrets.scrub(f"bind {WORD}-longer then {WORD}") == "bind *** then ***"
    assert WORD not in repr(secrets)


def test_a_vault_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    password = tmp_path / "password"
    password.write_text("vault-password")
    password.chmod(0o600)
    file = file_of(tmp_path, f"ad-corbas: {WORD}\n")
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    subprocess.run([bin_folder / "ansible-vault", "encrypt", file], check=True, capture_output=True)
    file.chmod(0o644)
    assert Secrets(file, {}).get("ad-corbas") == WORD
    password.write_text("another")
    with pytest.raises(InvalidInput, match="ansible-vault could not open it"):
        Secrets(file, {})


def test_names_become_variables() -> None:
    assert variable_of("s3-audit.a") == "SITIV_SECRET_S3_AUDIT_A"
