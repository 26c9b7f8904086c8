"""`tapewire fault`: order a fault in a running sandbox by name, list what stands, lift it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .endings import end_with
from .logs import Verbose
from .outcomes import NOTHING_REACHED, lifted, ordered, standing
from .sandbox import TOKEN_VARIABLE, URL_VARIABLE

if TYPE_CHECKING:
    from ..sandbox.core.faults import Fault, Parameter

__all__ = ["fault"]


def _names(incomplete: str) -> list[tuple[str, str]]:
    from ..sandbox.core.faults import FAULTS

    return [(name, known.help) for name, known in FAULTS.items() if name.startswith(incomplete)]


FaultName = Annotated[
    str | None,
    typer.Argument(
        help="Which fault, for example `abort`. Without it: list all that there are.", autocompletion=_names
    ),
]


def fault(
    name: FaultName = None,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            help="Each as name=value, for example `seconds=5`; the list shows which a fault takes."
        ),
    ] = None,
    lift: Annotated[
        bool, typer.Option("--lift", help="End what stands: the fault of that NAME, or all of them.")
    ] = False,
    show_standing: Annotated[
        bool, typer.Option("--standing", help="List the faults that stand now.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for programs.")] = False,
    url: Annotated[
        str | None, typer.Option(envvar=URL_VARIABLE, help="The sandbox's address, as it printed it.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar=TOKEN_VARIABLE, help="The sandbox's token, as it printed it.")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Order a fault in a running sandbox, by name.

    Faults that happen at once hit the connections that are open now, none that is opened later. The others stand until
    they were met as often as ordered, their time is over, or they are lifted. Exit code 1 where a fault hit nothing.
    """
    if name is None and not lift and not show_standing:
        _list_faults(as_json)
        return
    if lift and (parameters or show_standing):
        end_with("--lift takes the name of a fault, or nothing, and no parameters")
    sandbox = _Sandbox(url, token)
    if show_standing:
        found = sandbox.ask("GET", "faults")
        shown = {key: found[key] for key in ("standing", "suffering")}
        typer.echo(json.dumps(shown) if as_json else "\n".join(standing(**shown)))
    elif lift:
        done = sandbox.ask("DELETE", "faults", params={} if name is None else {"name": name})
        typer.echo(json.dumps(done) if as_json else lifted(name, done["lifted"]))
    else:
        assert name is not None
        params = dict(_parsed(name, parameter) for parameter in parameters or ())
        done = sandbox.ask("POST", "faults", json={"name": name, "params": params})
        reached = done["reached"]
        typer.echo(
            json.dumps(done)
            if as_json
            else ordered(done, sandbox.ask("GET", "state") if reached == 0 else {})
        )
        raise typer.Exit(NOTHING_REACHED if reached == 0 else 0)


class _Sandbox:
    """The running sandbox's own endpoints. What goes wrong ends the command with a sentence."""

    def __init__(self, url: str | None, token: str | None) -> None:
        if not url or not token:
            end_with(
                f"which sandbox? Paste the export lines that `tapewire sandbox` printed into this shell "
                f"({URL_VARIABLE} and {TOKEN_VARIABLE}), or give --url and --token"
            )
        self._url = url.rstrip("/")
        self._token = token

    def ask(self, method: str, endpoint: str, **content: Any) -> Any:
        """The answer, decoded."""
        import httpx2

        from ..sandbox.net.admin import PREFIX, TOKEN_HEADER

        try:
            reply = httpx2.request(
                method,
                f"{self._url}{PREFIX}{endpoint}",
                headers={TOKEN_HEADER: self._token},
                timeout=10,
                trust_env=False,
                **content,
            )
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            end_with(f"no sandbox answers at {self._url}: {error}")
        if reply.status_code == 403:
            end_with(
                f"the sandbox at {self._url} refuses what {TOKEN_VARIABLE} holds; set it to what it printed"
            )
        try:
            answer = reply.json()
            if not reply.is_success:
                end_with(str(answer["error"]))
        except (ValueError, LookupError, TypeError):
            end_with(f"no sandbox at {self._url}: it answered with HTTP {reply.status_code}")
        return answer


def _list_faults(as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..sandbox.core.faults import FAULTS

    if as_json:
        listed = {known.name: _described(known) for known in FAULTS.values()}
        typer.echo(json.dumps(listed))
        return
    console = Console()
    if not console.is_terminal:
        console.width = 150
    for title, stands in (
        ("At once, to the connections that are open now", False),
        ("From now on, until met as often as ordered, over, or lifted", True),
    ):
        table = Table(
            "fault", "what it does", "parameters", title=title, title_justify="left", show_lines=True
        )
        for known in FAULTS.values():
            if known.standing is stands:
                table.add_row(known.name, known.help, "\n".join(_described(known).values()))
        console.print(table)


def _described(known: Fault) -> dict[str, str]:
    return {key: f"{key}: {_explained(value)}" for key, value in known.parameters.items()}


def _explained(parameter: Parameter) -> str:
    if parameter.required:
        default = "required"
    elif parameter.default is None:
        default = "optional"
    else:
        default = f"default {parameter.default!r}"
    return f"{parameter.help} ({parameter.allowed}; {default})"


def _parsed(name: str, parameter: str) -> tuple[str, Any]:
    from ..sandbox.core.faults import FAULTS

    key, separator, value = parameter.partition("=")
    if not separator or not key:
        end_with(f"{parameter!r} is no parameter: write name=value")
    known = FAULTS[name].parameters.get(key) if name in FAULTS else None
    if known is None or known.kind != "text":
        with suppress(json.JSONDecodeError):
            return key, json.loads(value)
    return key, value
