# SPDX-License-Identifier: Apache-2.0
"""One file for each command; a command is a shell around a function."""
