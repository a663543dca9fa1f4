"""What files for other programs have in common."""


def spreadsheet_cell(value: object) -> object:
    """A text that a spreadsheet cannot take for a formula: what a network or a client wrote stays a text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
