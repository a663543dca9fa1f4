"""Pieces of configurations, and how they are checked."""

from pathlib import Path

from click.testing import CliRunner, Result

from daemon.main import main

SHIPPED = Path(__file__).parents[3] / "config" / "pinwheel.toml"
MODEM = '[[modem]]\nname = "sim1"\nport = "{dir}/port"\n'
TRUNK = '[voice]\ndriver = "pyvoip"\nserver = "192.0.2.1"\n'
LOCAL = '[voice]\ndriver = "pyvoip"\nserver = "127.0.0.2"\nbind = "127.0.0.1:0"\n'
ACCOUNT = '[[account]]\nkey = "abcd"\nsecret_file = "{dir}/secret"\n'
TCP = '[api]\ntcp = "127.0.0.1:8790"\n'
FOREIGN = '[api]\ntcp = "192.0.2.77:8790"\ntls_cert = "{dir}/cert.pem"\ntls_key = "{dir}/key.pem"\n'


def written(folder: Path, toml: str, name: str = "pinwheel.toml") -> Path:
    path = folder / name
    path.write_text(toml.replace("{dir}", str(folder)))
    return path


def check_config(path: Path) -> Result:
    return CliRunner().invoke(main, ["--config", str(path), "--check-config"])


def store(url: str) -> str:
    return f'[store]\nurl = "{url}"\n'
