# SPDX-License-Identifier: Apache-2.0
"""Make camera data safe to keep and share, and keep it useful for training."""

__version__ = '0.1.0'
