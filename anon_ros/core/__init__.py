# SPDX-License-Identifier: Apache-2.0
"""The terms of the house: regions, planes, settings and protocols. Numpy and OpenCV only."""
