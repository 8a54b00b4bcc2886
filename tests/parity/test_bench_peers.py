"""scripts/bench_peers.py without a GPU: what it counts and computes against transformers, and what it refuses."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="[torch] torch is not installed")
transformers = pytest.importorskip("transformers", reason="[hf] transformers is not installed")


@pytest.fixture(scope="module", autouse=True)
def scripts(root):
    sys.path.insert(0, str(root / "scripts"))
    yield root / "scripts"
    sys.path.remove(str(root / "scripts"))


@pytest.fixture(scope="module")
def bench(scripts):
    def run(*arguments):
        return subprocess.run([sys.executable, scripts / "bench_peers.py", *map(str, arguments)], capture_output=True,
                              text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"})

    return run


def test_a_row_is_measured_and_one_that_fails_does_not_stop_it(bench, tmp_path):
    # One row of one token has nothing to train on: its loss is no number.
    done = bench("--rows", "tiny-1x1-keep", "tiny-2x64-checkpoint", "--steps", 3, "--warmup", 1, "--vocab", "padded",
                 "--json", tmp_path / "peers.json")
    assert done.returncode == 1, done.stderr
    failed, row = json.loads((tmp_path / "peers.json").read_text())["results"]
    assert failed["row"] == "tiny-1x1-keep" and "loss is nan" in failed["error"]
    assert "tokens_per_second" not in failed
    expected = {"row": "tiny-2x64-checkpoint", "shape": "tiny", "rows": 2, "length": 64, "policy": "checkpoint",
                "vocab": "padded", "vocab_size": 1024, "optimizer": "adafactor", "peer": "transformers"}
    assert expected.items() <= row.items()
    assert {"mfu", "peak_allocated_gib", "peak_driver_gib", "seconds", "device", "dtype", "loss"} <= row.keys()
    assert len(row["step_seconds"]) == 3
    assert row["spread"][0] <= row["tokens_per_second"] <= row["spread"][1]
    assert row["tokens_per_second"] == pytest.approx(128 / sorted(row["step_seconds"])[1])
    assert row["versions"]["transformers"] == transformers.__version__
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["row", "peer", "vocab", "tok/s"]
    assert "failed: RuntimeError: the loss is nan" in lines[1] and lines[2].startswith("tiny-2x64-checkpoint ")


def test_what_cannot_be_run_is_refused_before_anything_runs(bench):
    wrong = bench("--rows", "tiny", "7b-4x2048-kep")
    assert wrong.returncode == 2 and "the nearest is '7b-4x2048-keep'" in wrong.stderr and not wrong.stdout
    for arguments in (["--rows", "tiny-0x64-keep"], ["--peer", "torchtune"], ["--steps", "0"], ["--vocab", "even"]):
        assert bench(*arguments).returncode == 2, arguments
    if importlib.util.find_spec("liger_kernel") is None:
        missing = bench("--peer", "liger-users")
        assert missing.returncode == 2 and "liger_kernel is not installed" in missing.stderr


def test_the_list_shows_every_row_and_peer(bench):
    from bench.rows import LISTED, PEERS

    shown = bench("--list")
    assert shown.returncode == 0
    assert {line.split()[0] for line in shown.stdout.splitlines() if line.startswith("  ")} == {*LISTED, *PEERS}


@pytest.mark.parametrize("vocab", ["odd", "padded"])
@pytest.mark.parametrize("name", ["7b-4x2048-keep", "1b-2x4096-checkpoint", "mistral-7b-2x4096-keep", "tiny-2x64-keep"])
def test_parameters_in_matrices_are_those_of_the_model(name, vocab):
    from bench.measure import make_model
    from bench.rows import SHAPES, chosen_rows, matrix_parameters, vocabulary_size

    (row,) = chosen_rows(name)
    shape = SHAPES[row.shape]
    model = make_model(row, vocab, "meta", torch.bfloat16)
    matrices = sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
    padding = (vocabulary_size(shape, vocab) - shape.vocab) * shape.hidden
    assert matrices - padding == matrix_parameters(shape)
    assert model.lm_head.weight.shape[0] % 64 == (0 if vocab == "padded" else shape.vocab % 64)
    assert model.is_gradient_checkpointing == (row.policy == "checkpoint")
    assert (model.lm_head.weight is model.model.embed_tokens.weight) == shape.tied


def test_operations_are_those_of_the_usual_formula():
    from bench.rows import SHAPES, attended_pairs, chosen_rows, device_peak_flops, matrix_parameters, training_flops

    (row,) = chosen_rows("7b-4x2048-keep")
    usual = (6 * matrix_parameters(SHAPES["7b"]) + 6 * 32 * 4096 * (row.length + 1)) * row.tokens
    assert training_flops(row) == usual
    mistral = SHAPES["mistral-7b"]
    for length in (1, 4096, 5000):
        assert attended_pairs(mistral, length) == sum(min(place + 1, 4096) for place in range(length))
    assert device_peak_flops("NVIDIA H200") == 989e12
    assert device_peak_flops("NVIDIA H100 PCIe") == 756e12
    assert device_peak_flops("cpu") is None


def test_the_peers_adafactor_is_that_of_transformers():
    from bench.adafactor import HookedAdafactor

    torch.manual_seed(1)
    ours = [torch.nn.Parameter(torch.randn(size)) for size in ((24, 40), (40,))]
    theirs = [torch.nn.Parameter(parameter.detach().clone()) for parameter in ours]
    hooked = HookedAdafactor(ours, 0.01, compiled=False)
    optimizer = transformers.Adafactor(theirs, lr=0.01, scale_parameter=False, relative_step=False, warmup_init=False)
    inputs = torch.randn(5, 24)
    for row in inputs:
        hooked.begin_step()
        for matrix, vector in (ours, theirs):
            ((row @ matrix * vector).sin() * 9).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        assert all(parameter.grad is None for parameter in ours)
    for mine, other in zip(ours, theirs):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_rounding_keeps_the_mean_and_what_needs_no_rounding():
    from bench.adafactor import rounded

    torch.manual_seed(2)
    exact = torch.randn(1000).bfloat16().float()
    assert torch.equal(rounded(exact, torch.bfloat16).float(), exact)
    between = torch.full((40000,), 1 + 0.25 * 2**-7)
    low, high = rounded(between, torch.bfloat16).float().unique().tolist()
    assert (low, high) == (1.0, 1 + 2**-7)
    share = (rounded(between, torch.bfloat16).float() == high).float().mean().item()
    assert abs(share - 0.25) < 0.01  # four deviations
    assert torch.equal(rounded(between, torch.float32), between)
