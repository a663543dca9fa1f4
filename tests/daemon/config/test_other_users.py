"""A configuration that is checked for another user than who checks it."""

import grp
import os
import pwd
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.config import inspect
from daemon.main import main
from daemon.operations.check_config import check
from tests.daemon.config.checking import ACCOUNT, LOCAL, MODEM, TCP, check_config, written


def as_nobody(act: Callable[[], bool], output: Path) -> str:
    """What the check prints as the user nobody: in a process of its own, which cannot go back."""
    with output.open("w") as file:
        pid = os.fork()
        if pid == 0:
            sys.stdout = sys.stderr = file
            done = act()
            file.flush()
            os._exit(0 if done else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    return output.read_text()


ROOTS = (
    # There used to be a remedy that gave /etc or /run to the daemon.
    (
        '[store]\nurl = "sqlite:////etc/p.db"\n',
        "[store] url: the user nobody may not write in /etc; name a path in a directory of its own, made by: "
        "install -d -o nobody -m 750 /etc/pinwheel",
    ),
    ('[api]\nsocket = "/run/own.sock"\n', "may not write in /run; name a path in a directory of its own"),
    # There used to be a traceback for a database in a directory that its user may not enter.
    ('[store]\nurl = "sqlite:///{dir}/closed/p.db"\n', "[store] url: the user nobody may not enter {dir}/closed; name"),
    ('[store]\nurl = "sqlite:///{dir}/closed/a/p.db"\n', "[store] url: the user nobody may not enter {dir}/closed"),
    ('[api]\nsocket = "{dir}/closed/own.sock"\n', "[api] socket: the user nobody may not enter {dir}/closed; name"),
    ('[security]\nkey_file = "{dir}/closed/key"\n', "[security] key_file: cannot read the master key {dir}/closed/key"),
    # There used to be no check of state_file.
    (LOCAL + 'state_file = "{dir}/voice.json"\n', "[voice] state_file: the user nobody may not write in {dir}; name"),
    (LOCAL + 'state_file = "{dir}/closed/v.json"\n', "[voice] state_file: the user nobody may not enter {dir}/closed"),
    ('[store]\nurl = "sqlite:///{dir}/p.db"\n', "[store] url: the user nobody may not write in {dir}"),
    ('[store]\nurl = "sqlite:///{dir}/deep/er/p.db"\n', "[store] url: the user nobody may not make {dir}/deep/er"),
    ('[api]\nsocket = "{dir}/own.sock"\n', "[api] socket: the user nobody may not write in {dir}"),
    (TCP + ACCOUNT, "[[account]] number 1 secret_file: the user nobody may not read {dir}/secret; run: chgrp pinwheel"),
    # There used to be "restore it, or correct the path" for a key that a restore had left to root.
    ('[security]\nkey_file = "{dir}/secret"\n', "run: chown nobody {dir}/secret && chmod 600 {dir}/secret"),
    ('[store]\nurl = "sqlite:///{dir}/theirs/p.db"\n', "run: chown nobody {dir}/theirs/key && chmod 600"),
    # There used to be a chown to the user whose file it is already.
    ('[store]\nurl = "sqlite:///{dir}/theirs/own.db"\n', "{dir}/theirs/own.db; run: chmod u+rw {dir}/theirs/own.db"),
    (
        '[prompts]\ndirectory = "{dir}/closed"\n',
        "[prompts] directory: the user nobody may not read {dir}/closed; run: chmod -R",
    ),
    # There used to be "usermod -aG dialout", which helps at no port that the group may not open either.
    (
        '[[modem]]\nname = "a"\nport = "{dir}/tty"\n',
        "the user nobody may not open {dir}/tty; run: pinwheel setup, which",
    ),
    ('[[modem]]\nname = "a"\nport = "{dir}/tty2"\n', "run: pinwheel setup, which writes a udev rule"),
)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
@pytest.mark.parametrize(("toml", "told"), ROOTS)
def test_root_checks_with_the_rights_of_the_daemons_user(
    public_path: Path, tmp_path: Path, toml: str, told: str
) -> None:
    (public_path / "secret").write_text("s3cret")
    (public_path / "secret").chmod(0o600)
    (public_path / "closed").mkdir(mode=0o700)
    (public_path / "theirs").mkdir()
    (public_path / "theirs").chmod(0o777)
    (public_path / "theirs" / "key").touch(mode=0o600)
    (public_path / "theirs" / "own.db").touch(mode=0o400)
    os.chown(public_path / "theirs" / "own.db", pwd.getpwnam("nobody").pw_uid, -1)
    for name, mode, group in (("tty", 0o600, 0), ("tty2", 0o660, 54321)):
        os.mknod(public_path / name, stat.S_IFCHR | mode, os.makedev(1, 3))
        os.chown(public_path / name, 0, group)
        (public_path / name).chmod(mode)
    path = written(public_path, toml)
    inspect(path)  # imports what is imported late: nobody may not read a checkout that is ours alone
    assert told.replace("{dir}", str(public_path)) in as_nobody(lambda: check(path, "nobody"), tmp_path / "told")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_a_file_that_the_user_may_not_read_has_the_remedy(public_path: Path, tmp_path: Path) -> None:
    """There used to be "name another file with --config", which helps nobody whose editor has changed the owner."""
    path = written(public_path, MODEM)
    path.chmod(0o600)
    told = as_nobody(lambda: check(path, "nobody"), tmp_path / "told")
    assert f"the user nobody may not read {path}; run: chgrp pinwheel {path} && chmod 640 {path}" in told


def test_a_file_that_members_of_the_group_may_write_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may use the socket could run commands as the daemon (power_cycle), and read its key."""
    path = written(place, MODEM, "group.toml")
    monkeypatch.setattr("drivers.checks.GROUP", grp.getgrgid(path.stat().st_gid).gr_name)
    for mode, said in ((0o660, True), (0o640, False)):
        path.chmod(mode)
        assert (f"may write {path}, and so run commands" in check_config(path).output) is said


def test_a_file_that_everybody_may_write_is_a_mistake(place: Path) -> None:
    """There used to be a "good" for a file in which any user of the machine could put a command (power_cycle)."""
    path = written(place, MODEM, "open.toml")
    path.chmod(0o666)
    done = check_config(path)
    assert (
        done.exit_code,
        f"its mode: every user of this machine may write {path}; run: chmod o-w" in done.output,
    ) == (
        1,
        True,
    )


def test_an_unknown_user_is_a_usage_error(place: Path) -> None:
    arguments = ["--config", str(written(place, MODEM)), "--check-config", "--user", "nobody-of-this-name"]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, "there is no user" in done.output) == (2, True)
