"""Samples of every kind of file, in the unit that the model takes."""

import contextlib
import io
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edgexai.data import Preprocessing, one_by_one, read
from edgexai.data.front_end import spectrogram
from edgexai.errors import DataError
from edgexai.runtime.interpreter import Port

INT8 = np.dtype(np.int8)
UNIT = Port("x", 0, (1, 4, 4, 3), INT8, 1 / 128, 0)  # -1 … 0.992
PIXELS = Port("x", 0, (1, 4, 4, 3), INT8, 1.0, -128)  # 0 … 255
FLOAT = Port("x", 0, (1, 4, 4, 3), np.dtype(np.float32), 0.0, 0)
SIGNED = Preprocessing(mean=(127.5,), std=(127.5,), asked=True)


def pixels(n: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, 4, 4, 3), np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.float64])
def test_pixels_for_a_model_of_minus_one_to_one_are_refused_whatever_their_dtype(
    tmp_path: Path, dtype: type[np.generic]
) -> None:
    np.savez(tmp_path / "a.npz", x=pixels().astype(dtype))
    with pytest.raises(DataError, match=r"0 to 255.*-1 to 0.99.*--mean 127.5 --std 127.5"):
        read(tmp_path / "a.npz", UNIT)
    found = read(tmp_path / "a.npz", UNIT, SIGNED).x
    assert np.allclose(found, pixels() / 127.5 - 1, atol=1e-6)


def test_shares_for_a_model_of_pixels_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pixels() / 255)
    with pytest.raises(DataError, match="--scale 255"):
        read(tmp_path / "a.npy", PIXELS)
    assert np.allclose(read(tmp_path / "a.npy", PIXELS, Preprocessing(scale=255, asked=True)).x, pixels(), atol=1e-4)


def test_what_fits_is_taken_as_it_is_and_a_few_outliers_saturate(tmp_path: Path) -> None:
    x = np.random.default_rng(1).uniform(-1, 0.99, (50, 4, 4, 3))
    x[0, 0, 0, 0] = 9
    np.save(tmp_path / "a.npy", x)
    assert np.array_equal(read(tmp_path / "a.npy", UNIT).x, x)
    codes = np.random.default_rng(1).integers(-128, 128, (50, 4, 4, 3), np.int8)
    np.save(tmp_path / "b.npy", codes)
    assert read(tmp_path / "b.npy", UNIT).x.dtype == np.int8


def test_codes_of_an_integer_model_are_no_real_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pixels().astype(np.int8))
    with pytest.raises(DataError, match="codes of an integer model"):
        read(tmp_path / "a.npy", FLOAT)


def test_what_the_metadata_says_is_what_the_refusal_says(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", pixels())
    known = Preprocessing(mean=(123.0, 117.0, 104.0), std=(58.0, 57.0, 57.0), known=True)
    with pytest.raises(DataError, match="--mean 123,117,104 --std 58,57,57"):
        read(tmp_path / "a.npy", UNIT, known)


def photos(folder: Path) -> NDArray[np.uint8]:
    x = pixels(4)
    for i, name in enumerate(["wren", "robin", "robin", "wren"]):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[i]).save(folder / name / f"{i}.png")
    return x[[1, 2, 0, 3]]  # by class, then by name


def test_a_folder_of_images_has_its_sub_folders_as_classes(tmp_path: Path) -> None:
    x = photos(tmp_path)
    found = read(tmp_path, UNIT, SIGNED)
    assert np.allclose(found.x, x / 127.5 - 1, atol=1e-6)
    assert found.y is not None
    assert found.y.tolist() == [0, 0, 1, 1]
    assert found.names == ("robin", "wren")
    assert np.allclose(list(one_by_one(tmp_path / "wren", UNIT, SIGNED)), found.x[2:])


def test_classes_are_numbered_as_the_models_labels_are(tmp_path: Path) -> None:
    photos(tmp_path)
    found = read(tmp_path, PIXELS, Preprocessing(labels=("wren", "gull", "robin")))
    assert found.y is not None
    assert found.y.tolist() == [2, 2, 0, 0]
    with pytest.raises(DataError, match="'wren'"):
        read(tmp_path, PIXELS, Preprocessing(labels=("gull", "robin")))
    assert read(tmp_path, PIXELS, Preprocessing(labels=("gull", "heron"))).y is None


def test_channels_are_turned_around_and_mean_and_std_go_by_channel(tmp_path: Path) -> None:
    x = photos(tmp_path)
    how = Preprocessing(mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0), bgr=True, asked=True)
    assert np.allclose(read(tmp_path, FLOAT, how).x, (x[..., ::-1] - [1, 2, 3]) / [2, 4, 8], atol=1e-5)


def test_images_whose_unit_nobody_knows_are_refused(tmp_path: Path) -> None:
    photos(tmp_path)
    with pytest.raises(DataError, match="--scale 1/255"):
        read(tmp_path, FLOAT)
    (tmp_path / "wren" / "z.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    with pytest.raises(DataError, match=r"z.png is no readable image"):
        read(tmp_path, PIXELS)


def test_a_table_has_features_by_column_and_classes_by_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,label,b\n1,cat,2\n3,ant,4.5\n")
    found = read(tmp_path / "t.csv")
    assert found.x.tolist() == [[1, 2], [3, 4.5]]
    assert found.names == ("ant", "cat")
    assert found.y is not None
    assert found.y.tolist() == [1, 0]
    for wrong, told in (("a,b\n1,x\n", "line 2"), ("a,b\n1\n", "line 2"), ("a,b\n", "no sample"), ("", "no sample")):
        (tmp_path / "t.csv").write_text(wrong)
        with pytest.raises(DataError, match=told):
            read(tmp_path / "t.csv")


def tone(path: Path, rate: int = 16000, width: int = 2) -> NDArray[np.float32]:
    y = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(rate)
        whole = np.rint(y * 2 ** (8 * width - 1)).astype(np.int64) + (128 if width == 1 else 0)
        file.writeframes(whole.astype("<i8").view(np.uint8).reshape(-1, 8)[:, :width].tobytes())
    return y.astype(np.float32)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_sounds_are_minus_one_to_one_in_every_width(tmp_path: Path, width: int) -> None:
    y = tone(tmp_path / "a.wav", width=width)
    port = Port("x", 0, (1, 20000), np.dtype(np.float32), 0.0, 0)
    found = read(tmp_path, port).x[0]
    assert np.allclose(found[:16000], y, atol=2.0 ** (1 - 8 * width))
    assert not found[16000:].any()
    with pytest.raises(DataError, match="resample"):
        read(tmp_path, port, Preprocessing(rate=8000))


@pytest.mark.parametrize("kind", ["log-mel", "mfcc"])
def test_spectrograms_are_those_of_tf_signal(kind: str) -> None:
    tf = pytest.importorskip("tensorflow")
    sound = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    columns = 40 if kind == "log-mel" else 10
    frames = tf.signal.stft(sound, 480, 320, 512, window_fn=tf.signal.hann_window)
    bands = tf.signal.linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 4000.0)
    right = tf.math.log(tf.abs(frames) @ bands + 1e-6)
    if kind == "mfcc":
        right = tf.signal.mfccs_from_log_mel_spectrograms(right)[:, :10]
    found = spectrogram(sound, (49, columns, 1), kind, 16000, 30.0, 20.0)
    assert np.allclose(found[..., 0], right, atol=2e-3)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([".npz", ".npy", ".csv", ".wav", ".png"]), st.integers(0, 10**6))
def test_any_bytes_are_samples_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, kind: str, at: int
) -> None:
    folder = tmp_path_factory.mktemp("noise")
    good = io.BytesIO()
    if kind == ".npz":
        np.savez(good, x=np.zeros((2, 48), np.float32))
    elif kind == ".png":
        Image.fromarray(pixels(1)[0]).save(good, "PNG")
    elif kind == ".wav":
        tone(folder / "b.wav")
        good.write((folder / "b.wav").read_bytes()[:300])
    else:
        np.save(good, np.zeros((2, 48), np.float32))
    whole = bytearray(good.getvalue())
    whole[at % len(whole) : at % len(whole) + len(noise)] = noise
    (folder / f"a{kind}").write_bytes(bytes(whole))
    where = folder if kind in (".wav", ".png") else folder / f"a{kind}"
    with contextlib.suppress(DataError):
        read(where, Port("x", 0, (1, 48) if kind == ".wav" else PIXELS.shape, INT8, 1.0, -128))
