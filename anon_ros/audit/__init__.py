# SPDX-License-Identifier: Apache-2.0
"""What is written beside a result: manifest, regions, report."""
