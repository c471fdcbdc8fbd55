"""Small PNGs: the Web UI has few colours."""

import io

MOST_BYTES = 150_000
_COLOURS = (128, 64, 32)


def shrunk(png: bytes) -> bytes:
    """The picture with a palette, of at most MOST_BYTES. Raises ValueError if it cannot be that small."""
    # Not at the top: whoever runs the tests alone does not need it.
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        plain = picture.convert("RGB")
    for colours in _COLOURS:
        small = io.BytesIO()
        plain.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if len(small.getvalue()) <= MOST_BYTES:
            return small.getvalue()
    raise ValueError(f"a picture of {len(png)} bytes cannot be made smaller than {MOST_BYTES}")
