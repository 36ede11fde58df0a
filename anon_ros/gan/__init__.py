# SPDX-License-Identifier: Apache-2.0
"""Faces and bodies of people who do not exist, in the place of people who do."""
