# SPDX-License-Identifier: Apache-2.0
"""Scenes whose truth is known, and what is measured on them."""
