"""What a foreign device or a far end says of itself, as it may stand in a log, a status and on a screen."""


def printable(text: str, most: int) -> str:
    """At most so many characters of it, without what no screen shows."""
    return "".join(each for each in text if each.isprintable())[:most]
