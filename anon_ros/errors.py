# SPDX-License-Identifier: Apache-2.0
"""
Every error that anon_ros raises on purpose.

    AnonError
     + UsageError         what was asked for cannot be done: says what to change
     |  + SettingError    a setting outside its range, or unknown
     |  + TopicError      a topic nobody decided about, or one that is not there
     + InputError         a file that cannot be read: names it and the cause
     |  + BagError        a bag that is damaged, unindexed or of an unknown kind
     |  + RegionsError    a regions file of another version or of another bag
     + OutputError        the target exists, is read-only or its disk is full
     |  + BusyError       another worker is still at it: wait, or try again
     + StoreError         a store of objects that does not answer or refuses: may pass
     + ModelError         weights missing, of a wrong hash, or an engine that does not start
     + FrameError         one frame cannot be handled: it is withheld, the run goes on
        + EncodingError   an encoding, codec or payload that nobody here can read

The command line prints UsageError, InputError, OutputError, StoreError and ModelError as one line
and ends with status 2. A FrameError never ends a run: whoever handles a frame masks it and counts
it.
"""


class AnonError(Exception):
    """The root: whatever anon_ros raises on purpose is one of these."""


class UsageError(AnonError):
    """What was asked for cannot be done; the message says what to change."""


class SettingError(UsageError):
    """A setting is unknown or outside its range; the message names both."""


class TopicError(UsageError):
    """A topic is unknown, or carries images and nobody decided what to do with it."""


class InputError(AnonError):
    """A file cannot be read; the message names the file and the cause."""


class BagError(InputError):
    """A bag is damaged, unindexed, or of a kind that nobody here reads."""


class RegionsError(InputError):
    """A regions file is of another version or of another bag, or holds nonsense."""


class OutputError(AnonError):
    """The target exists already, cannot be written, or its disk is full."""


class BusyError(OutputError):
    """A worker of another run is still at a bag, though its lease has gone."""


class StoreError(AnonError):
    """A store of objects elsewhere does not answer, or refuses; the message names the object."""


class ModelError(AnonError):
    """A network's weights are missing or have a wrong hash, or its engine does not start."""


class FrameError(AnonError):
    """One frame cannot be handled: it has to be withheld, never passed on."""


class EncodingError(FrameError):
    """A frame's encoding, codec or payload is unknown or contradicts itself."""
