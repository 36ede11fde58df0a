# SPDX-License-Identifier: Apache-2.0
"""The offline jobs, one file each: settings and paths in, a result with its manifest out."""
