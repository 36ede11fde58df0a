# SPDX-License-Identifier: Apache-2.0
"""Many bags over many workers: a plan, engines, and state that lives with the data."""
