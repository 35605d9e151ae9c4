"""Images of every mode, depth and orientation become 8 bits, grey or RGB, upright; what is converted is said."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image
from support.datasets import encoded, opened
from support.pictures import picture

from hpmkd.data.pictures import Picture, Unreadable, from_array, from_bytes

RGB = opened(picture(1)).convert("RGB")
COLOUR = np.asarray(RGB)
HEAD = struct.pack(">I", 13) + b"IHDR" + bytes(13) + struct.pack(">I", zlib.crc32(b"IHDR" + bytes(13)))
GREY = np.asarray(RGB.convert("L"))


def look(image: Image.Image, kind: str = "PNG", size: int | None = None, **options: object) -> Picture:
    return from_bytes(encoded(image, kind, **options), size)


def test_plain_images_stay_as_they_are() -> None:
    assert np.array_equal(look(RGB).pixels, COLOUR)
    assert np.array_equal(look(RGB.convert("L")).pixels, GREY)
    assert (look(RGB).said, look(RGB).mode, look(RGB).size) == ([], "RGB", (8, 8))


def test_16_bits_are_scaled_by_their_range() -> None:
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1040
    for kind in ("PNG", "TIFF"):
        found = look(Image.fromarray(deep), kind)
        assert np.array_equal(found.pixels, np.rint(deep / 257)), kind
        assert list(found.said) == ["16 bits: scaled to 8"]
    head = b"P5 8 8 65535\n"
    assert np.array_equal(from_bytes(head + deep.astype(">u2").tobytes(), None).pixels, np.rint(deep / 257))


def test_coloured_ones_of_16_bits() -> None:
    """Pillow takes the upper byte of each value."""
    found = from_bytes(deep_png(COLOUR.astype(np.uint16) * 257), None)
    assert np.array_equal(found.pixels, COLOUR)
    assert list(found.said) == ["16 bits: scaled to 8"]


def deep_png(pixels: np.ndarray, transparent: bytes = b"") -> bytes:
    """A PNG of 16 bits per value, which Pillow does not write: (H, W, 2 to 4)."""
    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    chunks[1:1] = [(b"tRNS", transparent)] if transparent else []
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in chunks:
        data += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return data


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_transparent_says_nothing_about_the_range(channels: int) -> None:
    """Of 12 bits in 16, laid over white: white is not the brightest of them."""
    deep = np.arange(64, dtype=np.uint16).reshape(8, 8, 1) * 64
    clear = np.where(np.arange(64) < 8, 0, 65535).astype(np.uint16).reshape(8, 8, 1)
    if channels == 1:
        found = look(Image.fromarray(deep[..., 0]), transparency=0)
    else:
        shades = [deep] * (3 if channels > 2 else 1)
        found = from_bytes(deep_png(np.concatenate([*shades, clear][:channels], axis=2)), None)
    assert found.brightest in (15, 16)
    assert (found.pixels.max() == 255) == (channels != 3)
    if channels == 4:
        assert from_array(np.concatenate([*shades, clear], axis=2), 4).brightest == 16


def test_a_transparent_colour_of_16_bits_takes_no_pixels_of_8() -> None:
    """Pillow would take 5, 6, 7 for one of 8 bits."""
    deep = np.full((8, 8, 3), (5 * 257, 6 * 257, 7 * 257), np.uint16)
    found = from_bytes(deep_png(deep, struct.pack(">HHH", 5, 6, 7)), None)
    assert found.pixels[0, 0].tolist() == [5, 6, 7]
    assert list(found.said)[1:] == ["a transparent colour of 16 bits: not applied"]


def test_the_size_alone() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(Image.new("L", (24, 16)), "JPEG", exif=exif)
    found = from_bytes(data, None, header_only=True)
    assert (found.size, found.pixels.size) == ((16, 24), 0)


def test_floats_from_0_to_1_are_scaled() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    found = look(Image.fromarray(values), "TIFF")
    assert np.array_equal(found.pixels, np.rint(values * 255))
    assert list(found.said) == ["floats from 0 to 1: scaled to 8 bits"]


@pytest.mark.parametrize("values", [np.full((8, 8), 255.0), np.full((8, 8), -0.1), np.full((8, 8), np.nan)])
def test_other_floats_are_refused(values: np.ndarray) -> None:
    with pytest.raises(Unreadable, match="only those from 0 to 1"):
        look(Image.fromarray(values.astype(np.float32)), "TIFF")


def test_32_bit_numbers_are_refused() -> None:
    with pytest.raises(Unreadable, match="mode I"):
        look(Image.fromarray(np.full((8, 8), 70_000, dtype=np.int32)), "TIFF")


def test_transparency_is_laid_over_white() -> None:
    clear = RGB.copy()
    clear.putalpha(0)
    found = look(clear)
    assert (found.pixels == 255).all()
    assert found.pixels.shape == (8, 8, 3)
    assert list(found.said) == ["transparent: laid over white"]
    full = RGB.copy()
    full.putalpha(255)
    assert np.array_equal(look(full).pixels, COLOUR)
    assert list(look(full).said) == [], "nothing shows through"
    grey = RGB.convert("LA")
    grey.putalpha(0)
    assert look(grey).pixels.shape == (8, 8)
    keyed = look(RGB.convert("L"), transparency=int(GREY[0, 0]))
    assert keyed.pixels[0, 0] == 255
    assert np.array_equal(keyed.pixels[GREY[0, 0] != GREY], GREY[GREY[0, 0] != GREY])


def test_sixteen_bits_with_a_transparent_value_stay_grey() -> None:
    """Pillow's own way to alpha would cut them off at 255: almost all white."""
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    image = Image.fromarray(values)
    found = look(image, transparency=int(values[3, 3]))
    expected = np.rint(values / 257)
    assert np.array_equal(np.delete(found.pixels, 27), np.delete(expected, 27))
    assert found.pixels[3, 3] == 255
    assert list(found.said) == ["16 bits: scaled to 8", "transparent: laid over white"]
    other = look(image, transparency=7)
    assert np.array_equal(other.pixels, expected)
    assert list(other.said) == ["16 bits: scaled to 8"]


def test_palettes() -> None:
    coded = RGB.quantize(256)
    assert np.array_equal(look(coded).pixels, np.asarray(coded.convert("RGB")))
    grey = RGB.convert("L").convert("P")
    assert look(grey).pixels.shape == (8, 8)
    clear = look(coded, transparency=int(np.asarray(coded)[0, 0]))
    assert (clear.pixels[0, 0] == 255).all()


def test_other_modes() -> None:
    two = look(RGB.convert("1"))
    assert set(np.unique(two.pixels)) <= {0, 255}
    assert look(RGB.convert("1")).pixels.ndim == 2
    for kind in ("TIFF", "JPEG"):
        found = look(RGB.convert("CMYK"), kind)
        assert found.pixels.shape == (8, 8, 3)
        assert list(found.said) == ["CMYK: converted to RGB"]


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_upright(turn: int, kind: str) -> None:
    """The camera's pixels lie in another way than it was held."""
    large = Image.new("L", (24, 16))
    large.paste(255, (0, 0, 12, 8))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    data = encoded(large, kind, exif=exif)
    found = from_bytes(data, None)
    assert found.size == ((24, 16) if turn < 5 else (16, 24))
    white = {2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[turn]
    grey = found.pixels if found.pixels.ndim == 2 else found.pixels[..., 0]
    height, width = grey.shape
    quarter = grey[white[0] * height // 2 :, white[1] * width // 2 :][: height // 2, : width // 2]
    assert quarter.mean() > 230
    assert grey.mean() < 90
    assert "turned upright (EXIF)" in found.said
    assert kind == "PNG" or from_bytes(data, None, header_only=True).size == found.size


def test_a_damaged_exif_block_does_not_matter() -> None:
    data = encoded(RGB, "JPEG", exif=b"Exif\0\0" + b"\xff" * 20)
    assert from_bytes(data, None).pixels.shape == (8, 8, 3)


def test_the_first_of_several_frames() -> None:
    other = opened(picture(2)).convert("RGB")
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        found = look(RGB, kind, save_all=True, append_images=[other, other])
        assert "the first frame or page of several" in found.said
        alone = look(RGB, kind)
        assert np.array_equal(found.pixels, alone.pixels) or kind == "WEBP"


def test_resized_by_the_shorter_side_and_cut_in_the_middle() -> None:
    wide = Image.new("L", (30, 10), 0)
    wide.paste(255, (10, 0, 20, 10))
    found = look(wide, size=5)
    assert found.pixels.shape == (5, 5)
    assert (found.pixels[:, 1:4] > 200).all()
    assert found.size == (30, 10)
    assert list(found.said) == ["resized to 5x5", "cropped to the square in the middle"]
    assert list(look(RGB, size=16).said) == ["enlarged to 16x16"]
    assert list(look(RGB, size=8).said) == []


def test_small_structures_do_not_flicker_when_resized() -> None:
    board = np.indices((64, 64)).sum(0) % 2 * 255
    found = look(Image.fromarray(board.astype(np.uint8)), size=8)
    assert np.abs(found.pixels.astype(int) - 127).max() <= 20, "antialiased"


def test_too_many_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(Unreadable, match="DecompressionBombError"):
        look(RGB)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><p>404", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"PAR1", "not an image"),
        (b"https://example.com/1.png\n", "URLs instead of the bytes of an image"),
        (b"images/1.PNG", "a path"),
        ("Kätzchen".encode(), "not an image"),
        (base64.b64encode(picture(1)), "base64 text"),
        (picture(1)[:-40], "a damaged image"),
        (picture(1)[:40] + picture(1)[60:], "image"),
        (b"\x89PNG\r\n\x1a\n" + HEAD, "image"),
    ],
)  # fmt: skip
def test_what_is_no_image(data: bytes, word: str) -> None:
    with pytest.raises(Unreadable, match=word):
        from_bytes(data, None)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA"])
def test_damage_anywhere_is_an_image_or_unreadable(kind: str) -> None:
    """Never another exception, whatever Pillow's plugin stumbles over."""
    data, chance = encoded(RGB, kind), np.random.default_rng(0)
    for _ in range(150):
        spoilt = bytearray(data)
        for place in chance.integers(0, len(data), 3):
            spoilt[place] = int(chance.integers(0, 256))
        try:
            found = from_bytes(bytes(spoilt[: chance.integers(1, len(data) + 1)]), 8)
        except Unreadable:
            continue
        assert found.pixels.dtype == np.uint8
        assert found.pixels.shape[:2] == (8, 8)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (8, 8, 4), (3, 8, 8), (1, 8, 8), (3, 3, 3)])
def test_shapes_of_arrays(shape: tuple[int, ...]) -> None:
    found = from_array(np.zeros(shape, np.uint8), None)
    assert found.pixels.shape in ((8, 8), (8, 8, 3), (3, 3, 3))


@pytest.mark.parametrize("shape", [(), (8,), (0, 8), (8, 8, 2), (2, 2, 8, 8), (8, 8, 5)])
def test_shapes_that_are_no_images(shape: tuple[int, ...]) -> None:
    with pytest.raises(Unreadable):
        from_array(np.zeros(shape, np.uint8), None)


def test_objects_and_texts_are_no_pixels() -> None:
    for values in (np.array([[None]]), np.array([["a"]]), np.array([[1 + 1j]])):
        with pytest.raises(Unreadable):
            from_array(values, None)
