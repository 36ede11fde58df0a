# SPDX-License-Identifier: Apache-2.0
"""What anonymization costs a model: train on each variant, test on the original."""
