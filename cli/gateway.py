"""`affiant gateway`: serve predictions, and the keys of those who may ask."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from audit.config import ENVIRONMENT, Config, load
from audit.errors import AuditError, ConfigError
from service import auth
from service.settings import CLIENT_CERTIFICATE, GatewaySettings

from .options import ConfigOption
from .tables import problems

app = typer.Typer(invoke_without_command=True, help="Serve predictions.\n\nExample: affiant gateway")
keys = typer.Typer(no_args_is_help=True, help="API keys.\n\nExample: affiant gateway keys add scoring-batch")
app.add_typer(keys, name="keys")

SERVICE = "service.app:svc"


@app.callback()
def gateway(ctx: typer.Context, config: ConfigOption = None) -> None:
    """Serve the plan of affiant.toml until SIGTERM or Ctrl-C.

    Listens where [gateway] says, on the loopback unless API keys are configured. A stop answers and records
    what is in work first. `bentoml serve service.app:svc` with AFFIANT_CONFIG set starts the same.

    Example: affiant gateway --config affiant.toml
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = config
        return
    loaded = load(config)
    if found := problems(loaded):
        raise ConfigError("; ".join(found))
    settings = loaded.section("gateway", GatewaySettings)
    if settings.keys_file is not None:
        auth.read_keys(loaded.resolve(settings.keys_file))
    check_free(settings.host, settings.port)
    argv = command(loaded, settings)
    os.environ[ENVIRONMENT] = str(loaded.path)
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    os.execv(argv[0], argv)  # noqa: S606 — this process becomes the server: signals reach it directly


def check_free(host: str, port: int) -> None:
    """Said now, and not after half a minute by a server whose workers have all started.

    Raises:
        AuditError: something listens there, or this machine has not that address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as ours:
            ours.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as the server does: what has ended is no bar
            ours.bind(address)
    except OSError as error:
        raise AuditError(
            f"[gateway] {host}:{port}: {error.strerror}; end what listens there, or take another port"
        ) from error


def command(config: Config, settings: GatewaySettings) -> list[str]:
    """The command line of BentoML that serves these settings."""
    import service

    # The folder that holds our modules: whatever lies in the current directory MUST NOT take their place.
    home = Path(service.__file__).resolve().parent.parent
    argv = [sys.executable, "-P", "-m", "bentoml_cli.cli", "serve", SERVICE, "--working-dir", str(home)]
    argv += ["--host", settings.host, "--port", str(settings.port)]
    argv += ["--timeout-graceful-shutdown", str(round(settings.grace_seconds))]
    if settings.tls_certificate is not None and settings.tls_key is not None:
        argv += ["--ssl-certfile", str(config.resolve(settings.tls_certificate))]
        argv += ["--ssl-keyfile", str(config.resolve(settings.tls_key))]
    if settings.client_ca is not None:
        argv += ["--ssl-ca-certs", str(config.resolve(settings.client_ca))]
        argv += ["--ssl-cert-reqs", str(int(CLIENT_CERTIFICATE))]
    return argv


NameArgument = Annotated[str, typer.Argument(help="Whose key it is; never written into a record.")]


def keys_path(ctx: typer.Context) -> Path:
    """The keys file of the settings.

    Raises:
        ConfigError: none is configured.
    """
    config = load(ctx.obj)
    settings = config.section("gateway", GatewaySettings)
    if settings.keys_file is None:
        raise ConfigError(f'{config.path.name}: set [gateway] keys_file = "keys.json" first')
    return config.resolve(settings.keys_file)


@keys.command("add")
def add(ctx: typer.Context, name: NameArgument) -> None:
    """Make a key and print it, once: only its hash is kept. A running gateway follows within a second.

    Example: affiant gateway keys add scoring-batch
    """
    typer.echo(auth.add_key(keys_path(ctx), name))


@keys.command("remove")
def remove(ctx: typer.Context, name: NameArgument) -> None:
    """End a key, and with it the link between its owner and the pseudonym in the record.

    Example: affiant gateway keys remove scoring-batch
    """
    auth.remove_key(keys_path(ctx), name)
    typer.echo(f"the key of {name} is no longer answered")


@keys.command("list")
def list_(ctx: typer.Context) -> None:
    """Print names and the pseudonyms that stand in the record.

    Example: affiant gateway keys list
    """
    for name, caller in auth.list_keys(keys_path(ctx)):
        typer.echo(f"{caller}  {name}")
