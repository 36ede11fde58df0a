# SPDX-License-Identifier: Apache-2.0
"""Attackers: whoever tries to find, recognise or read again what was hidden."""
