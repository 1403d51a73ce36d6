import pytest

from apimachinery.objects.quantity import format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1e300", "9223372036854775807"),
        ("-1e999999999", "-9223372036854775807"),
        ("1e-999999999", "1n"),
        ("123456789012345678901234567890.12345678901", "9223372036854775807"),
        ("1.0000000001", "1000000001n"),
        ("9E", "9E"),
        ("100Ei", "9223372036854775807"),
    ],
)
def test_amounts_are_held_to_what_63_bits_count(text, shown):
    assert format_quantity(parse_quantity(text)) == shown
