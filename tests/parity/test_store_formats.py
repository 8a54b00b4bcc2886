"""Weight files against the packages that made the formats: what safetensors and torch write we read,
what we write they read, bit for bit."""

import collections
import json
import os
import shutil
import subprocess
import zipfile

import pytest

safetensors = pytest.importorskip("safetensors.torch", reason="[hf] safetensors.torch is not installed")
torch = pytest.importorskip("torch", reason="[hf] torch is not installed")

DTYPES = {
    "bool": torch.bool, "uint8": torch.uint8, "int8": torch.int8, "int16": torch.int16,
    "int32": torch.int32, "int64": torch.int64, "float16": torch.float16,
    "bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64,
}  # fmt: skip
SHAPES = [(), (0,), (3, 0, 2), (1,), (7,), (5, 3), (2, 3, 4, 5), (1, 2, 1, 2, 1, 2, 1, 2), (300, 257)]
ODD_NAMES = ["", " ", "a/b", "ünïcödé.重み.🦙", 'quote"back\\slash', "tab\tline\nnul\x00del\x7f", "x" * 1024]


def bits_of(tensor):
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def random_tensor(dtype, shape, generator):
    """Every bit pattern of the type, NaN and infinity included."""
    count = int(torch.tensor(shape, dtype=torch.int64).prod())
    if dtype is torch.bool:
        return torch.randint(0, 2, shape, generator=generator).bool()
    raw = torch.randint(0, 256, (count * dtype.itemsize,), generator=generator, dtype=torch.uint8)
    return raw.view(dtype).reshape(shape)


def all_tensors(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {
        f"layers.{place}.{name}.weight": random_tensor(dtype, shape, generator)
        for name, dtype in DTYPES.items()
        for place, shape in enumerate(SHAPES)
    }


def odd_names():
    return {name: torch.full((2,), float(place)) for place, name in enumerate(ODD_NAMES)}


@pytest.fixture
def tool(drivers):
    def start(*words, check=True, data=None):
        command = [str(drivers / "weights_tool"), *map(str, words)]
        done = subprocess.run(command, capture_output=True, timeout=120, input=data)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    return start


@pytest.fixture
def listing(tool):
    def start(path):
        return [json.loads(line) for line in tool("list", path).stdout.decode().splitlines()]

    return start


def assert_reads(tool, listing, path, tensors, pieces=(1 << 20,)):
    found = {line["name"]: line for line in listing(path)}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert DTYPES[found[name]["dtype"]] is tensor.dtype
        assert tuple(found[name]["shape"]) == tuple(tensor.shape)
        if "\0" in name:
            continue  # no command line can say it
        for piece in pieces:
            assert tool("dump", path, name, piece).stdout == bits_of(tensor), (name, piece)


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype is right[name].dtype and left[name].shape == right[name].shape
        assert bits_of(left[name]) == bits_of(right[name]), name


# --- safetensors


@pytest.mark.parametrize("make", [all_tensors, odd_names, dict])
def test_safetensors_of_the_package_is_read(tool, listing, tmp_path, make):
    safetensors.save_file(make(), tmp_path / "a.safetensors", {"format": "pt", "übung": "☃"})

    assert_reads(tool, listing, tmp_path / "a.safetensors", make())


@pytest.mark.parametrize("make", [all_tensors, odd_names, dict])
def test_safetensors_of_ours_is_byte_for_byte_that_of_the_package(tool, tmp_path, make):
    safetensors.save_file(make(), tmp_path / "a.safetensors", {"format": "pt"})

    tool("copy", tmp_path / "a.safetensors", tmp_path / "b.safetensors", 1000)

    assert_same(safetensors.load_file(tmp_path / "b.safetensors"), make())
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("name, dtype", [("F8_E4M3", torch.float8_e4m3fn), ("U16", torch.uint16)])
def test_safetensors_with_another_dtype_is_refused_by_name(tool, tmp_path, name, dtype):
    safetensors.save_file({"w": torch.zeros(4).to(dtype)}, tmp_path / "a.safetensors")

    done = tool("list", tmp_path / "a.safetensors", check=False)

    assert done.returncode == 4 and name in done.stderr.decode()


# --- torch.save


@pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
@pytest.mark.parametrize("make", [all_tensors, odd_names, dict])
def test_torch_file_is_read(tool, listing, tmp_path, make, kind):
    torch.save(kind(make()), tmp_path / "a.bin")

    assert_reads(tool, listing, tmp_path / "a.bin", make())


def test_state_dict_of_a_module_is_read(tool, listing, tmp_path):
    module = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.BatchNorm1d(7))
    torch.save(module.state_dict(), tmp_path / "a.bin")

    assert_reads(tool, listing, tmp_path / "a.bin", module.state_dict())


def test_parameters_are_read(tool, listing, tmp_path):
    tensors = {"p": torch.nn.Parameter(torch.randn(3, 4)), "q": torch.randn(2, requires_grad=True)}
    torch.save(tensors, tmp_path / "a.bin")

    assert_reads(tool, listing, tmp_path / "a.bin", tensors)


def test_views_read_row_major_in_pieces_of_any_size(tool, listing, tmp_path):
    base = torch.randn(7, 11, 5)
    wide = torch.arange(40, dtype=torch.int64).reshape(5, 8)
    tensors = {
        "transposed": base.permute(2, 0, 1),
        "sliced": base[1:6:2, 3:, ::2],
        "row": base[3],
        "offset": wide[2:, 1:5].t(),
        "one": wide[4, 7],
        "empty": base[:, 3:3],
        "half": torch.randn(9, 4).bfloat16().t(),
    }
    torch.save(tensors, tmp_path / "a.bin")

    assert_reads(tool, listing, tmp_path / "a.bin", tensors, pieces=[1, 3, 7, 64, 1 << 20])


def test_tied_tensors_are_two_names_of_the_same_bytes(tool, listing, tmp_path):
    table = torch.randn(10, 4)
    torch.save({"embed": table, "head": table, "view": table.t()}, tmp_path / "a.bin")

    assert len(zipfile.ZipFile(tmp_path / "a.bin").namelist()) > 3
    assert_reads(
        tool, listing, tmp_path / "a.bin", {"embed": table, "head": table, "view": table.t()}
    )


def test_many_tensors_need_the_long_forms_of_the_pickle(tool, listing, tmp_path):
    tensors = {f"layer.{i}": torch.full((1,), float(i)) for i in range(3000)}
    torch.save(tensors, tmp_path / "a.bin")

    found = listing(tmp_path / "a.bin")

    assert [line["name"] for line in found] == list(tensors)
    assert tool("dump", tmp_path / "a.bin", "layer.2999", 4).stdout == bits_of(tensors["layer.2999"])
    tool("copy", tmp_path / "a.bin", tmp_path / "b.bin", 4)
    assert_same(torch.load(tmp_path / "b.bin", weights_only=True), tensors)


@pytest.mark.parametrize("make", [all_tensors, odd_names, dict])
@pytest.mark.parametrize("mmap", [False, True])
def test_our_bin_file_is_loaded_by_torch(tool, tmp_path, make, mmap):
    torch.save(make(), tmp_path / "a.bin")

    tool("copy", tmp_path / "a.bin", tmp_path / "b.bin", 1000)

    assert_same(torch.load(tmp_path / "b.bin", weights_only=True, mmap=mmap), make())
    # zipfile compares every CRC: they were joined from pieces that came last piece first.
    archive = zipfile.ZipFile(tmp_path / "b.bin")
    assert archive.testzip() is None
    for entry in archive.infolist():
        with open(tmp_path / "b.bin", "rb") as file:
            file.seek(entry.header_offset + 26)
            sizes = file.read(4)
        lengths = int.from_bytes(sizes[:2], "little") + int.from_bytes(sizes[2:], "little")
        assert (entry.header_offset + 30 + lengths) % 64 == 0


def test_our_bin_file_does_not_depend_on_the_order_or_size_of_pieces(tool, tmp_path):
    torch.save(all_tensors(), tmp_path / "a.bin")
    (tmp_path / "elsewhere").mkdir()

    tool("copy", tmp_path / "a.bin", tmp_path / "b.bin", 1 << 20)
    tool("copy", tmp_path / "b.bin", tmp_path / "elsewhere" / "c.bin", 17)

    assert (tmp_path / "b.bin").read_bytes() == (tmp_path / "elsewhere/c.bin").read_bytes()


def test_zip64_file_of_torch_is_read_and_ours_is_loaded_by_torch(tool, listing, tmp_path):
    if "FG_BIG_FILES" not in os.environ or shutil.disk_usage(tmp_path).free < 14 << 30:
        pytest.skip("[big-files] files of 4 GiB are tried with FG_BIG_FILES=1 and 14 GB of disk")
    big = torch.zeros((4 << 30) + 5, dtype=torch.int8)
    big[-1] = 7
    torch.save({"big": big, "small": torch.ones(3)}, tmp_path / "a.bin")
    del big

    assert [line["bytes"] for line in listing(tmp_path / "a.bin")] == [(4 << 30) + 5, 12]
    tool("copy", tmp_path / "a.bin", tmp_path / "b.bin", 64 << 20)

    loaded = torch.load(tmp_path / "b.bin", weights_only=True, mmap=True)
    assert loaded["big"].shape == ((4 << 30) + 5,) and loaded["big"][-1] == 7
    assert loaded["small"].tolist() == [1, 1, 1]
    assert listing(tmp_path / "b.bin") == listing(tmp_path / "a.bin")


@pytest.mark.parametrize(
    "content, part",
    [
        ({"state_dict": {"w": torch.ones(2)}}, "only a plain state dict"),
        ({"model": {"w": torch.ones(2)}, "epoch": 3}, "only a plain state dict"),
        ({"w": torch.ones(2), "step": 3}, "entry 'step' is not a tensor"),
        ([torch.ones(2)], "something else than a dictionary"),
        (torch.ones(2), "something else than a dictionary"),
        ({"w": torch.ones(1).expand(1000)}, "expanded"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "torch.ComplexFloatStorage"),
        ({"w": torch.sparse_coo_tensor([[0]], [1.0], (3,))}, "_rebuild_sparse_tensor"),
        ({"w": torch.ones(2, dtype=torch.complex64).conj().imag}, "metadata"),
        ({1: torch.ones(2)}, "not a string"),
    ],
)
def test_what_is_no_plain_state_dict_is_refused(tool, tmp_path, content, part):
    torch.save(content, tmp_path / "a.bin")

    done = tool("list", tmp_path / "a.bin", check=False)

    assert done.returncode == 4 and part in done.stderr.decode()


def test_the_format_before_torch_1_6_is_refused_with_the_remedy(tool, tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "a.bin", _use_new_zipfile_serialization=False)

    done = tool("list", tmp_path / "a.bin", check=False)

    assert done.returncode == 4
    assert "before 1.6" in done.stderr.decode() and "save it again" in done.stderr.decode()


def test_a_torchscript_archive_is_refused_by_name(tool, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "a.bin")

    done = tool("list", tmp_path / "a.bin", check=False)

    assert done.returncode == 4 and "TorchScript" in done.stderr.decode()


# --- folders


def model_state():
    generator = torch.Generator().manual_seed(3)
    return {
        f"model.layers.{i}.{part}": torch.randn(16, 8 + i, generator=generator)
        for i in range(12)
        for part in ("down", "up")
    }


@pytest.mark.parametrize("option, package_name", [("safetensors", "model.safetensors"), ("bin", "pytorch_model.bin")])
@pytest.mark.parametrize("max_bytes", [1, 1000, 1300, 5000, 1 << 30])
def test_shards_and_index_are_those_of_hugging_face(
    tool, listing, tmp_path, option, package_name, max_bytes
):
    hub = pytest.importorskip("huggingface_hub", reason="[hf] huggingface_hub is not installed")
    state = model_state()
    torch.save(state, tmp_path / "a.bin")
    base, extension = package_name.split(".")
    plan = hub.split_torch_state_dict_into_shards(
        state, filename_pattern=base + "{suffix}." + extension, max_shard_size=max_bytes
    )

    tool("shard", tmp_path / "a.bin", tmp_path / "out", option, max_bytes)

    names = {path.name for path in (tmp_path / "out").iterdir()}
    index = tmp_path / "out" / f"{package_name}.index.json"
    assert names - {index.name} == set(plan.filename_to_tensors)
    if plan.is_sharded:
        # As transformers' save_pretrained writes it.
        wanted = {"metadata": plan.metadata, "weight_map": plan.tensor_to_filename}
        assert index.read_text() == json.dumps(wanted, indent=2, sort_keys=True) + "\n"
    assert_reads(tool, listing, tmp_path / "out", state)


def test_our_folders_load_in_transformers(tool, tmp_path):
    transformers = pytest.importorskip("transformers", reason="[hf] transformers is not installed")
    config = transformers.LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=100,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(tmp_path / "hf")
    for option in ("safetensors", "bin"):
        out = tmp_path / option
        tool("shard", tmp_path / "hf", out, option, 20_000)
        config.save_pretrained(out)

        loaded = transformers.AutoModelForCausalLM.from_pretrained(out)

        assert_same(dict(loaded.state_dict()), dict(model.state_dict()))


def test_a_snapshot_of_the_hugging_face_cache_is_read_through_its_links(tool, listing, tmp_path):
    state = model_state()
    repository = tmp_path / "models--someone--model"
    snapshot = repository / "snapshots" / "0123abcd"
    (repository / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    safetensors.save_file(state, repository / "blobs" / "4f5e6d")
    (snapshot / "model.safetensors").symlink_to("../../blobs/4f5e6d")

    assert_reads(tool, listing, snapshot, state)


# --- conversion between the floating types

FLOATS = {name: DTYPES[name] for name in ("float16", "bfloat16", "float32")}


def same_numbers(ours, theirs):
    nan = torch.isnan(theirs)
    assert torch.equal(torch.isnan(ours), nan)
    assert torch.equal(ours.masked_fill(nan, 0).view(-1), theirs.masked_fill(nan, 0).view(-1))
    assert torch.equal(torch.signbit(ours)[~nan], torch.signbit(theirs)[~nan])


@pytest.mark.parametrize("source", ["float16", "bfloat16"])
@pytest.mark.parametrize("target", FLOATS)
def test_every_16_bit_pattern_converts_as_torch_does(tool, source, target):
    patterns = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(FLOATS[source])

    out = tool("convert", source, target, data=bits_of(patterns)).stdout

    ours = torch.frombuffer(bytearray(out), dtype=FLOATS[target])
    same_numbers(ours, patterns.to(FLOATS[target]))


@pytest.mark.parametrize("target", ["float16", "bfloat16"])
def test_random_floats_convert_as_torch_does(tool, target):
    generator = torch.Generator().manual_seed(5)
    bits = torch.randint(-(2**31), 2**31, (1 << 21,), generator=generator).int()
    near = (torch.randn(1 << 20, generator=generator) * 1e-5).view(torch.int32)
    ties = (torch.randint(0, 1 << 18, (1 << 19,), generator=generator) << 13 | 0x1000).int()
    numbers = torch.cat([bits, near, ties]).view(torch.float32)

    out = tool("convert", "float32", target, data=bits_of(numbers)).stdout

    same_numbers(torch.frombuffer(bytearray(out), dtype=FLOATS[target]), numbers.to(FLOATS[target]))
