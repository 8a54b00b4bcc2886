"""fg-finalize: a run's checkpoint becomes a model that plain transformers loads, with nothing lost."""

import hashlib
import json
import shutil
import subprocess

import pytest

EOS = [128001, 128008, 128009]


@pytest.fixture
def finalize(programs):
    """finalize(words..., code=0) -> CompletedProcess of fg-finalize with that exit code."""

    def run(*words, code=0):
        done = subprocess.run([programs / "fg-finalize", *words], capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def make_run(drivers, mpirun, tmp_path):
    """make_run(model, step=20, optimizer="adamw", ranks=1, how="") -> the run directory of a
    training that changed no weight, saved by so many ranks; how: "each_node" or "bin"."""

    def make(model, step=20, optimizer="adamw", ranks=1, how=""):
        words = [model, tmp_path / "run", step, optimizer, how]
        done = mpirun(ranks, [drivers / "run_tool", *words])
        assert done.returncode == 0, done.stdout + done.stderr
        return tmp_path / "run"

    return make


@pytest.fixture
def chatml(root):
    return ["--add-tokens", root / "configs/add_tokens/chatml.yaml",
            "-t", root / "configs/chat_templates/chatml.jinja"]


def read(path):
    return json.loads(path.read_text())


def load(hf, folder):
    return hf.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def tree(folder):
    """Every file below the folder with its bytes' hash and time."""
    return {path.relative_to(folder): (hashlib.sha256(path.read_bytes()).hexdigest(),
                                       path.stat().st_mtime_ns)
            for path in sorted(folder.rglob("*")) if path.is_file()}


def flip_byte(path, place=-100):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name, ranks", [("llama2", 2), ("llama3", 1), ("qwen3", 3)])
def test_the_model_loads_in_transformers_with_every_tensor(
        hf, tiny_models, make_run, finalize, tmp_path, name, ranks):
    import torch

    source = tiny_models(name)
    run = make_run(source, ranks=ranks)
    before = tree(run)

    done = finalize(run, tmp_path / "model", "--verify")

    assert "step 20" in done.stdout and "verified" in done.stdout
    assert tree(run) == before, "the run was touched"
    wanted, found = load(hf, source), load(hf, tmp_path / "model")
    assert found.config.tie_word_embeddings == wanted.config.tie_word_embeddings
    for key, tensor in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[key], tensor), key
    ids = torch.tensor([[1, 5, 9, 200, 31]])
    with torch.no_grad():
        assert torch.equal(wanted(ids).logits, found(ids).logits)
    tokens = hf.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokens("Hello").input_ids == hf.AutoTokenizer.from_pretrained(source)("Hello").input_ids
    assert not (tmp_path / "model/optim.h5").exists()
    assert not (tmp_path / "model/trainer.json").exists()


def test_the_eos_list_stays_through_finalize_and_export(
        hf, tiny_models, edit_json, convert, make_run, finalize, tmp_path):
    source = tmp_path / "instruct"
    shutil.copytree(tiny_models("llama3"), source)
    edit_json(source / "config.json", eos_token_id=EOS)
    edit_json(source / "generation_config.json", bos_token_id=128000, eos_token_id=EOS,
              do_sample=True, temperature=0.6)
    edit_json(source / "tokenizer_config.json", eos_token="<|eot_id|>")
    convert(source, tmp_path / "fg", "--skip-default-tokens")
    run = make_run(tmp_path / "fg")

    finalize(run, tmp_path / "model")
    convert(tmp_path / "model", tmp_path / "hf")

    for folder in ("fg", "model", "hf"):
        assert read(tmp_path / folder / "config.json")["eos_token_id"] == EOS, folder
        generation = read(tmp_path / folder / "generation_config.json")
        assert generation["eos_token_id"] == EOS, folder
        assert generation["temperature"] == 0.6
    assert "fg" in read(tmp_path / "model/config.json")
    assert "fg" not in read(tmp_path / "hf/config.json")
    for folder in ("model", "hf"):
        assert load(hf, tmp_path / folder).generation_config.eos_token_id == EOS


def test_a_generation_config_is_made_where_there_is_none(tiny_models, make_run, finalize, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(tiny_models("llama2"), source)
    (source / "generation_config.json").unlink()

    finalize(make_run(source), tmp_path / "model")

    assert read(tmp_path / "model/generation_config.json")["eos_token_id"] == 2


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "adamw8bit"])
def test_added_tokens_grow_the_rows_and_the_optimizer_state(
        hf, make_model, make_run, finalize, chatml, tmp_path, optimizer):
    import h5py
    import numpy
    import torch

    source = make_model("llama2", hidden_size=256, num_hidden_layers=1)
    run = make_run(source, optimizer=optimizer, ranks=2)

    finalize(run, tmp_path / "model", *chatml, "--keep-optimizer", "--verify")

    tokens = hf.AutoTokenizer.from_pretrained(tmp_path / "model")
    rows, end = len(tokens), tokens.convert_tokens_to_ids("<|im_end|>")
    assert rows > 32000 and end >= 32000 and tokens.eos_token == "<|im_end|>"
    old, new = load(hf, source).state_dict(), load(hf, tmp_path / "model").state_dict()
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert new[name].shape[0] == rows
        assert torch.equal(new[name][:32000], old[name])
        assert torch.equal(new[name][end], old[name][2]), "the new eos begins as the old one"
    table = {entry["name"]: entry for entry in
             read(tmp_path / "model/manifest.json")["slices"]["optimizer"]}
    with h5py.File(tmp_path / "model/optim.h5") as file:
        assert set(file) == set(table)
        for name in file:
            assert list(file[name].shape) == table[name]["shape"], name
        others = [row for row in range(32000, rows) if row != end]
        assert others
        mean = numpy.float32(31999 / 2)
        for name in ("model.embed_tokens.weight.", "lm_head.weight."):
            state = {key[len(name):]: file[key][()] for key in file if key.startswith(name)}
            assert state.pop("step") == 20
            if optimizer == "adafactor":
                assert list(state.pop("col")) == list(range(256))
            for key, values in state.items():
                values = values.reshape(rows, -1)
                first = key.startswith("exp_avg") and not key.startswith("exp_avg_sq")
                known = numpy.arange(32000) % (251 if key.endswith("codes") else 32000)
                assert (values[:32000] == known[:, None]).all(), key
                assert (values[end] == 2).all(), key
                unknown = 0 if first else 255 if key.endswith("codes") else mean
                assert (values[others] == unknown).all(), key
        # What gets no rows stays as it is.
        norm = "model.norm.weight." + ("row" if optimizer == "adafactor" else "exp_avg")
        if norm in file:
            assert list(file[norm][()]) == list(range(256))


def test_state_that_cannot_grow_is_left_out_whole(make_model, make_run, finalize, chatml, tmp_path):
    # Blocks of 256 over rows of 384 do not end with rows.
    source = make_model("llama2", hidden_size=384, num_hidden_layers=1, num_attention_heads=4)
    run = make_run(source, optimizer="adamw8bit")

    assert "cannot grow" not in finalize(run, tmp_path / "kept", "--keep-optimizer").stderr
    done = finalize(run, tmp_path / "grown", "--keep-optimizer", *chatml)

    assert "lm_head.weight cannot grow" in done.stderr
    names = [[entry["name"] for entry in read(tmp_path / folder / "manifest.json")["slices"]["optimizer"]]
             for folder in ("kept", "grown")]
    lost = set(names[0]) - set(names[1])
    assert len(lost) == 2 * 5 and "lm_head.weight.step" in lost
    assert "model.layers.0.mlp.up_proj.weight.exp_avg.codes" in names[1]


def test_without_added_tokens_the_state_stays_to_the_byte(tiny_models, make_run, finalize, tmp_path):
    import h5py

    run = make_run(tiny_models("llama2"))

    finalize(run, tmp_path / "model", "--keep-optimizer")

    with h5py.File(run / "checkpoints/checkpoint-20/optim-r00000.h5") as before, \
            h5py.File(tmp_path / "model/optim.h5") as after:
        assert set(before) == set(after)
        for name in before:
            assert before[name][()].tobytes() == after[name][()].tobytes(), name


def test_the_latest_that_is_whole_is_taken(tiny_models, make_run, finalize, tmp_path):
    run = make_run(tiny_models("llama2"), step=5)
    make_run(tiny_models("llama2"), step=10)
    make_run(tiny_models("llama2"), step=9)
    assert "step 10" in finalize(run, tmp_path / "a", "--dry-run").stdout

    flip_byte(run / "checkpoints/checkpoint-10/model-r00000.h5")

    done = finalize(run, tmp_path / "b")
    assert "step 9" in done.stdout and "passed over" in done.stdout
    assert "checkpoint-10/model-r00000.h5" in done.stdout
    for word in ("10", "checkpoint-10"):
        done = finalize(run, tmp_path / "c", "-c", word, code=4)
        assert "checkpoint-10/model-r00000.h5" in done.stderr
    assert "step 5" in finalize(run, tmp_path / "d", "-c", "checkpoint-5").stdout
    assert "step 5" in finalize(run, tmp_path / "e", "-c", run / "checkpoints/checkpoint-5").stdout
    assert "step 5" in finalize(run / "checkpoints/checkpoint-5", tmp_path / "f").stdout
    done = finalize(run, tmp_path / "g", "-c", "7", code=4)
    assert "checkpoint-10, checkpoint-9, checkpoint-5" in done.stderr
    flip_byte(run / "checkpoints/checkpoint-9/manifest.json")
    flip_byte(run / "checkpoints/checkpoint-5/config.json", 10)
    done = finalize(run, tmp_path / "g", code=4)
    assert all(f"checkpoint-{step}/" in done.stderr for step in (5, 9, 10))
    assert not (tmp_path / "g").exists()


def test_pieces_from_the_nodes_own_disks_are_put_together(
        hf, tiny_models, make_run, finalize, tmp_path):
    import torch

    run = make_run(tiny_models("llama2"), ranks=2, how="each_node")

    finalize(run / "0", run / "1", tmp_path / "model", "--keep-optimizer", "--verify")
    finalize(run / "1", run / "0", tmp_path / "swapped", "--keep-optimizer")

    wanted, found = (load(hf, folder).state_dict()
                     for folder in (tiny_models("llama2"), tmp_path / "model"))
    assert all(torch.equal(found[key], tensor) for key, tensor in wanted.items())
    for name in ("model.safetensors", "optim.h5"):
        assert (tmp_path / "model" / name).read_bytes() == (tmp_path / "swapped" / name).read_bytes()
    for given, missing in (("0", "model-r00001.h5"), ("1", "model-r00000.h5")):
        done = finalize(run / given, tmp_path / "half", code=4)
        assert missing in done.stderr and "other nodes" in done.stderr
    shutil.move(run / "1/checkpoints/checkpoint-20", run / "1/checkpoints/checkpoint-30")
    done = finalize(run / "0", run / "1", tmp_path / "half", code=4)
    assert "not in every RUN_DIR" in done.stderr
    assert not (tmp_path / "half").exists()


@pytest.mark.parametrize("how", ["", "bin"])
@pytest.mark.parametrize("form", ["hdf5", "bin"])
def test_other_formats_and_dtypes(
        hf, tiny_models, convert, make_run, finalize, tmp_path, form, how):
    import torch

    run = make_run(tiny_models("llama2"), how=how)

    finalize(run, tmp_path / "model", "--format", form, "--dtype", "float32", "--max-shard-size",
             "1MB", "--verify")
    convert(tmp_path / "model", tmp_path / "hf")

    found = load(hf, tmp_path / "hf").state_dict()
    for key, tensor in load(hf, tiny_models("llama2")).state_dict().items():
        assert torch.equal(found[key], tensor.float()), key


def test_the_bytes_of_many_ranks_are_those_of_one(
        tiny_models, make_run, finalize, programs, mpirun, tmp_path):
    run = make_run(tiny_models("llama2"), ranks=2)
    options = ["--max-shard-size", "900KB", "--keep-optimizer", "--verify"]
    finalize(run, tmp_path / "one", *options)
    done = mpirun(3, [programs / "fg-finalize", run, tmp_path / "many", *options])
    assert done.returncode == 0, done.stdout + done.stderr

    one, many = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
                 for name in ("one", "many"))
    assert one == many and len(one) > 8
    flip_byte(run / "checkpoints/checkpoint-20/model-r00001.h5")
    done = mpirun(3, [programs / "fg-finalize", run, tmp_path / "none"])
    assert done.returncode == 4 and "model-r00001.h5" in done.stderr


def test_what_is_refused(tiny_models, make_run, finalize, tmp_path):
    run = make_run(tiny_models("llama2"), optimizer="none")
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").touch()

    assert "exists" in finalize(run, tmp_path / "there", code=5).stderr
    finalize(run, run / "inside", code=2)
    finalize(run, run / "checkpoints/checkpoint-20/inside", code=2)
    assert "DST" in finalize(run, code=2).stderr
    assert "--keep-optimizer" in finalize(run, tmp_path / "a", "--keep-optimiser", code=2).stderr
    assert "no such folder" in finalize(tmp_path / "none", tmp_path / "a", code=4).stderr
    assert "no checkpoints" in finalize(tiny_models("llama2"), tmp_path / "a", code=4).stderr
    assert "no optimizer state" in finalize(run, tmp_path / "a", "--keep-optimizer", code=4).stderr
    assert "one folder" in finalize(run, run, tmp_path / "a", "-c", "./x", code=2).stderr
    assert not (tmp_path / "a").exists()


def test_a_dry_run_writes_nothing_and_overwrite_replaces(tiny_models, make_run, finalize, tmp_path):
    run = make_run(tiny_models("llama2"))

    done = finalize(run, tmp_path / "model", "--dry-run", "--root-copy")
    assert "nothing was written" in done.stdout and "root of DST" in done.stderr
    assert not (tmp_path / "model").exists()
    finalize(run, tmp_path / "model")
    (tmp_path / "model/old").touch()
    finalize(run, tmp_path / "model", code=5)
    finalize(run, tmp_path / "model", "--overwrite")
    assert not (tmp_path / "model/old").exists()
