"""The secrets with which a charge point proved itself, hidden in everything that it sends.

Some charge points quote their password or the token of their URL, for example in an error or in the `info` of
a StatusNotification. The name of the member does not show then that the value is a secret
(`frame_masking.py`), but csms knows the secret itself as long as the session lasts.
"""

import base64
import re
from collections.abc import Iterable

from gateway.service.secrets import MASK

LENGTH_MIN = 12
"""Least length of a secret. A shorter one would also hide harmless text."""
KEPT = 48
"""Greatest number of texts that are searched, so that many changes of a password do not slow the session."""
_NAME = re.compile(rb"[A-Za-z]+")
"""A password of letters only may be the name of an action or a member.

If it were hidden as it is, such a message could not be read, and facts would be lost.
"""
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_MASK = MASK.encode()


class KnownSecrets:
    """Secrets in each form in which a charge point may quote them: plain, in hexadecimal, and in base64."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"<{len(self._texts)} texts>"

    def add_text(self, text: bytes) -> None:
        """Hide this text only as it is."""
        self._keep((text,))

    def add(self, secret: bytes) -> None:
        """Hide a password in each of its forms."""
        forms = [secret]
        if _HEX.fullmatch(secret):
            forms.append(bytes.fromhex(secret.decode()))
        for form in forms:
            hexadecimal = form.hex().encode()
            encoded = (base64.b64encode(text).rstrip(b"=") for text in (form, hexadecimal))
            plain = () if _NAME.fullmatch(form) else (form,)
            self._keep((*plain, hexadecimal, hexadecimal.upper(), *encoded))

    def _keep(self, texts: Iterable[bytes]) -> None:
        kept = dict.fromkeys((*self._texts, *texts))
        self._texts = tuple(text for text in kept if len(text) >= LENGTH_MIN)[-KEPT:]

    def hide(self, frame: bytes) -> bytes:
        """Return the frame without the secrets."""
        for text in self._texts:
            if frame.find(text) >= 0:  # A third of the time of `in`.
                frame = frame.replace(text, _MASK)
        return frame
