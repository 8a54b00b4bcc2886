"""Hostile weight files, made here and never kept: each is refused by the rule that it breaks, in under
a second and 64 MB, and nothing in it is run (faults F36 to F39)."""

import json
import os
import pickle
import resource
import struct
import subprocess
import zipfile
import zlib

import pytest


@pytest.fixture
def refused(drivers, tmp_path):
    """Asserts that a file or folder is refused with exit code 4 and a message that has `part`."""

    def check(path, part):
        canary = tmp_path / "canary"
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [drivers / "weights_tool", "list", path], capture_output=True, text=True, timeout=20,
            cwd=tmp_path,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Its own seconds, not those that a busy machine makes it wait.
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert done.returncode == 4, done.stderr
        assert part in done.stderr and str(path) in done.stderr
        assert not canary.exists()
        if "FG_SLOW_BUILD" not in os.environ:  # sanitizers take more of both
            assert seconds < 1, done.stderr
            assert int(done.stderr.rsplit("VmHWM:", 1)[1].split()[0]) < 64 * 1024, done.stderr

    return check


# --- F36: the pickle


def global_(module, name):
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def integer(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_(*items):
    return b"(" + b"".join(items) + b"t"


def storage(kind="FloatStorage", key="0", count=4, tag="storage"):
    return tuple_(text(tag), global_("torch", kind), text(key), text("cpu"), integer(count)) + b"Q"


NO_HOOKS = global_("collections", "OrderedDict") + b")R"


def tensor(place=None, offset=0, size=(4,), stride=(1,), hooks=NO_HOOKS, more=()):
    return (
        global_("torch._utils", "_rebuild_tensor_v2")
        + tuple_(
            storage() if place is None else place, integer(offset), tuple_(*map(integer, size)),
            tuple_(*map(integer, stride)), b"\x89", hooks, *more,
        )
        + b"R"
    )  # fmt: skip


def state_dict(*pairs):
    items = b"".join(text(name) + value for name, value in pairs)
    return b"\x80\x02}(" + items + b"u."


def archive(data, records=None, prefix="archive/", **more):
    """The parts of a `.bin` file in which `data` is the pickle."""
    parts = {prefix + "data.pkl": data, prefix + "byteorder": b"little", prefix + "version": b"3\n"}
    parts |= {prefix + "data/" + key: raw for key, raw in (records or {"0": bytes(16)}).items()}
    return parts | more


def write_zip(path, parts, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in parts.items():
            file.writestr(name, data)


class System:
    def __reduce__(self):
        return os.system, ("touch canary",)


class Eval:
    def __reduce__(self):
        return eval, ("open('canary', 'w').close()",)


GOOD = tensor()
CALL = global_("posix", "system") + b"(" + text("touch canary") + b"tR"
CHAIN = (
    global_("builtins", "getattr") + b"(" + global_("builtins", "__import__") + b"(" + text("os")
    + b"tR" + text("system") + b"tR(" + text("touch canary") + b"tR"
)  # fmt: skip
PICKLES = {
    "os.system": (pickle.dumps({"w": System()}, 2), "posix.system"),
    "eval": (pickle.dumps({"w": Eval()}, 2), "eval"),
    "system instead of a tensor": (state_dict(("w", CALL)), "posix.system"),
    "getattr chain": (state_dict(("w", CHAIN)), "builtins.getattr"),
    "dotted name": (state_dict(("w", global_("torch", "os.system"))), "torch.os.system"),
    "name of a module": (state_dict(("w", global_("torch.serialization", "os"))), "torch.serialization.os"),
    "unknown global": (state_dict(("w", global_("numpy.core.multiarray", "_reconstruct"))), "numpy"),
    "other rebuild function": (
        state_dict(("w", global_("torch._utils", "_rebuild_device_tensor_from_numpy"))),
        "_rebuild_device_tensor_from_numpy",
    ),
    "global without end": (b"\x80\x02c" + b"a" * 10000, "a name without end"),
    "INST": (b"\x80\x02(" + text("touch canary") + b"iposix\nsystem\n.", "instruction 0x69"),
    "OBJ": (b"\x80\x02(" + global_("torch", "Size") + b"o.", "instruction 0x6f"),
    "NEWOBJ": (b"\x80\x02" + global_("torch", "Size") + b")\x81.", "instruction 0x81"),
    "STACK_GLOBAL": (b"\x80\x02" + text("posix") + text("system") + b"\x93.", "instruction 0x93"),
    "EXT1": (b"\x80\x02\x82\x01.", "instruction 0x82"),
    "PERSID": (b"\x80\x02P0\n.", "instruction 0x50"),
    "protocol 4": (pickle.dumps({}, 4), "protocol 4"),
    "protocol 0": (pickle.dumps({}, 0), "does not begin with a protocol"),
    "protocol 255": (b"\x80\xff.", "protocol 255"),
    "empty": (b"", "does not begin with a protocol"),
    "no stop": (b"\x80\x02}", "ends inside"),
    "cut number": (b"\x80\x02J\x00", "ends inside"),
    "string past the end": (b"\x80\x02X\xff\xff\xff\xffabc.", "ends inside"),
    "bad UTF-8": (b"\x80\x02X\x02\x00\x00\x00\xc3\x28.", "UTF-8"),
    "behind the end": (state_dict(("w", GOOD)) + b"}.", "bytes follow"),
    "empty stack": (b"\x80\x02.", "something else than a dictionary"),
    "two values": (b"\x80\x02}}.", "something else than a dictionary"),
    "pop of nothing": (b"\x80\x02R.", "stack is empty"),
    "tuple of nothing": (b"\x80\x02\x87.", "no value"),
    "set on nothing": (b"\x80\x02s.", "no dictionary"),
    "set across a mark": (b"\x80\x02}(" + text("a") + text("b") + b"s.", "no dictionary"),
    "reduce across a mark": (b"\x80\x02" + global_("torch", "Size") + b"()R.", "stack is empty"),
    "append to a dictionary": (b"\x80\x02}" + text("a") + b"a.", "no list"),
    "no mark": (b"\x80\x02}u.", "lacks its mark"),
    "odd items": (b"\x80\x02}(" + text("a") + b"u.", "lacks its value"),
    "get before put": (b"\x80\x02h\x05.", "did not keep"),
    "memo gap": (b"\x80\x02}r\xff\xff\xff\x7f.", "gap in its memo"),
    "memo bomb": (
        b"\x80\x02]" + b"".join(b"q" + bytes([i]) + b"(" + (b"h" + bytes([i])) * 50 + b"t" for i in range(100)),
        "ends inside",
    ),
    "dictionary bomb": (b"\x80\x02" + b"}0" * 1000, "instruction 0x30"),
    "many dictionaries": (b"\x80\x02]" + b"}a" * 4_000_000, "more values than any model needs"),
    "many tuples": (b"\x80\x02]" + b")a" * 4_000_000, "more values than any model needs"),
    "many strings": (b"\x80\x02]" + b"X\0\0\0\0a" * 2_500_000, "more values than any model needs"),
    "much memo": (b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i) for i in range(3_000_000)), "more values"),
    "stack bomb": (b"\x80\x02" + b"N" * 1_000_000, "65536"),
    "mark bomb": (b"\x80\x02" + b"(" * 1_000_000, "deeper than 64"),
    "deep nesting": (b"\x80\x02" + b"]" * 60_000 + b"a" * 59_999 + b".", "something else than a dictionary"),
    "deep tuples": (b"\x80\x02)" + b"\x85" * 15_000_000 + b".", "more values than any model needs"),
    "longer than 16 MiB": (b"\x80\x02" + b"N" * (17 << 20), "longer than 16 MiB"),
    "list in itself": (b"\x80\x02]q\x00h\x00a.", "something else than a dictionary"),
    "dictionary in itself": (b"\x80\x02}q\x00(" + text("w") + b"h\x00u.", "is a dictionary"),
    "BUILD on a tensor": (state_dict(("w", GOOD + b"}b")), "sets attributes"),
    "BUILD on a plain dictionary": (state_dict(("w", GOOD))[:-1] + b"}b.", "sets attributes"),
    "BUILD with a tuple": (b"\x80\x02" + NO_HOOKS + b")b.", "dictionary of attributes"),
    "REDUCE of a dictionary": (b"\x80\x02})R.", "not a function"),
    "REDUCE of a storage class": (b"\x80\x02" + global_("torch", "FloatStorage") + b")R.", "not a function"),
    "REDUCE of a dtype": (b"\x80\x02" + global_("torch", "float16") + b")R.", "not a function"),
    "OrderedDict with arguments": (b"\x80\x02" + global_("collections", "OrderedDict") + b"(]tR.", "with arguments"),
    "Size of a string": (b"\x80\x02" + global_("torch", "Size") + b"(" + text("a") + b"tR.", "torch.Size"),
    "persistent id is a string": (b"\x80\x02" + text("0") + b"Q.", "no tuple"),
    "persistent id of another kind": (state_dict(("w", tensor(storage(tag="module")))), "persistent id"),
    "persistent id without class": (
        b"\x80\x02" + tuple_(text("storage"), text("x"), text("0"), text("cpu"), integer(4)) + b"Q.",
        "persistent id",
    ),
    "key with a path": (state_dict(("w", tensor(storage(key="../0")))), "not a number"),
    "key too long": (state_dict(("w", tensor(storage(key="0" * 11)))), "not a number"),
    "storage in two types": (
        state_dict(("a", tensor()), ("b", tensor(storage("IntStorage")))),
        "described in two ways",
    ),
    "storage of negative size": (state_dict(("w", tensor(storage(count=-4)))), "negative size"),
    "unknown storage class": (state_dict(("w", tensor(storage("ComplexFloatStorage")))), "ComplexFloatStorage"),
    "hooks": (state_dict(("w", tensor(hooks=b"}" + text("a") + text("b") + b"s"))), "hooks"),
    "metadata": (state_dict(("w", tensor(more=[b"}" + text("neg") + b"\x88s"]))), "metadata"),
    "too few arguments": (b"\x80\x02" + global_("torch._utils", "_rebuild_tensor_v2") + b")R.", "other arguments"),
    "tensor of a tensor": (state_dict(("w", tensor(GOOD))), "other arguments"),
    "parameter of a dictionary": (
        b"\x80\x02" + global_("torch._utils", "_rebuild_parameter") + b"(}\x88}tR.",
        "other arguments",
    ),
    "the same name twice": (state_dict(("w", GOOD), ("w", GOOD)), "appears twice"),
    "name too long": (state_dict(("w" * 1025, GOOD)), "longer than 1024"),
    # Bounds (F37)
    "negative offset": (state_dict(("w", tensor(offset=-4))), "negative"),
    "offset past the end": (state_dict(("w", tensor(offset=5, size=(0,)))), "begins behind the end"),
    "one past the end": (state_dict(("w", tensor(offset=1))), "past the end"),
    "size past the end": (state_dict(("w", tensor(size=(600_000,)))), "past the end"),
    "stride past the end": (state_dict(("w", tensor(size=(2, 2), stride=(1000, 1)))), "past the end"),
    "negative size": (state_dict(("w", tensor(size=(-1,)))), "negative"),
    "negative stride": (state_dict(("w", tensor(stride=(-1,)))), "negative"),
    "extent that wraps to 0": (
        state_dict(("w", tensor(size=(3, 2), stride=(2**63 - 1, 2)))),
        "past the end",
    ),
    "size that overflows": (state_dict(("w", tensor(size=(2**40, 2**40), stride=(0, 0)))), "overflows"),
    "huge expanded view": (state_dict(("w", tensor(size=(2**60,), stride=(0,)))), "more elements"),
    "integer of 2000 bits": (b"\x80\x02\x8a\xfa" + b"\x7f" * 250 + b".", "64 bits"),
    "9 dimensions": (state_dict(("w", tensor(size=(1,) * 9, stride=(1,) * 9))), "8 dimensions"),
    "strides missing": (state_dict(("w", tensor(size=(2, 2), stride=(1,)))), "number of strides"),
    "size is no tuple": (
        b"\x80\x02" + global_("torch._utils", "_rebuild_tensor_v2")
        + tuple_(storage(), integer(0), b"]", b")", b"\x89", NO_HOOKS) + b"R.",
        "not a tuple",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PICKLES)
def test_hostile_pickle_is_refused_and_nothing_is_run(refused, tmp_path, case):
    data, part = PICKLES[case]
    write_zip(tmp_path / "a.bin", archive(data))

    refused(tmp_path / "a.bin", part)


def test_the_pickles_without_their_fault_are_read(drivers, tmp_path):
    write_zip(tmp_path / "a.bin", archive(state_dict(("w", GOOD), ("v", tensor(offset=1, size=(3,))))))

    subprocess.run([drivers / "weights_tool", "list", tmp_path / "a.bin"], check=True)


# --- F37: the zip archive


def good_zip(path):
    write_zip(path, archive(state_dict(("w", GOOD))))
    return bytearray(path.read_bytes())


def find_central(raw, name):
    """Where the central directory's entry of `name` begins."""
    return raw.rindex(name.encode()) - 46


def find_local(raw, name):
    return raw.index(name.encode()) - 30


def patched(raw, offset, kind, value):
    struct.pack_into(kind, raw, offset, value)
    return raw


def central(name, offset, kind, value):
    return lambda raw: patched(raw, find_central(raw, name) + offset, kind, value)


def local(name, offset, kind, value):
    return lambda raw: patched(raw, find_local(raw, name) + offset, kind, value)


def end(offset, kind, value):
    return lambda raw: patched(raw, len(raw) - 22 + offset, kind, value)


def renamed(old, new):
    return lambda raw: raw.replace(old.encode(), new.encode())


def overlapping(raw):
    """The entry of data/0 says it begins where data.pkl does, which tells the same of itself."""
    victim = find_central(raw, "archive/version")
    header = find_local(raw, "archive/data/0")
    place = bytes(raw).index(b"PK\x03\x04", header) + 30 + len("archive/data/0")
    # A whole local header of "archive/version" inside the data of data/0.
    name = b"archive/version"
    inner = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
    assert len(inner) <= 64
    raw[place : place + len(inner)] = inner
    patched(raw, victim + 20, "<I", 0)
    patched(raw, victim + 24, "<I", 0)
    return patched(raw, victim + 42, "<I", place)


ZIPS = {
    "not a zip": (lambda raw: b"hello" * 100, "does not begin with PK"),
    "empty": (lambda raw: b"", "does not begin with PK"),
    "cut": (lambda raw: raw[:-1], "does not end with an end record"),
    "trailing bytes": (lambda raw: raw + b"x", "does not end with an end record"),
    "comment": (lambda raw: patched(raw, len(raw) - 2, "<H", 1) + b"x", "does not end with an end record"),
    "bytes before the directory": (lambda raw: raw[:-22] + b"x" * 8 + raw[-22:], "does not fill"),
    "deflated by the directory": (central("archive/data/0", 10, "<H", 8), "compressed"),
    "deflated by the header": (local("archive/data/0", 8, "<H", 8), "other flags"),
    "encrypted": (central("archive/data/0", 8, "<H", 1), "encrypted"),
    "unknown flags": (central("archive/data/0", 8, "<H", 1 << 6), "unknown flags"),
    "two sizes": (central("archive/data/0", 20, "<I", 8), "two sizes"),
    "another size in the header": (local("archive/data/0", 22, "<I", 8), "another size"),
    "another name in the header": (local("archive/data/0", 30, "<B", ord("b")), "another name"),
    "record shorter than declared": (
        lambda raw: central("archive/data/0", 20, "<I", 8)(central("archive/data/0", 24, "<I", 8)(
            local("archive/data/0", 18, "<I", 8)(local("archive/data/0", 22, "<I", 8)(raw)))),
        "has 8 bytes, but its storage is 4 elements of float32",
    ),
    "size past the end": (
        lambda raw: central("archive/data/0", 20, "<I", 1 << 30)(central("archive/data/0", 24, "<I", 1 << 30)(raw)),
        "reaches past the end",
    ),
    "header past the end": (central("archive/data/0", 42, "<I", 1 << 30), "not where the central"),
    "header in the middle": (central("archive/data/0", 42, "<I", 5), "not where the central"),
    "zip64 size that is not there": (central("archive/data/0", 24, "<I", 0xFFFFFFFF), "lacks its zip64"),
    "directory size": (end(12, "<I", 10), "does not fill"),
    "directory offset": (end(16, "<I", 1 << 30), "does not fill"),
    "zip64 directory that is not there": (end(16, "<I", 0xFFFFFFFF), "zip64 end record is missing"),
    "two counts": (end(8, "<H", 3), "two entry counts"),
    "too many": (lambda raw: end(8, "<H", 60000)(end(10, "<H", 60000)(raw)), "more entries than"),
    "too few": (lambda raw: end(8, "<H", 3)(end(10, "<H", 3)(raw)), "longer than its entries"),
    "several disks": (end(4, "<H", 1), "several disks"),
    "name that climbs": (renamed("archive/data/0", "archive/../../"), "leads outside"),
    "name from the root": (renamed("archive/data/0", "/rchive/data/0"), "leads outside"),
    "name with a backslash": (renamed("archive/data/0", "archive\\data/0"), "leads outside"),
    "name with NUL": (renamed("archive/data/0", "archive/data\0\0"), "leads outside"),
    "two folders": (renamed("archive/data/0", "brchive/data/0"), "more than one folder"),
    "unknown record": (renamed("archive/data/0", "archive/atad/0"), "does not belong there"),
    "no pickle": (renamed("archive/data.pkl", "archive/data/000"), "no record data.pkl"),
    "no storage": (renamed("archive/data/0", "archive/data/1"), "no record data/0"),
    "big endian": (lambda raw: raw.replace(b"little", b"big000"), "little-endian"),
    "overlapping entries": (overlapping, "overlap"),
}  # fmt: skip


@pytest.mark.parametrize("case", ZIPS)
def test_hostile_zip_is_refused(refused, tmp_path, case):
    change, part = ZIPS[case]
    if case == "overlapping entries":
        write_zip(tmp_path / "a.bin", archive(state_dict(("w", tensor(storage(count=32), size=(32,)))), {"0": bytes(128)}))
        raw = bytearray((tmp_path / "a.bin").read_bytes())
    else:
        raw = good_zip(tmp_path / "a.bin")
    (tmp_path / "a.bin").write_bytes(change(raw))

    refused(tmp_path / "a.bin", part)


def test_a_deflated_bomb_is_refused(refused, tmp_path):
    data = state_dict(("w", tensor(storage(count=1 << 25), size=(1 << 25,))))
    write_zip(tmp_path / "a.bin", archive(data, {"0": bytes(1 << 27)}), zipfile.ZIP_DEFLATED)

    refused(tmp_path / "a.bin", "compressed")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.bin", "w") as file:
        for name, data in archive(state_dict(("w", GOOD))).items():
            file.writestr(name, data)
        file.writestr("archive/data/0", bytes(16))

    refused(tmp_path / "a.bin", "appears twice")


def zip64_file(size=None, count=None, begin=None, extra_numbers=None, locator=None):
    """One small stored entry said in zip64 terms throughout, true where nothing else is asked for."""
    data, name = state_dict(), b"archive/data.pkl"
    numbers = extra_numbers or [len(data), len(data)]
    extra = struct.pack("<HH", 1, 8 * len(numbers)) + struct.pack(f"<{len(numbers)}Q", *numbers)
    fields = struct.pack("<HHHHIIIHH", 0, 0, 0, 33, zlib.crc32(data), 2**32 - 1, 2**32 - 1, len(name), len(extra))
    entry = struct.pack("<IH", 0x04034B50, 45) + fields + name + extra + data
    directory = struct.pack("<IHH", 0x02014B50, 45, 45) + fields + bytes(14) + name + extra
    end64 = struct.pack(
        "<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, *[count or 1] * 2, size or len(directory),
        begin or len(entry),
    )  # fmt: skip
    place = len(entry) + len(directory) if locator is None else locator
    tail = struct.pack("<IIQI", 0x07064B50, 0, place, 1)
    tail += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return entry + directory + end64 + tail


@pytest.mark.parametrize(
    "change, part",
    [
        ({"size": 1 << 62}, "does not fill"),
        ({"begin": (1 << 64) - 1}, "does not fill"),
        ({"count": 1 << 40}, "more than"),
        ({"extra_numbers": [1 << 60, 1 << 60]}, "reaches past the end"),
        ({"extra_numbers": [8, 9]}, "two sizes"),
        ({"extra_numbers": [8]}, "lacks its zip64"),
        ({"extra_numbers": [8, 8, 0]}, "not asked for"),
        ({"locator": 0}, "locator"),
        ({"locator": (1 << 64) - 8}, "locator"),
    ],
)
def test_zip64_lies_are_refused(refused, tmp_path, change, part):
    (tmp_path / "a.bin").write_bytes(zip64_file(**change))

    refused(tmp_path / "a.bin", part)


def test_honest_zip64_is_read(drivers, tmp_path):
    (tmp_path / "a.bin").write_bytes(zip64_file())

    subprocess.run([drivers / "weights_tool", "list", tmp_path / "a.bin"], check=True)


def test_a_huge_sparse_archive_costs_nothing(refused, tmp_path):
    with open(tmp_path / "a.bin", "wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(1 << 40)

    refused(tmp_path / "a.bin", "does not end with an end record")


# --- F38: safetensors


def header(document, data=b"", length=None):
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)} | more


TWO = {"a": entry(), "b": entry(offsets=(8, 16))}
W = {"w": entry()}
SAFETENSORS = {
    "empty file": (b"", "fewer than the 8"),
    "7 bytes": (bytes(7), "fewer than the 8"),
    "header length 0": (bytes(8), "does not begin with '{'"),
    "header length 2^63": (header(W, bytes(8), 2**63), "more than 100000000"),
    "header length 2^64-1": (header(W, bytes(8), 2**64 - 1), "more than 100000000"),
    "header longer than the file": (header(W, b"", 1000), "more than the file"),
    "leading space": (header(b" " + json.dumps(W).encode(), bytes(8)), "does not begin with '{'"),
    "an array": (header(b"[]"), "does not begin with '{'"),
    "not JSON": (header(b"{hello}"), "not JSON"),
    "two documents": (header(b"{}{}"), "not JSON"),
    "not UTF-8": (header(b'{"\xff": {}}'), "UTF-8"),
    "lone surrogate": (header(b'{"\\ud800": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)), "surrogate"),
    "tensor twice": (
        header(b'{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'),
        "appears twice",
    ),
    "dtype twice": (header(b'{"w":{"dtype":"F32","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'), "dtype twice"),
    "metadata twice": (header(b'{"__metadata__":{},"__metadata__":{}}'), "twice"),
    "metadata key twice": (header(b'{"__metadata__":{"a":"b","a":"c"}}'), "twice"),
    "metadata of numbers": (header({"__metadata__": {"a": 1}}), "not allowed in __metadata__"),
    "metadata is a list": (header({"__metadata__": []}), "not allowed in __metadata__"),
    "unknown key": (header({"w": entry(extra=1)}, bytes(8)), "unknown key"),
    "no dtype": (header({"w": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)), "lacks"),
    "one offset": (header({"w": entry(offsets=(0,))}, bytes(8)), "lacks"),
    "three offsets": (header({"w": entry(offsets=(0, 8, 8))}, bytes(8)), "more than two"),
    "tensor is a number": (header({"w": 1}), "not allowed"),
    "shape is a number": (header({"w": {"dtype": "F32", "shape": 2, "data_offsets": [0, 8]}}), "not allowed"),
    "nested shape": (header({"w": entry(shape=([2],))}, bytes(8)), "not allowed"),
    "hole": (header({"a": entry(), "b": entry(offsets=(12, 20))}, bytes(20)), "hole"),
    "hole at the start": (header({"a": entry(offsets=(4, 12))}, bytes(12)), "hole"),
    "overlap": (header({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "overlaps"),
    "same place": (header({"a": entry(), "b": entry()}, bytes(8)), "overlaps"),
    "past the end": (header(TWO, bytes(15)), "past the end"),
    "trailing bytes": (header(W, bytes(9)), "behind the last tensor"),
    "no tensors but data": (header({}, bytes(9)), "behind the last tensor"),
    "end before begin": (header({"w": entry(shape=(0,), offsets=(8, 0))}, bytes(8)), "ends before"),
    "shape smaller than data": (header({"w": entry(shape=(1,))}, bytes(8)), "need 4"),
    "shape larger than data": (header({"w": entry(shape=(3,))}, bytes(8)), "need 12"),
    "shape overflows to the right size": (header({"w": entry(shape=(2**32, 2**32), offsets=(0, 0))}), "overflows"),
    "bytes overflow": (header({"w": entry("F64", shape=(2**61,), offsets=(0, 0))}), "overflows"),
    "size above 64 bits": (header({"w": entry(shape=(2**64,))}, bytes(8)), "not whole or too large"),
    "negative size": (header({"w": entry(shape=(-2,))}, bytes(8)), "negative"),
    "size 2.0": (header({"w": entry(shape=(2.0,))}, bytes(8)), "not whole"),
    "offset 2^64-1": (header({"w": entry(offsets=(0, 2**64 - 1))}, bytes(8)), "past the end"),
    "unknown dtype": (header({"w": entry("F33")}, bytes(8)), "F33"),
    "fp8": (header({"w": entry("F8_E4M3", (8,))}, bytes(8)), "F8_E4M3"),
    "dtype in small letters": (header({"w": entry("f32")}, bytes(8)), "f32"),
    "dtype is a number": (header({"w": entry(1)}, bytes(8)), "not allowed"),
    "9 dimensions": (header({"w": entry(shape=(1,) * 8 + (2,))}, bytes(8)), "8 dimensions"),
    "long name": (header({"w" * 1025: entry()}, bytes(8)), "1024"),
    "deep nesting": (header(b'{"a":' * 100000), "unknown key"),
    "deep arrays": (header(b'{"w":{"shape":' + b"[" * 10_000_000), "not allowed"),
    "one string of 90 MB": (header(b'{"' + b"x" * 90_000_000), "4 MiB"),
    "one number of 90 MB": (header(b'{"w":{"shape":[' + b"1" * 90_000_000), "4 MiB"),
    "90 MB of spaces": (header(b"{" + b" " * 90_000_000), "4 MiB"),
    "90 MB of metadata": (header(b'{"__metadata__":{' + b'"a":"' + b"x" * 90_000_000 + b'"}}'), "4 MiB"),
    "a million tensors": (
        header(b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(1_000_000)) + b"}"),
        "more than 100000 tensors",
    ),
    "a million metadata keys": (
        header(b'{"__metadata__":{' + b",".join(b'"%d":""' % i for i in range(1_000_000)) + b"}}"),
        "too many keys",
    ),
    "git lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "git lfs pull"),
}  # fmt: skip


@pytest.mark.parametrize("case", SAFETENSORS)
def test_hostile_safetensors_is_refused_by_its_rule(refused, tmp_path, case):
    data, part = SAFETENSORS[case]
    (tmp_path / "a.safetensors").write_bytes(data)

    refused(tmp_path / "a.safetensors", part)


# --- F39: index.json and folders


def model_folder(path, total=16, files=("model-1.safetensors", "model-2.safetensors")):
    path.mkdir()
    for number, file in enumerate(files):
        (path / file).write_bytes(header({f"t{number}": entry()}, bytes(8)))
    weights = {f"t{number}": file for number, file in enumerate(files)}
    return {"metadata": {"total_size": total}, "weight_map": weights}


def raw_index(text_):
    return lambda index, folder: text_


def mapped(name, file):
    def change(index, folder):
        index["weight_map"][name] = file
        return index

    return change


def outside_link(index, folder):
    (folder.parent / "outside.safetensors").write_bytes(header({"t1": entry()}, bytes(8)))
    (folder / "model-2.safetensors").unlink()
    (folder / "model-2.safetensors").symlink_to("../outside.safetensors")
    return index


def absolute_link(index, folder):
    outside_link(index, folder)
    (folder / "model-2.safetensors").unlink()
    (folder / "model-2.safetensors").symlink_to(folder.parent / "outside.safetensors")
    return index


def index_link(index, folder):
    (folder.parent / "index.json").write_text(json.dumps(index))
    (folder / "model.safetensors.index.json").symlink_to("../index.json")


def dangling(index, folder):
    (folder / "model-2.safetensors").unlink()
    (folder / "model-2.safetensors").symlink_to("nothing")
    return index


def loop(index, folder):
    (folder / "model-2.safetensors").unlink()
    (folder / "model-2.safetensors").symlink_to("model-2.safetensors")
    return index


def fifo(index, folder):
    (folder / "model-2.safetensors").unlink()
    os.mkfifo(folder / "model-2.safetensors")
    return index


def as_folder(index, folder):
    (folder / "model-2.safetensors").unlink()
    (folder / "model-2.safetensors").mkdir()
    return index


def gone(index, folder):
    (folder / "model-2.safetensors").unlink()
    return index


def in_both_files(index, folder):
    (folder / "model-2.safetensors").write_bytes(header({"t0": entry()}, bytes(8)))
    del index["weight_map"]["t1"]
    return index


def without(name):
    def change(index, folder):
        del index["weight_map"][name]
        return index

    return change


def unnamed_tensor(index, folder):
    (folder / "model-2.safetensors").write_bytes(header({"t1": entry(), "t9": entry(offsets=(8, 16))}, bytes(16)))
    index["metadata"]["total_size"] = 24
    return index


def total(value):
    def change(index, folder):
        index["metadata"]["total_size"] = value
        return index

    return change


INDEXES = {
    "path": (mapped("t1", "sub/model-2.safetensors"), "not a plain file name"),
    "path that climbs": (mapped("t1", "../outside.safetensors"), "not a plain file name"),
    "absolute": (mapped("t1", "/etc/model.safetensors"), "not a plain file name"),
    "backslash": (mapped("t1", "..\\model.safetensors"), "not a plain file name"),
    "dot dot": (mapped("t1", ".."), "not a plain file name"),
    "empty name": (mapped("t1", ""), "not a plain file name"),
    "NUL": (mapped("t1", "model-2.safetensors\0x"), "not a plain file name"),
    "other suffix": (mapped("t1", "config.json"), "does not end with .safetensors"),
    "a number": (mapped("t1", 1), "only file names"),
    "an object": (mapped("t1", {}), "holds an object"),
    "a list": (mapped("t1", []), "an array"),
    "link outside": (outside_link, "leaves the model's folder"),
    "absolute link": (absolute_link, "leaves the model's folder"),
    "index is a link outside": (index_link, "leaves the model's folder"),
    "dangling link": (dangling, "missing"),
    "link to itself": (loop, "missing"),
    "pipe": (fifo, "not a regular file"),
    "folder": (as_folder, "not a regular file"),
    "missing file": (gone, "model-2.safetensors: missing"),
    "file that never was": (mapped("t1", "model-3.safetensors"), "model-3.safetensors: missing"),
    "tensor in the other file": (mapped("t1", "model-1.safetensors"), "but no file holds it"),
    "tensor in no file": (mapped("t9", "model-1.safetensors"), "but no file holds it"),
    "tensor not named": (unnamed_tensor, "does not name tensor 't9'"),
    "tensor twice": (
        raw_index('{"weight_map":{"t0":"model-1.safetensors","t0":"model-2.safetensors"}}'),
        "appears twice",
    ),
    "weight_map twice": (raw_index('{"weight_map":{},"weight_map":{}}'), "appears twice"),
    "no weight_map": (raw_index('{"metadata":{"total_size":1}}'), "no weight_map"),
    "weight_map is a list": (raw_index('{"weight_map":[]}'), "no weight_map"),
    "weight_map is a string": (raw_index('{"weight_map":"model.safetensors"}'), "not an object"),
    "weight_map is empty": (raw_index('{"weight_map":{}}'), "empty"),
    "not an object": (raw_index("[]"), "an array"),
    "not JSON": (raw_index("hello"), "not JSON"),
    "empty file": (raw_index(""), "not JSON"),
    "deep": (raw_index('{"metadata":' + '{"a":' * 100_000), "64 levels"),
    "deep arrays": (raw_index('{"x":' + "[" * 1_000_000), "64 levels"),
    "long string": (raw_index('{"x":"' + "x" * 20_000_000), "4 MiB"),
    "too long": (raw_index(" " * (33 << 20)), "more than the limit"),
    "too many": (
        raw_index('{"weight_map":{' + ",".join(f'"{i}":"a.safetensors"' for i in range(400_000)) + "}}"),
        "250000",
    ),
    "wrong total": (total(17), "total_size is 17, but the tensors have 16 bytes"),
    "negative total": (total(-1), "negative"),
    "broken total": (total(16.5), "whole number"),
    "huge total": (total(1e300), "whole number"),
}  # fmt: skip


@pytest.mark.parametrize("case", INDEXES)
def test_hostile_index_is_refused(refused, tmp_path, case):
    change, part = INDEXES[case]
    index = change(model_folder(tmp_path / "model"), tmp_path / "model")
    if index is not None:
        document = index if isinstance(index, str) else json.dumps(index)
        (tmp_path / "model" / "model.safetensors.index.json").write_text(document)

    refused(tmp_path / "model", part)


def test_a_tensor_in_two_files_is_refused(refused, tmp_path):
    index = in_both_files(model_folder(tmp_path / "model"), tmp_path / "model")
    index["weight_map"]["t1"] = "model-2.safetensors"
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))

    refused(tmp_path / "model", "tensor 't0' is in model-1.safetensors and in model-2.safetensors")


@pytest.mark.parametrize("total_size", [16, 16.0, None])
def test_an_honest_index_is_read(drivers, tmp_path, total_size):
    index = model_folder(tmp_path / "model", total_size)
    if total_size is None:
        del index["metadata"]
    (tmp_path / "model" / "model.safetensors.index.json").write_text(json.dumps(index))

    subprocess.run([drivers / "weights_tool", "list", tmp_path / "model"], check=True)
