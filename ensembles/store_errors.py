"""What an object store answers where it refuses or is away, in a sentence."""

from __future__ import annotations

import re

_OVERLOADED = "the store is overloaded or away (it answers 5xx); try again later"
_REFUSED = "it answered with an error, which was longer than the file; try again later"
_MUTE = "it does not answer; check AWS_ENDPOINT_URL and the network"
_NOBODY = "nothing answers there; check AWS_ENDPOINT_URL and the network"
_PASSING = (_OVERLOADED, _REFUSED, _MUTE, _NOBODY)
# what an error of the store holds, and what it comes to
_CAUSES = (
    (r"ExpiredToken|token .*expired|RequestExpired", "the credentials have expired; renew them"),
    (r"NO_SUCH_BUCKET|NoSuchBucket|BUCKET_NOT_FOUND", "there is no such bucket; make it"),
    (r"InvalidAccessKeyId|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|UnrecognizedClient"
     r"|SIGNATURE_DOES_NOT_MATCH|SignatureDoesNotMatch",
     "the access key or its secret is wrong; see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    (r"PermanentRedirect|AuthorizationHeaderMalformed|HTTP status 301|HTTP status 400.*region",
     "the bucket is in another region; set AWS_REGION, or add ?region=NAME to the address"),
    (r"ACCESS_DENIED|AccessDenied|HTTP status 403|No response body",
     "no permission, or expired credentials; see the policy of the bucket and AWS_ACCESS_KEY_ID"),
    (r"Failed to flush response stream", _REFUSED),
    (r"SLOW_DOWN|SlowDown|SERVICE_UNAVAILABLE|HTTP status 50\d|INTERNAL_FAILURE", _OVERLOADED),
    (r"curlCode: 6\b", "its host has no address; check AWS_ENDPOINT_URL and the network"),
    (r"curlCode: 28\b|imeout", _MUTE),
    (r"NETWORK_CONNECTION|curlCode", _NOBODY),
)  # fmt: skip


def store_problem(error: BaseException, place: str | None = None) -> str | None:
    """What an error of an object store comes to, in a sentence; None for other errors.

    place: what was read or written, where the error does not say it.
    """
    text = str(error)
    if not isinstance(error, OSError) or "AWS Error" not in text:
        return None
    found = re.search(r"key '([^']*)' in bucket '([^']*)'", text)
    bucket = re.search(r"bucket '([^']*)'", text)
    if found:
        place = f"s3://{found[2]}/{found[1]}"
    elif place is None:
        place = f"s3://{bucket[1]}" if bucket else "s3://"
    for signs, cause in _CAUSES:
        if re.search(signs, text):
            return f"{place}: {cause}"
    return f"{place}: {text.splitlines()[0]}"


def is_unread_refusal(error: BaseException) -> bool:
    """Whether a small file was read, and the store's refusal had no room in the memory for it: which
    one it was is lost, and Arrow's client sends the request again for none of them.
    """
    return _REFUSED in (store_problem(error) or "")


def is_passing(error: BaseException) -> bool:
    """Whether the same request may be answered later: of an error of the store, or what was made of
    it."""
    text = store_problem(error) or str(error)
    return any(cause in text for cause in _PASSING)
