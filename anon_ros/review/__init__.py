# SPDX-License-Identifier: Apache-2.0
"""The review page: a person looks at what the machine was unsure of, and corrects it."""
