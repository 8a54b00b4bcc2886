"""HDF5 files against h5py: what we write it reads exactly, what it writes we read exactly, and what no
model file needs is refused with its name."""

import json
import os
import subprocess
import time

import h5py
import numpy as np
import pytest

BFLOAT16 = "bfloat16"
NUMPY = {
    "bool": np.bool_, "uint8": np.uint8, "int8": np.int8, "int16": np.int16, "int32": np.int32,
    "int64": np.int64, "float16": np.float16, "float32": np.float32, "float64": np.float64,
    BFLOAT16: np.uint16,  # its bits
}  # fmt: skip
SHAPES = [(), (0,), (3, 0, 2), (1,), (7,), (5, 3), (2, 3, 4, 5), (1, 2, 1, 2, 1, 2, 1, 2), (300, 257)]


def h5_bfloat16():
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def random_bits(dtype, shape, random):
    """Every bit pattern of the type, NaN and infinity included."""
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(np.bool_)
    kind = np.dtype(NUMPY[dtype])
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(random.bytes(count * kind.itemsize), kind).reshape(shape)


def all_tensors(seed):
    random = np.random.default_rng(seed)
    return {
        f"model.layers.{i}.{dtype}.weight": (dtype, random_bits(dtype, shape, random))
        for dtype in NUMPY
        for i, shape in enumerate(SHAPES)
    }


@pytest.fixture
def tool(drivers):
    def start(*words, check=True, **environment):
        command = [str(drivers / "hdf5_tool"), *map(str, words)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, env=os.environ | environment
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return start


def write_with_tool(tool, folder, tensors, name="model.h5", way="forward"):
    spec = [{"name": n, "dtype": d, "shape": a.shape} for n, (d, a) in tensors.items()]
    (folder / "spec.json").write_text(json.dumps(spec))
    (folder / "data").write_bytes(b"".join(a.tobytes() for _, a in tensors.values()))
    tool("make", folder / "spec.json", folder / "data", folder / name, way)
    return folder / name


def read_with_tool(tool, path):
    data = path.parent / (path.name + ".data")
    lines = [json.loads(line) for line in tool("dump", path, data).stdout.splitlines()]
    rest = data.read_bytes()
    tensors = {}
    for line in lines:
        kind = np.dtype(NUMPY[line["dtype"]])
        size = int(np.prod(line["shape"], dtype=np.int64)) * kind.itemsize
        tensors[line["name"]] = (line["dtype"], np.frombuffer(rest[:size], kind).reshape(line["shape"]))
        rest = rest[size:]
    assert not rest
    return tensors


def assert_same(found, wanted):
    assert sorted(found) == sorted(wanted)
    for name, (dtype, array) in wanted.items():
        assert found[name][0] == dtype, name
        assert found[name][1].shape == array.shape, name
        assert found[name][1].tobytes() == array.tobytes(), name


def write_with_h5py(path, tensors, **how):
    with h5py.File(path, "w", **how) as file:
        for name, (dtype, array) in tensors.items():
            if dtype != BFLOAT16:
                file.create_dataset(name, data=array)
                continue
            space = h5py.h5s.create_simple(array.shape) if array.shape else h5py.h5s.create(h5py.h5s.SCALAR)
            dataset = h5py.h5d.create(file.id, name.encode(), h5_bfloat16(), space)
            if array.size:
                dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, array, mtype=h5_bfloat16())


def test_h5py_reads_what_we_write(tool, tmp_path):
    wanted = all_tensors(1)
    with h5py.File(write_with_tool(tool, tmp_path, wanted)) as file:
        assert sorted(file) == sorted(wanted)
        for name, (dtype, array) in wanted.items():
            dataset = file[name]
            assert dataset.shape == array.shape and dataset.chunks is None, name
            if dtype != BFLOAT16:
                assert dataset.dtype == array.dtype, name
                if array.size:
                    assert np.asarray(dataset[()]).tobytes() == array.tobytes(), name
            elif array.size:
                values = (array.astype(np.uint32) << 16).view(np.float32)
                np.testing.assert_array_equal(dataset.astype("float32")[()], values)
                raw = np.empty(array.shape, np.uint16)
                dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, raw, mtype=dataset.id.get_type())
                assert raw.tobytes() == array.tobytes()


@pytest.mark.parametrize("how", [{}, {"track_order": True}, {"libver": ("v108", "v108")}, {"libver": ("v110", "v110")}])
def test_we_read_what_h5py_writes(tool, tmp_path, how):
    wanted = all_tensors(2)
    write_with_h5py(tmp_path / "model.h5", wanted, **how)

    assert_same(read_with_tool(tool, tmp_path / "model.h5"), wanted)


def test_a_format_newer_than_the_library_is_refused_in_one_line(tool, tmp_path):
    with h5py.File(tmp_path / "model.h5", "w", libver="latest") as file:
        file["a"] = np.ones((4,), np.bool_)

    done = tool("dump", tmp_path / "model.h5", tmp_path / "out", check=False)

    # A newer HDF5 than 1.10 under our programs may read it.
    assert done.returncode in (0, 4) and done.stderr.count("\n") <= 1


def test_a_round_trip_keeps_order_names_and_bits(tool, tmp_path):
    wanted = all_tensors(3) | {"é.字.🦙": ("float32", np.ones((2,), np.float32))}
    names = list(wanted)
    np.random.default_rng(0).shuffle(names)
    wanted = {name: wanted[name] for name in names}

    found = read_with_tool(tool, write_with_tool(tool, tmp_path, wanted))

    assert list(found) == names
    assert_same(found, wanted)


def test_attributes_are_not_looked_at(tool, tmp_path):
    wanted = {"a": ("float32", np.ones((3,), np.float32))}
    write_with_h5py(tmp_path / "model.h5", wanted)
    with h5py.File(tmp_path / "model.h5", "a") as file:
        file.attrs["format"] = "mine"
        file["a"].attrs["self"] = file.ref

    assert_same(read_with_tool(tool, tmp_path / "model.h5"), wanted)


def test_the_same_bytes_whatever_the_order_of_writing_and_the_time(tool, tmp_path):
    tensors = all_tensors(4)
    first = write_with_tool(tool, tmp_path, tensors, "a.h5").read_bytes()
    time.sleep(1.1)  # HDF5's own times count seconds

    assert write_with_tool(tool, tmp_path, tensors, "b.h5", "backward").read_bytes() == first
    assert write_with_tool(tool, tmp_path, tensors, "c.h5", "7").read_bytes() == first
    # Memory that was not set would show as a difference here.
    assert write_with_tool(tool, tmp_path, tensors, "d.h5", "forward").read_bytes() == first


def test_many_tensors(tool, tmp_path):
    wanted = {f"model.layers.{i}.weight": ("int32", np.full((2, 3), i, np.int32)) for i in range(5000)}
    path = write_with_tool(tool, tmp_path, wanted)

    found = read_with_tool(tool, path)

    assert list(found) == list(wanted)
    assert_same(found, wanted)
    with h5py.File(path) as file:
        assert file["model.layers.4321.weight"][0, 0] == 4321


def test_big_tensors_begin_at_a_page(tool, tmp_path):
    wanted = {f"t{i}": ("uint8", np.zeros((70_000 + i,), np.uint8)) for i in range(3)}
    with h5py.File(write_with_tool(tool, tmp_path, wanted)) as file:
        assert [file[name].id.get_offset() % 4096 for name in wanted] == [0, 0, 0]


def chunked(file, _):
    file.create_dataset("bad", data=np.ones((8, 8), np.float32), chunks=(4, 4))


def compressed(file, _):
    file.create_dataset("bad", data=np.ones((8, 8), np.float32), compression="gzip")


def growing(file, _):
    file.create_dataset("bad", data=np.ones((8,), np.float32), maxshape=(None,))


def compact(file, _):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"bad", h5py.h5t.IEEE_F32LE, space, dcpl=properties)


def external_storage(file, folder):
    (folder / "elsewhere").write_bytes(bytes(64))
    file.create_dataset("bad", (16,), np.float32, external=[(str(folder / "elsewhere"), 0, 64)])


def virtual(file, folder):
    with h5py.File(folder / "source.h5", "w") as other:
        other["data"] = np.ones((4,), np.float32)
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource(str(folder / "source.h5"), "data", (4,))
    file.create_virtual_dataset("bad", layout)


def filtered_by_a_plugin(file, _):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file.id, b"bad", h5py.h5t.IEEE_F32LE, space, dcpl=properties)


def make(what, **how):
    return lambda file, _: file.create_dataset("bad", data=what, **how)


def link(what):
    return lambda file, _: file.__setitem__("bad", what)


def never_written(file, _):
    file.create_dataset("bad", (4, 4), np.float32)


def twice(file, _):
    file["good2"] = np.ones((4,), np.float32)
    file["bad"] = file["good2"]


REFUSED = {
    "group": (lambda file, _: file.create_group("bad"), "is a group"),
    "group_inside": (lambda file, _: file.create_dataset("bad/inner", data=[1.0]), "is a group"),
    "soft_link": (link(h5py.SoftLink("/good")), "is a soft link"),
    "dangling_link": (link(h5py.SoftLink("/nowhere")), "is a soft link"),
    "external_link": (link(h5py.ExternalLink("/etc/passwd", "/x")), "link to another file"),
    "link_to_itself": (lambda file, _: file.__setitem__("bad", file["/"]), "is a group"),
    "second_name": (twice, "share bytes"),
    "named_type": (link(np.dtype("f4")), "is not a dataset"),
    "chunked": (chunked, "is chunked"),
    "compressed": (compressed, "is chunked"),
    "growing": (growing, "is chunked"),
    "plug_in_filter": (filtered_by_a_plugin, "is chunked"),
    "compact": (compact, "is not contiguous"),
    "external_storage": (external_storage, "keeps its data in another file"),
    "virtual": (virtual, "is virtual"),
    "never_written": (never_written, "has no data in the file"),
    "no_shape": (make(h5py.Empty("f4")), "has no shape"),
    "nine_dimensions": (make(np.ones((1,) * 9, np.float32)), "9 dimensions, the limit is 8"),
    "big_endian_float": (make(np.ones((4,), ">f4")), "32-bit big-endian float"),
    "big_endian_integer": (make(np.ones((4,), ">i8")), "64-bit big-endian integer"),
    "unsigned_16": (make(np.ones((4,), "u2")), "16-bit unsigned integer"),
    "unsigned_64": (make(np.ones((4,), "u8")), "64-bit unsigned integer"),
    "complex": (make(np.ones((4,), "c8")), "64-bit compound"),
    "text": (make("words"), "string"),
    "fixed_text": (make(np.array([b"abc"])), "24-bit string"),
    "compound": (make(np.zeros((2,), [("a", "f4"), ("b", "i4")])), "compound"),
    "opaque": (make(np.zeros((2,), "V5")), "40-bit opaque value"),
    "array": (make(np.zeros((2,), "(3,)f4")), ""),
    "enumeration": (
        make(np.zeros((2,), np.uint8), dtype=h5py.enum_dtype({"A": 0, "B": 1}, basetype="u1")),
        "8-bit enumeration",
    ),
    "long_double": (make(np.ones((2,), np.longdouble)), "128-bit float"),
    "reference": (
        lambda file, _: file.create_dataset("bad", data=file.ref, dtype=h5py.ref_dtype),
        "64-bit reference",
    ),
    "lists": (
        lambda file, _: file.create_dataset("bad", (2,), dtype=h5py.vlen_dtype(np.float32)),
        "list of variable length",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("libver", ["earliest", "v110"])
def test_refuses(tool, tmp_path, kind, libver):
    make_it, message = REFUSED[kind]
    path = tmp_path / "model.h5"
    with h5py.File(path, "w", libver=(libver, "v110")) as file:
        file["good"] = np.ones((4,), np.float32)
        make_it(file, tmp_path)
        if "bad" not in file and kind not in ("dangling_link", "external_link"):
            pytest.fail("the file was not made")
        if kind == "array" and file["bad"].shape != (2,):
            message = None  # h5py made plain dimensions of it

    done = tool("dump", path, tmp_path / "out", check=message is None)

    if message is not None:
        assert done.returncode == 4
        assert done.stderr.count("\n") == 1, "one line, and nothing of HDF5's own printing"
        assert str(path) in done.stderr and message in done.stderr


def test_a_plug_in_is_not_loaded(tool, tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        filtered_by_a_plugin(file, tmp_path)
    (tmp_path / "libcanary.so").write_bytes(b"not a library")

    done = tool("dump", path, tmp_path / "out", check=False, HDF5_PLUGIN_PATH=str(tmp_path))

    assert done.returncode == 4 and "is chunked" in done.stderr


def test_refuses_a_user_block(tool, tmp_path):
    with h5py.File(tmp_path / "model.h5", "w", userblock_size=512) as file:
        file["a"] = np.ones((4,), np.float32)

    done = tool("dump", tmp_path / "model.h5", tmp_path / "out", check=False)

    assert done.returncode == 4 and "does not begin as an HDF5 file" in done.stderr


def test_refuses_data_outside_the_file_or_shared(tool, tmp_path):
    """The old format has no checksum over the place of a dataset."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["before"] = np.ones(1234, np.float32)  # so that no other number equals a's place
        file["a"] = np.arange(1000, dtype=np.float32)
        file["b"] = np.arange(1000, dtype=np.float32)
        places = [file[name].id.get_offset() for name in "ab"]
    whole = path.read_bytes()
    place = places[0].to_bytes(8, "little")
    assert whole.count(place) == 1
    for wrong, message in [
        (places[0] + 8, "share bytes"),
        (places[1], "share bytes"),
        (len(whole) - 3999, "the file ends at"),
        (2**63 - 8, ""),
        (2**64 - 4096, ""),
    ]:
        (tmp_path / "bad.h5").write_bytes(whole.replace(place, wrong.to_bytes(8, "little")))
        done = tool("dump", tmp_path / "bad.h5", tmp_path / f"out{wrong}", check=False)
        assert done.returncode == 4 and message in done.stderr, (wrong, done.stderr)


def test_a_cut_or_foreign_file_is_refused(tool, tmp_path):
    whole = write_with_tool(tool, tmp_path, {"a": ("float32", np.ones((300, 300), np.float32))}).read_bytes()
    bad = tmp_path / "bad.h5"
    for text in [b"", b"\x89HDF", b"PK\x03\x04" + bytes(100), b'{"a": 1}', whole[:8], whole[:96], whole[:-1],
                 whole[: len(whole) // 2]]:  # fmt: skip
        bad.write_bytes(text)
        done = tool("dump", bad, tmp_path / f"out{len(text)}", check=False)
        assert done.returncode == 4 and str(bad) in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    assert tool("dump", tmp_path, tmp_path / "out", check=False).returncode == 4
    assert "No such file" in tool("dump", tmp_path / "no.h5", tmp_path / "out", check=False).stderr


def test_random_damage_to_the_structure_never_crashes_the_reader(tool, tmp_path):
    """HDF5 is no place for hostile files, which is why the manifest comes first; but chance alone must
    not bring the program down."""
    whole = write_with_tool(tool, tmp_path, {f"t{i}": ("int8", np.zeros((3,), np.int8)) for i in range(20)})
    whole = bytearray(whole.read_bytes())
    random = np.random.default_rng(5)
    for turn in range(100):
        damaged = bytearray(whole)
        damaged[random.integers(len(whole))] ^= 1 << int(random.integers(8))
        (tmp_path / "bad.h5").write_bytes(damaged)
        done = tool("dump", tmp_path / "bad.h5", tmp_path / f"out{turn}", check=False)
        assert done.returncode in (0, 4), (turn, done.stderr)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([("a/b", "int8", [1])], "'a/b': HDF5 takes the '/'"),
        ([("", "int8", [1])], "without a name"),
        ([("a\nb", "int8", [1])], "control characters"),
        ([(".", "int8", [1])], "tensor '.'"),
        ([("a" * 1025, "int8", [1])], "longer than 1024 bytes"),
        ([("a", "int8", [1]), ("a", "int8", [1])], "'a' appears twice"),
        ([("a", "int8", [1] * 9)], "more than 8 dimensions"),
    ],
)
def test_the_writer_refuses(tool, tmp_path, tensors, message):
    rows = [{"name": n, "dtype": d, "shape": s} for n, d, s in tensors]
    (tmp_path / "spec.json").write_text(json.dumps(rows))
    (tmp_path / "data").write_bytes(bytes(16))

    done = tool("make", tmp_path / "spec.json", tmp_path / "data", tmp_path / "a.h5", "forward", check=False)

    assert done.returncode == 5 and message in done.stderr
    assert not (tmp_path / "a.h5").exists()


def test_a_file_h5py_made_is_opened_only_if_listed(tool, tmp_path):
    write_with_h5py(tmp_path / "model.h5", {"a": ("float32", np.ones((3,), np.float32))})
    assert tool("require", tmp_path, "model.h5", check=False).returncode == 4

    tool("manifest", tmp_path)
    tool("require", tmp_path, "model.h5")
    tool("verify", tmp_path)

    with h5py.File(tmp_path / "model.h5", "a") as file:
        file["a"][0] = 2
    done = tool("require", tmp_path, "model.h5", check=False)
    assert done.returncode == 4 and "is damaged" in done.stderr
