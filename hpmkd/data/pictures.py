"""One image of any kind -> uint8 pixels, grey or RGB, and what was converted on the way. No torch."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from hpmkd.data.source.cells import LFS_POINTER, kind_of
from hpmkd.data.source.suffixes import image_suffixes

SIXTEEN = "16 bits: scaled to 8"
_GREY = ("L", "LA", "La", "1")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_COLOUR = ("CMYK", "YCbCr", "LAB", "HSV", "RGBX")
# Of these, Pillow scales 16 bits to the range of 16 bits, and calls that mode `I`.
_PHOTOS = ("JPEG", "MPO", "WEBP")
_SIXTEEN_BITS_AS_I = ("PNG", "PPM")
_TEXT = 2_000  # bytes of what is no image that are looked at


class Unreadable(Exception):
    """Why an image cannot be used; `range`: its values mean nothing as they are, but scaled they would."""

    def __init__(self, why: str, range: bool = False) -> None:
        super().__init__(why)
        self.range = range


class Picture(NamedTuple):
    """Pixels `(H, W)` or `(H, W, 3)` uint8, the size as it was found, its mode, and what was converted; of 16 bits the
    brightest value, as 8 bits, of what is not transparent."""

    pixels: np.ndarray
    size: tuple[int, int]
    mode: str
    said: Sequence[str]
    brightest: int = 0


def from_bytes(data: bytes, size: int | None, header_only: bool = False) -> Picture:
    """An encoded image, upright, its first frame, 8 bits, without alpha.

    Args:
        data: the bytes of the file.
        size: width and height to which it is resized; None: as it is.
        header_only: read the size alone, which takes a hundredth of the time; there are no pixels.

    Raises:
        Unreadable: the bytes are no image, or one whose range of values is not known.
    """
    if not data:
        raise Unreadable("an empty file")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if header_only and image.format != "TIFF":  # whose size Pillow turns, some versions before it reads them
                width, height = image.size
                turned = image.format in _PHOTOS and _orientation(image) >= 5  # of a PNG it would read all
                found = (height, width) if turned else (width, height)
                return Picture(np.zeros((0, 0), np.uint8), found, image.mode, [])
            return _converted(image, size)
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable(_what_else(data)) from error
    except Exception as error:
        # Pillow's plugins raise whatever comes up in damaged files: struct.error, IndexError, SyntaxError, ...
        words = str(error).splitlines() or [""]
        raise Unreadable(f"a damaged image ({type(error).__name__}: {words[0]})") from error


def _what_else(data: bytes) -> str:
    start = data[:200].lstrip().lower()
    if start.startswith(LFS_POINTER):
        return "a Git LFS pointer, not the image itself (git lfs pull fetches it)"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page, not an image"
    text = data[:_TEXT].decode("utf-8", "replace").strip()
    if kind := kind_of(text):
        return f"{kind.name} instead of the bytes of an image"
    if os.path.splitext(text)[1].lower() in image_suffixes():
        return "a path (which is read where the column is one of texts)"
    return "not an image in a format that Pillow knows"


def _converted(image: Image.Image, size: int | None, said: Sequence[str] = ()) -> Picture:
    """`said`: of an array, what was converted before."""
    mode, said = image.mode, list(said)
    if mode in ("RGB", "RGBA", "LA") and any(";16" in str(tile[3]) for tile in getattr(image, "tile", [])):
        said.append(SIXTEEN)  # by Pillow, while it reads them
    orientation, is_tiff = _orientation(image), image.format == "TIFF"  # this may load PNGs, so it comes last
    image.load()
    if getattr(image, "n_frames", 1) > 1:
        said.append("the first frame or page of several")
        image.seek(0)
    is_sixteen = image.mode.startswith("I;16") or (image.mode == "I" and image.format in _SIXTEEN_BITS_AS_I)
    if 1 < orientation <= 8:
        if not is_tiff:  # those Pillow turns itself, while it reads them
            image = ImageOps.exif_transpose(image) or image
        said.append("turned upright (EXIF)")
    if SIXTEEN in said and image.mode == "RGB" and image.info.pop("transparency", None):
        said.append("a transparent colour of 16 bits: not applied")  # of its pixels Pillow keeps 8 bits
    brightest = _brightest(image, is_sixteen) if is_sixteen or SIXTEEN in said else 0
    grey_or_rgb, more = _eight_bits(image, is_sixteen)
    said += more
    found = grey_or_rgb.size
    if size is not None and found != (size, size):
        grey_or_rgb, more = _resized(grey_or_rgb, size)
        said += more
    return Picture(np.array(grey_or_rgb), found, mode, said, brightest=brightest)


def _brightest(image: Image.Image, is_sixteen: bool) -> int:
    """Of what is not transparent, which will be white: it says nothing about the range of the others."""
    if is_sixteen:
        deep = np.asarray(image).astype(np.int64)
        return int(_scaled(deep[deep != image.info.get("transparency", -1)], 65535).max(initial=0))
    pixels = np.asarray(image.convert("RGBA"))
    return int(pixels[pixels[..., 3] > 0][..., :3].max(initial=0))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block says nothing about the pixels, which could be read
        return 1


def _eight_bits(image: Image.Image, is_sixteen: bool) -> tuple[Image.Image, list[str]]:
    """The image in mode L or RGB, and what was converted."""
    mode = image.mode
    if is_sixteen:  # first of all: Pillow's own conversions cut 16 bits off at 255
        return _sixteen_bits(image)
    if mode in _ALPHA or "transparency" in image.info:
        return _without_alpha(image)
    if mode == "P":
        colour = image.convert("RGB")
        pixels = np.asarray(colour)
        grey = bool((pixels == pixels[..., :1]).all())
        return (colour.getchannel(0) if grey else colour), []
    if mode in ("L", "RGB"):
        return image, []
    if mode == "1":
        return image.convert("L"), ["black and white: 0 and 255"]
    if mode == "F":
        return _from_array(_unit(np.asarray(image)), 1), ["floats from 0 to 1: scaled to 8 bits"]
    if mode in _COLOUR:
        return image.convert("RGB"), [f"{mode}: converted to RGB"]
    raise Unreadable(f"pixels of mode {mode}, whose range is not known")


def _sixteen_bits(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Grey, 8 bits; a value that stands for transparent is white, as a page shows it."""
    pixels = np.asarray(image).astype(np.int64)
    clear = pixels == image.info.get("transparency", -1)
    said = [SIXTEEN, "transparent: laid over white"] if clear.any() else [SIXTEEN]
    return _from_array(np.where(clear, 65535, pixels), 65535), said


def _without_alpha(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Over white, as a page shows it."""
    grey = image.mode in _GREY
    full = image.convert("RGBA")
    lowest = full.getchannel("A").getextrema()[0]
    if lowest == 255:
        return full.convert("RGB").convert("L") if grey else full.convert("RGB"), []
    white = Image.new("RGBA", full.size, "white")
    flat = Image.alpha_composite(white, full).convert("RGB")
    return (flat.getchannel(0) if grey else flat), ["transparent: laid over white"]


def _unit(pixels: np.ndarray) -> np.ndarray:
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        found = f"floats from {pixels.min():g} to {pixels.max():g}"
        raise Unreadable(f"{found}: only those from 0 to 1 have a known meaning", range=True)
    return pixels.astype(np.float64)


def _scaled(pixels: np.ndarray, top: float) -> np.ndarray:
    return np.asarray(np.rint(pixels * (255 / top)), dtype=np.uint8)


def _from_array(pixels: np.ndarray, top: float) -> Image.Image:
    return Image.fromarray(_scaled(pixels, top))


def _resized(image: Image.Image, size: int) -> tuple[Image.Image, list[str]]:
    """The shorter side to `size`, antialiased, then the centre."""
    said = [f"{'enlarged' if min(image.size) < size else 'resized'} to {size}x{size}"]
    if image.width != image.height:
        said.append("cropped to the square in the middle")
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR), said


def from_array(values: np.ndarray, size: int | None) -> Picture:
    """Pixels as an array: (H, W), (H, W, 1), (H, W, 3), (H, W, 4), or channels first.

    Args:
        values: whole numbers from 0 to 255, 16 bits without sign, floats from 0 to 1, or truth values.
        size: width and height to which they are resized; None: as they are.

    Raises:
        Unreadable: another shape or range.
    """
    said: list[str] = []
    pixels = np.asarray(values)
    if pixels.dtype == object or not pixels.size or pixels.ndim not in (2, 3):
        raise Unreadable(f"an array of shape {pixels.shape} ({pixels.dtype}), not height x width (x channels)")
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
        said.append("channels first: moved to the end")
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4):
        raise Unreadable(f"{pixels.shape[2]} channels")
    eight, more = _in_range(pixels)
    kind = f"{pixels.dtype}, {pixels.shape[2] if pixels.ndim == 3 else 1} channels"
    flat = eight.squeeze(2) if eight.ndim == 3 and eight.shape[2] == 1 else eight
    image = Image.fromarray(np.ascontiguousarray(flat))
    made = _converted(image, size, [*said, *more])
    return made._replace(mode=kind)


def _in_range(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    kind = pixels.dtype.kind
    if pixels.dtype == np.uint8:
        return pixels, []
    if kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255), ["truth values: 0 and 255"]
    if pixels.dtype == np.uint16:
        return _scaled(pixels.astype(np.int64), 65535), [SIXTEEN]
    if kind == "f":
        return _scaled(_unit(pixels), 1), ["floats from 0 to 1: scaled to 8 bits"]
    if kind in "iu" and pixels.min() >= 0 and pixels.max() <= 255:
        return pixels.astype(np.uint8), []
    if kind in "iu":
        raise Unreadable(f"whole numbers from {pixels.min()} to {pixels.max()}, not 0 to 255", range=True)
    raise Unreadable(f"an array of {pixels.dtype}")
