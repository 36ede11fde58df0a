# SPDX-License-Identifier: Apache-2.0
"""How much of a result is attacked, and what of it was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Skipped: TypeAlias = dict[str, int]
"""How often something was left out, by reason."""


@dataclass(frozen=True)
class Sample:
    """How many are attacked of each kind, and how many looks at each are taken."""

    identities: int = 500
    looks: int = 12
