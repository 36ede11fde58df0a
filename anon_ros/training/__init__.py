# SPDX-License-Identifier: Apache-2.0
"""Training of the networks that the package ships; torch is imported here only."""
