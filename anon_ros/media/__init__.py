# SPDX-License-Identifier: Apache-2.0
"""Bytes to planes and back: raw encodings, JPEG, PNG, video."""
