# SPDX-License-Identifier: Apache-2.0
"""
Bytes to planes and back: raw encodings, JPEG, PNG, video.

    raw.open_raw                  sensor_msgs/Image
    compressed.open_compressed    JPEG or PNG, told by its first bytes
    video.decode_gop, encode_gop  H.264 and H.265 packets, a group of pictures at a time
    video_file                    video files
    thumbnail.thumbnail           a whole frame in 32 x 18 px

All of them give a core.planes.Frame, and raise EncodingError for what they cannot read.
"""
