# SPDX-License-Identifier: Apache-2.0
"""Bags: topics, messages, rewriting without loss, verification."""
