"""Optimizers and schedules against packages we did not write: torch.optim, transformers, torchao, and
twins in NumPy's float64. Gradients are given, so every step's error stays visible."""

import json
import subprocess

import pytest

np = pytest.importorskip("numpy", reason="[hf] numpy")
torch = pytest.importorskip("torch", reason="[hf] torch")

STEPS = 30
EPS = float(np.finfo(np.float32).eps)
SHAPES = [[], [1], [7], [1031], [1, 9], [9, 1], [37, 129], [130, 1025]]


def numbers(shape, seed, count=None):
    generator = np.random.default_rng(seed)
    whole = ([count] if count else []) + list(shape)
    return np.asarray(generator.standard_normal(whole), dtype=np.float32)


@pytest.fixture
def ours(drivers, tmp_path):
    """ours(settings, shape, ...) -> (weights after each step, {state name: bytes})."""

    def run(settings, shape, weights, gradients, **job):
        weights.tofile(tmp_path / "weights.f32")
        gradients.tofile(tmp_path / "gradients.f32")
        job |= dict(settings=settings, shape=shape, steps=len(gradients), folder=str(tmp_path))
        (tmp_path / "job.json").write_text(json.dumps(job))
        subprocess.run([drivers / "optim_tool", "update", tmp_path / "job.json"], check=True,
                       timeout=120)
        out = np.fromfile(tmp_path / "out.f32", dtype=np.float32).reshape([-1] + list(shape))
        return out, {path.stem: path.read_bytes() for path in tmp_path.glob("*.state")}

    return run


def run_torch(make, weights, gradients):
    """The same steps by a torch optimizer, on a float32 parameter."""
    parameter = torch.nn.Parameter(torch.from_numpy(np.array(weights)))
    optimizer = make([parameter])
    out = []
    for gradient in gradients:
        parameter.grad = torch.from_numpy(np.array(gradient))
        optimizer.step()
        out.append(parameter.detach().numpy().copy())
    return np.stack(out), optimizer.state.get(parameter, {})


def expect_close(found, wanted, lr, update=10.0):
    """Each step rounds the weight once, and its update (at most `update` * lr) by ten roundings or so."""
    for step, (a, b) in enumerate(zip(found, wanted), start=1):
        bound = step * EPS * (np.abs(b).max() + 10 * update * lr) if b.size else 0
        assert np.abs(a - b).max() <= bound, f"step {step}"


def case(shape, steps=STEPS):
    return numbers(shape, 1), numbers(shape, 2, steps)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", [
    dict(lr=1e-2, weight_decay=0.01),
    dict(lr=1e-3, weight_decay=0.3, beta1=0.8, beta2=0.95, eps=1e-4),
], ids=["usual", "other"])
def test_adamw_is_torch_optims(ours, shape, options):
    weights, gradients = case(shape)

    def make(parameters):
        return torch.optim.AdamW(parameters, lr=options["lr"], weight_decay=options["weight_decay"],
                                 betas=(options.get("beta1", 0.9), options.get("beta2", 0.999)),
                                 eps=options.get("eps", 1e-8), foreach=False)

    found, state = ours(dict(type="adamw") | options, shape, weights, gradients)
    wanted, theirs = run_torch(make, weights, gradients)
    expect_close(found, wanted, options["lr"])
    for name in ("exp_avg", "exp_avg_sq"):
        mine = np.frombuffer(state[name], dtype=np.float32).reshape(shape)
        np.testing.assert_allclose(mine, theirs[name].numpy(), rtol=0,
                                   atol=STEPS * EPS * np.abs(theirs[name].numpy()).max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("options", [
    dict(), dict(momentum=0.9), dict(momentum=0.9, nesterov=True),
], ids=["plain", "momentum", "nesterov"])
def test_sgd_is_torch_optims(ours, shape, options):
    weights, gradients = case(shape)
    found, _ = ours(dict(type="sgd", lr=0.01, weight_decay=0.1) | options, shape, weights, gradients)
    wanted, _ = run_torch(
        lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=0.1, foreach=False, **options), weights,
        gradients)
    expect_close(found, wanted, 0.01, update=40)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("threshold", [1.0, 0.4])
def test_adafactor_is_transformers(ours, shape, threshold):
    """Without scale_parameter and relative_step the formulas agree until beta2 meets its cap of 0.999
    at step 5,624, which transformers does not have."""
    optimization = pytest.importorskip("transformers.optimization", reason="[hf] transformers")
    weights, gradients = case(shape)
    found, _ = ours(dict(type="adafactor", lr=0.01, weight_decay=0.1, clip_threshold=threshold), shape,
                    weights, gradients)
    wanted, _ = run_torch(
        lambda p: optimization.Adafactor(p, lr=0.01, weight_decay=0.1, clip_threshold=threshold,
                                         scale_parameter=False, relative_step=False,
                                         warmup_init=False), weights, gradients)
    expect_close(found, wanted, 0.01)


@pytest.mark.parametrize("shape", [[1], [1031], [9, 1], [37, 129]], ids=str)
def test_adafactor_with_relative_step_is_torch_optims(ours, shape):
    """torch.optim.Adafactor's step size is min(lr, 1/sqrt(t)) max(eps2, rms(p)); lr is the less here."""
    weights, gradients = case(shape)
    found, _ = ours(dict(type="adafactor", lr=0.01, weight_decay=0.1, relative_step=True), shape,
                    weights, gradients)
    wanted, _ = run_torch(
        lambda p: torch.optim.Adafactor(p, lr=0.01, weight_decay=0.1, beta2_decay=-0.8,
                                        eps=(1e-30, 1e-3), d=1.0, foreach=False), weights, gradients)
    expect_close(found, wanted, 0.01)


def test_the_wrong_beta2_decay_or_correction_is_seen(ours):
    """The comparison above is no rubber stamp: each of these small changes breaks it."""
    weights, gradients = case([37, 129])
    wanted, _ = run_torch(lambda p: torch.optim.AdamW(p, lr=1e-2, foreach=False), weights, gradients)
    for change in (dict(beta2=0.998), dict(beta1=0.89), dict(weight_decay=0.02), dict(lr=1.01e-2)):
        found, _ = ours(dict(type="adamw", lr=1e-2) | change, [37, 129], weights, gradients)
        with pytest.raises(AssertionError):
            expect_close(found, wanted, 1e-2)


def quantised_twin(bits, block, weights, gradients, lr):
    """AdamW with block-wise state in float64, the nearest code by looking at every code."""
    from torchao.optim import subclass_4bit, subclass_8bit

    module = subclass_4bit if bits == 4 else subclass_8bit
    maps = [np.array(module.get_qmap_signed(), dtype=np.float64),
            np.array(module.get_qmap_unsigned(), dtype=np.float64)]

    def stored(x, table):
        scale = np.maximum(np.abs(x).max(1, keepdims=True), 1e-12)
        return table[np.abs((x / scale)[..., None] - table).argmin(-1)] * scale

    p = weights.astype(np.float64).reshape(-1, block)
    m, v = np.zeros_like(p), np.zeros_like(p)
    out = []
    for t, g in enumerate(gradients.astype(np.float64).reshape(len(gradients), -1, block), start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        p = p - lr * 0.01 * p
        p = p - lr * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        m, v = stored(m, maps[0]), stored(v, maps[1])
        out.append(p.reshape(weights.shape))
    return np.stack(out)


def expect_same_but_for_ties(found, wanted, weights):
    """A number that lies at the border of two codes, to the last bit, may get either, and its path then
    differs by a share of lr. All else agrees: at most five weights in a thousand are off by more than
    1e-4 of the usual way, and all together by 1 % of it."""
    way = np.abs(wanted[-1] - weights)
    off = np.abs(found[-1] - wanted[-1])
    assert np.mean(off > 1e-4 * way.mean()) <= 5e-3
    assert np.linalg.norm(off) <= 1e-2 * np.linalg.norm(way)


@pytest.mark.parametrize("bits, block", [(4, 128), (8, 256)])
@pytest.mark.parametrize("shape", [[64, 128], [8192], [96, 160]], ids=str)
def test_quantised_adamw_is_torchaos(ours, bits, block, shape, monkeypatch):
    torchao = pytest.importorskip("torchao.optim", reason="[hf] torchao")
    monkeypatch.setattr(torch._dynamo.config, "disable", True)
    weights, gradients = case(shape)
    make = torchao.AdamW4bit if bits == 4 else torchao.AdamW8bit
    found, state = ours(dict(type=f"adamw{bits}bit", lr=1e-2), shape, weights, gradients)
    wanted, theirs = run_torch(lambda p: make(p, lr=1e-2), weights, gradients)
    expect_same_but_for_ties(found, wanted, weights)
    for name in ("exp_avg", "exp_avg_sq"):
        codes = np.frombuffer(state[f"{name}.codes"], dtype=np.uint8)
        scale = np.frombuffer(state[f"{name}.scale"], dtype=np.float32)
        assert np.mean(codes != theirs[name].codes.numpy().ravel()) <= 2e-3
        np.testing.assert_allclose(scale, theirs[name].scale.numpy(), rtol=1e-2)
    expect_same_but_for_ties(found, quantised_twin(bits, block, weights, gradients, 1e-2), weights)


@pytest.mark.parametrize("bits", [4, 8])
def test_small_tensors_of_quantised_adamw_are_torchaos(ours, bits, monkeypatch):
    """Not quantised; torchao computes its bias correction in float32, worth 2e-5 of the first steps."""
    torchao = pytest.importorskip("torchao.optim", reason="[hf] torchao")
    monkeypatch.setattr(torch._dynamo.config, "disable", True)
    weights, gradients = case([33, 65])
    make = torchao.AdamW4bit if bits == 4 else torchao.AdamW8bit
    found, _ = ours(dict(type=f"adamw{bits}bit", lr=1e-2), [33, 65], weights, gradients)
    wanted, _ = run_torch(lambda p: make(p, lr=1e-2), weights, gradients)
    assert np.abs(found - wanted).max() <= STEPS * 1e-2 * 2e-5 + STEPS * EPS * 5


def test_bfloat16_rounds_to_the_nearest_where_asked(ours):
    """AdamW of torchao on bfloat16 weights, moments in bfloat16, no stochastic rounding: the same sums
    rounded at the same places. A result at the border of two bfloat16 may fall to either side."""
    torchao = pytest.importorskip("torchao.optim", reason="[hf] torchao")
    from torch._dynamo import config

    config.disable = True
    shape = [33, 65]
    weights = torch.from_numpy(numbers(shape, 1)).bfloat16()
    gradients = torch.from_numpy(numbers(shape, 2, STEPS)).bfloat16()
    found, _ = ours(dict(type="adamw4bit", lr=1e-2, stochastic_rounding=False), shape,
                    weights.float().numpy(), gradients.float().numpy(), dtype="bfloat16",
                    gradient_dtype="bfloat16")
    parameter = torch.nn.Parameter(weights.clone())
    optimizer = torchao.AdamW4bit([parameter], lr=1e-2)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    config.disable = False
    wanted = parameter.detach().float().numpy()
    assert np.mean(found[-1] != wanted) <= 0.02
    assert np.abs(found[-1] - wanted).max() <= 2.0**-7 * np.abs(wanted).max()


def test_stochastic_rounding_is_unbiased(ours):
    """One SGD step on 64 bfloat16 weights in 256 copies each, under two seeds: the mean of the 512 lies
    within 5 standard errors of float32's result. Rounding to one of two neighbours, a unit apart, has a
    deviation of at most half a unit."""
    different, copies, seeds = 64, 256, 2
    shape = [different * copies]
    weights = torch.from_numpy(numbers([different], 1)).bfloat16().float().numpy()
    gradients = numbers([different], 2)
    exact = weights - np.float32(1e-3) * gradients
    settings = dict(type="sgd", lr=1e-3, weight_decay=0)
    found = np.stack([
        ours(settings, shape, np.repeat(weights, copies), np.repeat(gradients, copies)[None],
             dtype="bfloat16", seed=seed)[0][0].reshape(different, copies) for seed in range(seeds)
    ])
    assert not np.array_equal(found[0], found[1])
    unit = 2.0 ** (np.floor(np.log2(np.abs(exact))) - 7)
    error = (found.astype(np.float64).mean((0, 2)) - exact) / (unit / 2 / np.sqrt(copies * seeds))
    assert np.abs(error).max() <= 5
    assert abs(error.mean()) <= 5 / np.sqrt(different)


@pytest.fixture
def schedule(drivers, tmp_path):
    """schedule(options, lr, run_steps, steps) -> the rate of every step."""

    def run(options, lr, run_steps, steps, **job):
        job |= dict(schedule=options, lr=lr, run_steps=run_steps, steps=steps)
        (tmp_path / "job.json").write_text(json.dumps(job))
        done = subprocess.run([drivers / "optim_tool", "schedule", tmp_path / "job.json"], check=True,
                              capture_output=True, text=True, timeout=60)
        return np.array(json.loads(done.stdout))

    return run


def rates(make, lr, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(found)


@pytest.mark.parametrize("name", ["constant", "linear", "cosine"])
def test_schedules_are_transformers(schedule, name):
    optimization = pytest.importorskip("transformers.optimization", reason="[hf] transformers")
    make = {
        "constant": lambda o: optimization.get_constant_schedule_with_warmup(o, 10),
        "linear": lambda o: optimization.get_linear_schedule_with_warmup(o, 10, 100),
        "cosine": lambda o: optimization.get_cosine_schedule_with_warmup(o, 10, 100),
    }[name]
    found = schedule(dict(type=name, warmup=10), 3e-4, 100, 101)
    np.testing.assert_allclose(found, rates(make, 3e-4, 101), rtol=1e-12, atol=1e-18)


def test_cosine_is_torchs_up_to_its_end_and_then_stays(schedule):
    found = schedule(dict(type="cosine", min_lr=1e-5), 1e-3, 50, 120)
    theirs = rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50, eta_min=1e-5), 1e-3, 120)
    np.testing.assert_allclose(found[:51], theirs[:51], rtol=1e-10)
    np.testing.assert_allclose(found[50:], 1e-5, rtol=1e-12)
    assert theirs[100] > 0.9e-3  # theirs rises again


def test_linear_is_torchs(schedule):
    found = schedule(dict(type="linear", min_lr_ratio=0.1), 1e-3, 50, 80)
    theirs = rates(lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.1, 50), 1e-3, 80)
    np.testing.assert_allclose(found, theirs, rtol=1e-10)
