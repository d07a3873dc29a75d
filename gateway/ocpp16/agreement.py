"""Whether an answer means that the charge point does what the central system asked."""

AGREED = frozenset({"Accepted", "Scheduled", "RebootRequired", "Unlocked", "AcceptedCanceled"})
"""Values of `status` that mean so. A response without a status means it too."""
