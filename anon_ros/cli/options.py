# SPDX-License-Identifier: Apache-2.0
"""Options that commands share: one for every setting, derived from core.settings."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from anon_ros.core import settings as settings_module
from anon_ros.core.settings import Settings
from anon_ros.errors import AnonError, SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, DEFECT, BAD_INPUT, WITHHELD = 0, 1, 2, 3
"""Exit status: all done; a defect of ours; bad usage or input; done, but frames withheld."""

PREFIX = 'setting_'
"""Keeps the names of settings apart from a command's own parameters; the flags have none."""

JsonOption = Annotated[bool, typer.Option('--json', help='Print the result as JSON.')]


def command(function: Callable[..., int]) -> Callable[..., None]:
    """
    Make a Typer command of a function that returns an exit status.

    A parameter `settings: Settings` becomes an option for every setting, and --config. An
    AnonError becomes one line on stderr and status 2.
    """
    signature = inspect.signature(function, eval_str=True)
    takes_settings = 'settings' in signature.parameters

    @functools.wraps(function)
    def run(**values: Any) -> None:
        try:
            if takes_settings:
                values['settings'] = _collect(values)
            status = function(**values)
        except AnonError as error:
            print(f'anon-ros: {error}', file=sys.stderr)
            status = BAD_INPUT
        except KeyboardInterrupt:
            print('anon-ros: interrupted', file=sys.stderr)
            status = 130
        raise typer.Exit(status)

    parameters = [p for name, p in signature.parameters.items() if name != 'settings']
    if takes_settings:
        parameters += _setting_parameters()
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=None
    )
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def load_config(path: Path) -> dict[str, object]:
    """
    Return the settings of a YAML file, either plain or as a ROS node's parameters.

    Raises SettingError that names the file where it cannot be read.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = ' '.join(str(error).split())
        raise SettingError(f'{path}: cannot read the settings: {reason}') from error
    content = {} if content is None else content
    if isinstance(content, dict) and len(content) == 1:
        node = next(iter(content.values()))
        if isinstance(node, dict) and 'ros__parameters' in node:
            content = node['ros__parameters'] or {}
    if not isinstance(content, dict):
        raise SettingError(f'{path}: expected names and values')
    known = settings_module.specs()
    # A node has parameters of its own beside the settings; only they may be unknown here.
    is_node = 'cameras' in content
    return {
        str(name): value for name, value in content.items() if not is_node or name in known
    }


def _collect(values: dict[str, Any]) -> Settings:
    """Take the setting options out of the values: defaults, then the file, then the options."""
    config = values.pop(PREFIX + 'config')
    base = Settings() if config is None else settings_module.from_mapping(load_config(config))
    given = {name: values.pop(PREFIX + name) for name in settings_module.specs()}
    return settings_module.from_mapping(
        {name: value for name, value in given.items() if value is not None}, base
    )


def _setting_parameters() -> list[inspect.Parameter]:
    defaults = settings_module.to_mapping(Settings())
    parameters = [_parameter('config', Path, 'Settings from a YAML file, the same as the node.')]
    for name, spec in settings_module.specs().items():
        default = defaults[name]
        if isinstance(default, list):
            parameters.append(_parameter(name, str, spec.description, ','.join(default)))
        else:
            parameters.append(_parameter(name, type(default), spec.description, default))
    return parameters


def _parameter(
    name: str, kind: type, description: str, default: object = None
) -> inspect.Parameter:
    flag = '--' + name.replace('_', '-')
    shown = '' if default is None else f' (default: {default})'
    option = typer.Option(
        flag, help=description + shown, show_default=False, rich_help_panel='Settings'
    )
    return inspect.Parameter(
        PREFIX + name, inspect.Parameter.KEYWORD_ONLY, default=None,
        annotation=Annotated[kind | None, option],
    )
