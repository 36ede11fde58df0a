# SPDX-License-Identifier: Apache-2.0
"""A small recording whose every face is known, for the first two minutes with anon_ros."""
