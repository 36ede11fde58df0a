# SPDX-License-Identifier: Apache-2.0
"""
COCO, Cityscapes and BDD100K: read, written, and anonymized by their own annotations.

    records              the one form that every format is read into and written from
    coco, cityscapes, bdd100k            parsed JSON and id images to records and back: no files
    coco_files, cityscapes_files, bdd100k_files    trees of files, image by image
    formats              opens and creates a dataset by the name of its format
    protocols            whose regions are hidden: the safe choice, or the paper's
    paper, crops         how the paper hides them: blur and mask-out of a resized crop
"""
