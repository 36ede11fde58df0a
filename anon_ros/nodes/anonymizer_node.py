# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `anonymizer`: parameters, states and diagnostics; the work is in Session."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from anon_ros.errors import AnonError
from anon_ros.nodes import diagnostics
from anon_ros.nodes.camera_port import CameraPort
from anon_ros.nodes.diagnostics import CameraState
from anon_ros.nodes.engine import EngineBuilder
from anon_ros.nodes.parameters import NodeParameters
from anon_ros.nodes.session import Session
from anon_ros.nodes.statistics import CameraStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rclpy.lifecycle import LifecycleState

    from anon_ros.core.interfaces import RegionDetector
    from anon_ros.core.settings import Settings
    from anon_ros.nodes.engine import Engine

LISTENERS_PERIOD_S = 0.2
DIAGNOSTICS_PERIOD_S = 1.0
WARNING_PERIOD_S = 5.0
MOST_REASONS = 5


class AnonymizerNode(LifecycleNode):
    """
    Anonymizes the images of any number of cameras.

    unconfigured: parameters only. inactive: networks are loaded, topics advertised, nothing goes
    out. active: frames are anonymized. There is no state in which an image is passed on as it is.
    """

    def __init__(
        self,
        name: str = 'anonymizer',
        *,
        build_detector: Callable[[Settings], RegionDetector] | None = None,
        **options: Any,
    ) -> None:
        """
        Declare the parameters.

        build_detector: gives the detector for settings with one target; by default the factory.
        options: for rclpy's LifecycleNode.
        Raises SettingError where parameters are outside their ranges.
        """
        super().__init__(name, **options)
        self._engines = EngineBuilder(build_detector)
        self._engine: Engine | None = None
        self._proposed: Engine | None = None
        self._ports: dict[str, CameraPort] = {}
        self._session: Session | None = None
        self._problem: str | None = None
        self._warnings = _Warnings(self.get_logger())
        self._declared = NodeParameters(self, prepare=self._prepare, apply=self._apply)
        self._statistics = {name: CameraStatistics() for name in self._declared.cameras}
        self._reported: dict[str, Mapping[str, int]] = {name: {} for name in self._statistics}
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(LISTENERS_PERIOD_S, self._tend)
        self.create_timer(DIAGNOSTICS_PERIOD_S, self._report)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the networks and advertise the topics; FAILURE where a user can mend it."""
        return self._transition('configure', self._configure, state, super().on_configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to take frames."""
        return self._transition('activate', self._activate, state, super().on_activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no frame any longer, and let none in hand go out."""
        return self._transition('deactivate', self._deactivate, state, super().on_deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of topics, networks and the device's memory."""
        return self._transition('clean up', self._clean_up, state, super().on_cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End from any state."""
        return self._transition('shut down', self._clean_up, state, super().on_shutdown)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let nothing out, and wait to be configured again."""
        return self._transition('recover', self._clean_up, state, super().on_error)

    def _forget_publisher(self, publisher: Any) -> None:
        """Destroy a lifecycle publisher, which rclpy would go on to manage."""
        self._managed_entities.discard(publisher)
        self.destroy_publisher(publisher)

    def destroy_node(self) -> None:
        """End the threads before anything they use goes away."""
        self._clean_up()
        super().destroy_node()

    def _transition(
        self,
        name: str,
        step: Callable[[], None],
        state: LifecycleState,
        inherited: Callable[[LifecycleState], TransitionCallbackReturn],
    ) -> TransitionCallbackReturn:
        """Run a step and log why it fails: rclpy itself drops the reason."""
        try:
            step()
        except AnonError as error:
            self._note_problem(f'cannot {name}: {error}')
            self._clean_up()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # noqa: BLE001 - fails closed: the state machine takes over
            self._note_problem(f'cannot {name}: {type(error).__name__}: {error}')
            return TransitionCallbackReturn.ERROR
        if name != 'recover':
            self._problem = None
        self.get_logger().info(f'{name}: done')
        return inherited(state)

    def _note_problem(self, problem: str) -> None:
        self._problem = problem
        self.get_logger().error(problem)

    def _configure(self) -> None:
        self._engine = self._engines.build(self._declared.settings)
        for name, settings in self._declared.cameras.items():
            self._ports[name] = CameraPort(
                self, name, settings, self._take, self._forget_publisher)

    def _activate(self) -> None:
        if self._engine is None:
            raise RuntimeError('the node is active without being configured')
        self._session = Session(
            self._ports, self._statistics, self._engine, lambda: self._declared.node,
            self._warnings.add,
        )
        self._tend()

    def _deactivate(self) -> None:
        session, self._session = self._session, None
        for port in self._ports.values():
            port.ignore()
        if session is not None and not session.close():
            self.get_logger().error('the worker hangs; whatever it finishes is thrown away')

    def _clean_up(self) -> None:
        self._deactivate()
        for port in self._ports.values():
            port.close()
        self._ports = {}
        self._engine = self._proposed = None
        self._engines.forget()

    def _take(self, camera: str, data: bytes) -> None:
        if self._session is not None:
            self._session.take(camera, data)

    def _tend(self) -> None:
        """Subscribe where somebody listens, and unsubscribe where nobody does any longer."""
        self._declared.tick()
        if self._session is None:
            return
        for port in self._ports.values():
            is_wanted = not self._declared.node.lazy or port.has_listeners
            if is_wanted:
                port.listen()
            elif port.is_listening:
                port.ignore()

    def _prepare(self, settings: Settings) -> None:
        """Build what proposed settings need, so that they are refused while that can be said."""
        if self._engine is not None:
            self._proposed = self._engines.build(settings)

    def _apply(self, settings: Settings) -> None:
        if self._engine is None:
            return
        if self._proposed is None or self._proposed.settings != settings:
            self._proposed = self._engines.build(settings)
        self._engine = self._proposed
        if self._session is not None:
            self._session.use(self._engine)

    def _report(self) -> None:
        self._warnings.flush()
        session = self._session
        state = 'active' if session else 'inactive' if self._engine else 'unconfigured'
        stalled_s = None if session is None else session.stalled_s()
        name = self.get_fully_qualified_name()
        statuses = [diagnostics.node_status(
            name, state=state, device=self._declared.settings.device,
            problem=self._problem, stalled_s=stalled_s,
        )]
        if stalled_s is not None:
            self.get_logger().error(
                f'the worker has hung for {stalled_s:.1f} s: nothing is anonymized',
                throttle_duration_sec=WARNING_PERIOD_S,
            )
        for camera, port in self._ports.items():
            now = self._statistics[camera].snapshot()
            statuses.append(diagnostics.camera_status(name, camera, CameraState(
                topic=port.topic, now=now, before=self._reported[camera], events=port.events,
                is_active=session is not None, is_listening=port.is_listening,
            )))
            self._reported[camera] = now.withheld
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics.diagnostic_array(stamp, statuses))


class _Warnings:
    """Log lines of any thread, at most one in a while for each camera and cause."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], Counter[str]] = {}
        self._last_s: dict[tuple[str, str], float] = {}

    def add(self, camera: str, cause: str, reason: str) -> None:
        with self._lock:
            reasons = self._waiting.setdefault((camera, cause), Counter())
            reasons[reason if reason in reasons or len(reasons) < MOST_REASONS else 'other'] += 1

    def flush(self) -> None:
        now_s = time.monotonic()
        with self._lock:
            due = {
                key: self._waiting.pop(key) for key in tuple(self._waiting)
                if now_s - self._last_s.get(key, -WARNING_PERIOD_S) >= WARNING_PERIOD_S
            }
        for (camera, cause), reasons in due.items():
            self._last_s[camera, cause] = now_s
            told = '; '.join(f'{count} times: {reason}' for reason, count in reasons.items())
            self._logger.warning(f'{camera}: frames withheld by {cause}: {told}')
