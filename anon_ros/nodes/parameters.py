# SPDX-License-Identifier: Apache-2.0
"""Settings as ROS parameters: declared with ranges, read, and checked as a set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)

from anon_ros.core import settings as settings_module
from anon_ros.core.settings import Settings
from anon_ros.errors import AnonError, SettingError
from anon_ros.nodes import node_settings
from anon_ros.nodes.node_settings import CameraSettings, NodeSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rclpy.node import Node
    from rclpy.parameter import Parameter

    from anon_ros.core.settings import Spec


class NodeParameters:
    """
    The parameters of the node and the settings they stand for.

    settings, node: frozen; a change puts others in their place. cameras: by name, in order.
    """

    def __init__(
        self,
        node: Node,
        *,
        prepare: Callable[[Settings], None],
        apply: Callable[[Settings], None],
    ) -> None:
        """
        Declare everything and read it.

        prepare: called with settings that are proposed; an AnonError refuses them. apply: called
        with settings that are in force now.
        Raises SettingError: a value is outside its range, or the values contradict each other.
        """
        self._node = node
        self._prepare = prepare
        self._apply = apply
        defaults = settings_module.to_mapping(Settings())
        _declare(node, settings_module.specs(), defaults)
        _declare(
            node, node_settings.specs(NodeSettings), node_settings.defaults(NodeSettings)
        )
        self.settings = settings_module.from_mapping(self._values(defaults))
        self.node = self._read_node({})
        self.cameras = {name: self._declare_camera(name) for name in self.node.cameras}
        node.add_on_set_parameters_callback(self._validate)
        self._has_post_set = hasattr(node, 'add_post_set_parameters_callback')
        if self._has_post_set:
            node.add_post_set_parameters_callback(lambda _: self.refresh())

    def tick(self) -> None:
        """Take over changes where rclpy does not tell of them: on Humble."""
        if not self._has_post_set:
            self.refresh()

    def refresh(self) -> None:
        """Take over what the parameters are now; call apply where the settings differ."""
        self.node = self._read_node({})
        settings = settings_module.from_mapping(self._values(settings_module.specs()))
        if settings != self.settings:
            self.settings = settings
            self._apply(settings)

    def _validate(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Check all proposed values together; what is not ours is none of our business."""
        proposed = {parameter.name: parameter.value for parameter in parameters}
        known = settings_module.specs()
        changes = {name: value for name, value in proposed.items() if name in known}
        try:
            self._read_node(proposed)
            settings = settings_module.from_mapping(changes, self.settings)
            if settings != self.settings:
                self._prepare(settings)
        except AnonError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _declare_camera(self, name: str) -> CameraSettings:
        specs = node_settings.specs(CameraSettings)
        defaults = node_settings.defaults(CameraSettings)
        _declare(self._node, specs, defaults, prefix=f'{name}.')
        values = {key: self._node.get_parameter(f'{name}.{key}').value for key in specs}
        return CameraSettings.of(name, values)

    def _read_node(self, proposed: Mapping[str, Any]) -> NodeSettings:
        names = node_settings.specs(NodeSettings)
        values = self._values(names)
        values.update((name, value) for name, value in proposed.items() if name in names)
        if not isinstance(values['cameras'], (list, tuple)):
            raise SettingError('cameras: a list of names is needed')
        values['cameras'] = tuple(values['cameras'])
        return NodeSettings(**values)

    def _values(self, names: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._node.get_parameter(name).value for name in names}


def _declare(
    node: Node, specs: Mapping[str, Spec], defaults: Mapping[str, Any], prefix: str = ''
) -> None:
    for name, spec in specs.items():
        default = defaults[name]
        value = list(default) if isinstance(default, tuple) else default
        node.declare_parameter(prefix + name, value, describe(spec, default))


def describe(spec: Spec, default: object) -> ParameterDescriptor:
    """Return what ROS tools show of a parameter, and what rclpy itself checks."""
    descriptor = ParameterDescriptor(description=spec.description, read_only=not spec.is_live)
    if spec.choices:
        descriptor.additional_constraints = f'One of {", ".join(spec.choices)}.'
    if spec.minimum is None or spec.maximum is None:
        return descriptor
    if isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(spec.minimum), to_value=float(spec.maximum))
        ]
    else:
        descriptor.integer_range = [
            IntegerRange(from_value=int(spec.minimum), to_value=int(spec.maximum), step=1)
        ]
    return descriptor
