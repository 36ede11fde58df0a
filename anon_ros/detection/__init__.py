# SPDX-License-Identifier: Apache-2.0
"""Images to regions: the inference runtime and one decoder for each network."""
