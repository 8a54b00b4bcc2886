"""fg-config and the configurations: against PyYAML (values, merges), jsonschema (the schema) and
docs/configuration.md (its tables say what the program says)."""

import json
import math
import pathlib
import random
import subprocess
import xml.etree.ElementTree

import pytest
import yaml


@pytest.fixture(scope="session")
def fg_config(programs):
    def run(*words, code=0, **how):
        done = subprocess.run([programs / "fg-config", *words], capture_output=True, text=True,
                              timeout=60, **how)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    return run


@pytest.fixture(scope="session")
def show(fg_config):
    """show(file, *sets) -> {key: value} of what is set, and {key: origin}."""

    def run(file, *sets):
        options = [word for item in sets for word in ("--set", item)]
        values = json.loads(fg_config("show", file, "--json", *options))["values"]
        return ({key: entry["value"] for key, entry in values.items() if entry["value"] is not None},
                {key: entry["origin"] for key, entry in values.items()})

    return run


@pytest.fixture(scope="session")
def schema(fg_config):
    return json.loads(fg_config("schema"))


def keys_of(schema, prefix=""):
    """The leaves of the schema: {"train.seq_len": its schema}."""
    keys = {}
    for name, part in schema["properties"].items():
        if name in ("extends", "optimizer_groups") and not prefix:
            continue
        if "properties" in part:
            keys |= keys_of(part, f"{prefix}{name}.")
        else:
            keys[prefix + name] = part
    return keys


def configurations(root):
    names = sorted((root / "configs").rglob("*.yaml"))
    return [name for name in names if "add_tokens" not in name.parts]


def merged(below, above):
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key, {}), value)
        else:
            result[key] = value
    return result


def by_pyyaml(path):
    own = yaml.safe_load(path.read_text())
    extends = own.pop("extends", [])
    result = {}
    for name in [extends] if isinstance(extends, str) else extends:
        result = merged(result, by_pyyaml(path.parent / name))
    return merged(result, own)


def flat(tree, prefix=""):
    leaves = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


# --- the configurations of this repository --------------------------------------------------------


def test_every_configuration_has_the_values_that_pyyaml_finds(root, show):
    files = configurations(root)
    assert len(files) >= 16
    for file in files:
        values, origins = show(file)
        for key, value in flat(by_pyyaml(file)).items():
            found = values[key]
            if isinstance(value, str) and key.endswith(("path", "output_dir")):
                assert pathlib.Path(found).is_absolute() and found.endswith(value.lstrip("./")), key
            elif key == "checkpoint.save_strategy" and value is False:
                assert found == "no"
            elif isinstance(value, str) and isinstance(found, float | int):
                assert float(value) == found, key
            else:
                assert found == value, (file, key)
            assert origins[key] != "default"


def test_ls_lists_each_with_its_title(root, fg_config):
    lines = fg_config("ls", cwd=root).splitlines()
    assert [line.split()[0] for line in lines] == [
        str(file.relative_to(root)) for file in configurations(root)]
    for line in lines:
        name, title = line.split(maxsplit=1)
        assert (root / name).read_text().startswith("# " + title + "\n")


TUTORIAL = {
    # name: (trainer, seq_len, {batch key: rows}, microbatch_size, pipeline)
    "llama2_7b/1gpu_default": ("basic", 2048, {"global_batch_size": 1}, 1, None),
    "llama2_7b/1gpu_minimum": ("basic", 1280, {"global_batch_size": 1}, 1, None),
    "llama2_7b/2gpu_pp": ("pipeline", 1280, {"global_batch_size": 4}, 1, 2),
    "llama2_7b/4gpu_pp": ("pipeline", 2048, {"global_batch_size": 8}, 1, 4),
    "llama2_7b/8gpu_pp": ("pipeline", 2048, {"global_batch_size": 16}, 1, 8),
    "llama2_7b/fsdp2": ("fsdp", 2048, {"batch_size": 1}, 1, None),
    "llama3_1b/1gpu_default": ("basic", 4096, {"global_batch_size": 2}, 2, None),
    "llama3_1b/ddp": ("ddp", 4096, {"batch_size": 1}, 1, None),
    "llama3_1b/ddp_adam4bit": ("ddp", 4096, {"batch_size": 1}, 1, None),
    "llama3_1b/fsdp2": ("fsdp", 4096, {"batch_size": 1}, 1, None),
    "llama3_1b/pp": ("pipeline", 4096, {"global_batch_size": 4}, 1, 2),
    "mistral_7b/1gpu_default": ("basic", 2048, {"global_batch_size": 1}, 1, None),
}


@pytest.mark.parametrize("name", TUTORIAL)
def test_the_tutorial_has_its_numbers(root, show, name):
    trainer, seq_len, batch, microbatch, pipeline = TUTORIAL[name]
    values, _ = show(root / f"configs/samantha/{name}.yaml")
    assert values["train.trainer"] == trainer
    assert values["train.seq_len"] == seq_len
    found = {key: values[f"train.{key}"] for key in ("global_batch_size", "batch_size")
             if f"train.{key}" in values}
    assert found == batch
    assert values["train.microbatch_size"] == microbatch
    assert values.get("parallel.pipeline") == pipeline
    assert values.get("parallel.schedule") == "1f1b"  # docs/decisions/0007-many-ranks.md
    adam = name.endswith("adam4bit")
    assert values["optimizer.type"] == ("adamw4bit" if adam else "adafactor")
    assert values["optimizer.lr"] == 1e-4 and values["optimizer.weight_decay"] == 0.01
    assert pathlib.Path(values["data.path"]).is_file()
    assert pathlib.Path(values["data.eval_path"]).is_file()
    offload = name.endswith("minimum")
    assert values["memory.policy"] == ("offload" if offload else "checkpoint")


def test_the_quick_start_fits_any_model_data_and_trainer(root, show):
    values, origins = show(root / "configs/quickstart.yaml")
    assert values["train.global_batch_size"] == 4 and values["train.microbatch_size"] == 1
    assert values["log.every"] == 1 and values["lr_schedule.warmup"] <= 10
    for key, origin in origins.items():
        if key.startswith("parallel.") or key in ("data.format", "train.trainer", "data.split"):
            assert origin == "default", key


# --- merging ---------------------------------------------------------------------------------------

NUMBERS = ["train.microbatch_size", "train.seq_len", "train.epochs", "train.max_steps", "train.seed",
           "optimizer.lr", "optimizer.beta1", "optimizer.lr_scaling.alpha", "optimizer.nesterov",
           "log.every", "log.samples.max_tokens", "log.tensorboard", "lr_schedule.min_lr",
           "optimizer_groups.a.lr", "optimizer_groups.b.beta1", "comm.interface", "data.split"]


def random_value(key, dice):
    if key.endswith(("nesterov", "tensorboard")):
        return dice.random() < 0.5
    if key.endswith(("interface", "split")):
        return dice.choice(["x", "it's: \"q\"", "#no", "12", "true", "- a", "ü\n b", "~", "null", "1e5"])
    if key.endswith(("lr", "beta1", "alpha", "epochs")):
        return dice.choice([0.5, 1e-7, 0.25, 1, 3e-05])
    return 1 if key.endswith("microbatch_size") else dice.randint(1, 2000)


def random_layer(dice, inherited):
    layer = {}
    for key in NUMBERS:
        if dice.random() < 0.5:
            continue
        section, *rest = key.split(".")
        place = layer.setdefault(section, {})
        for part in rest[:-1]:
            place = place.setdefault(part, {})
        removes = dice.random() < 0.25
        place[rest[-1]] = None if removes else random_value(key, dice)
    for name, group in layer.get("optimizer_groups", {}).items():
        if name not in inherited or dice.random() < 0.3:
            group["regex"] = dice.choice(["norm", "a|b", "^x[0-9]+"])
        inherited.add(name)
    if inherited and dice.random() < 0.1:
        name = inherited.pop()
        if name in layer.get("optimizer_groups", {}):
            inherited.add(name)
        else:
            layer.setdefault("optimizer_groups", {})[name] = None
    return layer


@pytest.mark.parametrize("seed", range(12))
def test_random_layers_merge_as_pyyaml_and_ten_lines_of_python_do(tmp_path, show, seed):
    dice = random.Random(seed)
    inherited, expected = set(), {}
    for level in range(4):
        layer = random_layer(dice, inherited)
        expected = merged(expected, layer)
        if level:
            layer["extends"] = f"{level - 1}.yaml"
        (tmp_path / f"{level}.yaml").write_text(
            yaml.safe_dump(layer, sort_keys=False, allow_unicode=dice.random() < 0.5,
                           default_flow_style=dice.choice([None, False, True])))
    values, origins = show(tmp_path / "3.yaml")
    wanted = flat(expected)
    assert {key for key, origin in origins.items() if origin != "default"} == set(wanted)
    for key, value in wanted.items():
        assert values[key] == value, key


def test_what_is_shown_is_yaml_that_pyyaml_reads_the_same(root, fg_config, show):
    for file in configurations(root):
        values, _ = show(file)
        shown = flat(yaml.safe_load(fg_config("show", file)))
        assert shown == {key: value for key, value in values.items()}


# --- the schema ------------------------------------------------------------------------------------


def test_the_schema_is_one_and_takes_every_configuration(root, schema):
    jsonschema = pytest.importorskip("jsonschema", reason="[hf] jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for file in configurations(root):
        validator.validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("text", [
    "trian: {}", "train: {sead: 1}", "train: {seq_len: 0}", "train: {epochs: many}",
    "train: {epochs: 0}", "optimizer: {type: adamm}", "checkpoint: {keep: 1}", "data: x.jsonl",
    "lr_schedule: {warmup: 5 epochs}", "optimizer_groups: {a: {lr: high}}",
    "optimizer_groups: {a: {regexp: x}}", "data: {path: {weight: 1}}", "parallel: {split: 3}",
    "data: {path: []}", "train: {deterministic: maybe}", "optimizer: {clip_norm: -1}"])
def test_the_schema_and_the_loader_refuse_the_same(tmp_path, schema, fg_config, text):
    jsonschema = pytest.importorskip("jsonschema", reason="[hf] jsonschema is not installed")
    assert not jsonschema.Draft202012Validator(schema).is_valid(yaml.safe_load(text))
    (tmp_path / "a.yaml").write_text(text + "\n")
    assert "a.yaml:1: " in fg_config("show", tmp_path / "a.yaml", code=2)


@pytest.mark.parametrize("text", [
    "train: {max_tokens: 560M, epochs: 1e-1, seed: '${env:SEED:-3}'}", "eval: null",
    "lr_schedule: {warmup: 2.5M tokens, total: 1k}", "optimizer_groups: {a: {regex: x, lr: 1e-5}}",
    "data: {path: [a, {path: b, weight: 2}]}", "train: {trainer: fsdp2}", "train: {seq_len: 16k}",
    "checkpoint: {save_strategy: no, resume: some/folder}", "parallel: {split: [1, 2]}"])
def test_the_schema_and_the_loader_take_the_same(tmp_path, schema, fg_config, text):
    jsonschema = pytest.importorskip("jsonschema", reason="[hf] jsonschema is not installed")
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))
    (tmp_path / "a.yaml").write_text(text + "\n")
    fg_config("show", tmp_path / "a.yaml")


# --- the program -----------------------------------------------------------------------------------


def test_refs_and_graph_show_the_chain(root, fg_config):
    file = "configs/samantha/llama2_7b/1gpu_minimum.yaml"
    lines = fg_config("refs", file, cwd=root).splitlines()
    assert lines[0] == file and lines[-1].strip() == "configs/base/finetune.yaml"
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4, 6, 8]
    dot = fg_config("graph", file, cwd=root)
    assert dot.startswith("digraph") and dot.count(" -> ") == 4
    svg = xml.etree.ElementTree.fromstring(fg_config("graph", file, "--format", "svg", cwd=root))
    names = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(names) == sorted(line.strip() for line in lines)


def rates(text):
    """{step: learning rate} of `graph --lr`."""
    lines = text.splitlines()[1:]
    return {int(words[1].replace(",", "")): float(words[3]) for words in map(str.split, lines)}


@pytest.fixture
def curve(fg_config, tmp_path):
    """curve("key=value", …) -> {step: learning rate}, or the message where `code` is not 0."""

    def run(*sets, code=0):
        (tmp_path / "a.yaml").write_text("# Nothing\n")
        options = [word for item in sets for word in ("--set", item)]
        text = fg_config("graph", tmp_path / "a.yaml", "--lr", *options, code=code)
        return text if code else rates(text)

    return run


SCHEDULES = {
    "constant": lambda step: 1,
    "linear": lambda step: 1 - (step - 5) / 15,
    "cosine": lambda step: 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - 5) / 15)),
    "wsd": lambda step: 1 if step < 12 else 1 / ((step - 12) / 8 / 0.1 + (20 - step) / 8),
    "infinite": lambda step: 0.3 + 0.7 * 0.5 * (1 + math.cos(math.pi * min(step - 5, 10) / 10)),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_graph_lr_gives_the_curve(curve, name):
    more = {"cosine": ["lr_schedule.min_lr_ratio=0.1"], "infinite": [
        "lr_schedule.cooldown=10", "lr_schedule.constant_lr=6e-4"], "wsd": [
        "lr_schedule.decay=8", "lr_schedule.min_lr=2e-4"]}.get(name, [])
    found = curve(f"lr_schedule.type={name}", "lr_schedule.warmup=5",
                  "optimizer.lr=2e-3", "train.max_steps=20", *more)
    assert list(found) == list(range(20))
    for step, rate in found.items():
        wanted = step / 5 if step < 5 else SCHEDULES[name](step)
        assert rate == pytest.approx(2e-3 * wanted, rel=1e-5), step


def test_graph_lr_counts_tokens_ranks_and_rows_as_fg_train_does(curve):
    settings = ["train.batch_size=2", "parallel.data=2", "train.seq_len=1000", "optimizer.lr=1e-3",
                "train.batch_density=0.5", "optimizer.lr_scaling.base_batch_tokens=500",
                "lr_schedule.type=linear", "lr_schedule.warmup=20k tokens"]
    # 2 rows for each of 2 replicas: 2,000 tokens a step; lr 1e-3 * sqrt(2000 / 500).
    found = curve(*settings, "train.max_tokens=50k")
    assert list(found) == list(range(25))
    assert found[10] == 2e-3 and found[5] == 1e-3
    assert curve(*settings, "train.max_tokens=1") == {0: 0}
    assert len(curve(*settings, "train.max_tokens=50k", "train.max_steps=7")) == 7


def test_graph_lr_draws_long_runs_as_text_and_as_a_picture(root, fg_config):
    file = root / "configs/quickstart.yaml"
    found = rates(fg_config("graph", file, "--lr", "--max-steps", "9000000000000000000"))
    assert len(found) == 26 and list(found)[-1] == 8999999999999999999
    assert list(found) == sorted(found)
    svg = xml.etree.ElementTree.fromstring(
        fg_config("graph", file, "--lr", "--max-steps", "5000", "--format", "svg"))
    space = "{http://www.w3.org/2000/svg}"
    points = [tuple(map(float, point.split(",")))
              for point in svg.find(space + "polyline").get("points").split()]
    assert len(points) == 601 and points == sorted(points, key=lambda point: point[0])
    words = [text.text for text in svg.iter(space + "text")]
    assert "step 4,999" in words and "0.002" in words and "cosine over 5,000 steps" in words[0]
    for width, height in points:
        assert 0 <= width <= float(svg.get("width")) and 0 <= height <= float(svg.get("height"))


def test_graph_lr_says_what_it_lacks(root, fg_config, curve):
    file = root / "configs/quickstart.yaml"
    message = fg_config("graph", file, "--lr", code=2)
    assert "depends on the data" in message and "--max-steps N" in message
    message = fg_config("graph", file, "--lr", "--max-steps", "0", code=2)
    assert "--max-steps" in message and "1" in message
    assert "expected text or svg" in fg_config("graph", file, "--lr", "--format", "dot", code=2)
    assert "expected dot or svg" in fg_config("graph", file, "--format", "text", code=2)
    message = fg_config("show", file, "--lr", "--max-steps", "5", code=2)
    assert "--lr is an option of graph" in message
    assert "--max-steps goes with --lr" in fg_config("graph", file, "--max-steps", "5", code=2)
    assert "min_lr must be from 0 to lr" in curve(
        "train.max_steps=5", "lr_schedule.min_lr=1", code=2)
    assert "momentum" in curve("train.max_steps=5", "optimizer.momentum=0.5", code=2)


def test_ls_names_what_fg_train_would_refuse(tmp_path, fg_config):
    (tmp_path / "good.yaml").write_text("# Good\ntrain: {seed: 1}\n")
    (tmp_path / "wrong.yaml").write_text("train: {sead: 1}\n")
    (tmp_path / "broken.yaml").write_text("train: {\n")
    (tmp_path / "other.yaml").write_text("colour: red\n")
    lines = fg_config("ls", tmp_path, cwd=tmp_path).splitlines()
    assert len(lines) == 3
    assert "broken.yaml" in lines[0] and "cannot be read" in lines[0]
    assert lines[1].endswith("Good")
    assert "is refused" in lines[2] and "did you mean 'seed'?" in lines[2]


def test_the_program_refuses_wrong_command_lines(tmp_path, fg_config):
    assert "missing argument" in fg_config(code=2)
    assert "did you mean 'show'?" in fg_config("shaw", code=2)
    message = fg_config("show", "--format", "png", code=2)
    assert "the CONFIG to show" in message and "--format png" in message
    assert "no/such.yaml" in fg_config("show", "no/such.yaml", code=2)
    assert "one argument too many: 'b'" in fg_config("refs", "a", "b", code=2)
    assert "KEY=VALUE" in fg_config("show", "x.yaml", "--set", "train.seed", code=2)
    assert "configs/" in fg_config("ls", code=2, cwd=tmp_path)


# --- the documentation -----------------------------------------------------------------------------


def type_of(schema):
    """How the documentation names the type of a key."""
    options = [part for part in schema["anyOf"] if part.get("type") != "null"
               and part.get("pattern") != "\\$\\{"]
    first = options[0]
    if "enum" in first:
        return ", ".join(f"`{word}`" for word in first["enum"] if isinstance(word, str))
    if any("tokens" in part.get("pattern", "") for part in options):
        return "steps or tokens"
    if len(options) > 2:
        return "path or list"
    if isinstance(first["type"], list):
        return "text"
    name = {"boolean": "true or false", "integer": "whole number", "number": "number",
            "array": "list of whole numbers", "string": "path"}[first["type"]]
    bounds = [word.format(first[key]) for key, word in
              (("minimum", "≥ {:g}"), ("exclusiveMinimum", "> {:g}"), ("maximum", "≤ {:g}"))
              if key in first]
    return " ".join([name, ", ".join(bounds)]).strip()


def documented_row(key, schema):
    help_text, _, unset = schema["description"].partition(" (not set: ")
    default = json.dumps(schema["default"]).strip('"') if "default" in schema else None
    shown = f"`{default}`" if default else unset.removesuffix(")")
    help_text = help_text.replace("|", "\\|").replace("*", "\\*")
    return f"| `{key}` | {type_of(schema)} | {shown} | {help_text} |"


def test_the_documentation_has_every_key_as_the_program_knows_it(root, schema):
    lines = (root / "docs/configuration.md").read_text().splitlines()
    wanted = [documented_row(key, part) for key, part in keys_of(schema).items()]
    missing = [row for row in wanted if row not in lines]
    assert not missing, "rows to add:\n" + "\n".join(missing)
    rows = [line for line in lines if line.startswith("| `") and "." in line.split("`")[1]]
    assert rows == wanted, "rows that no key has, or another order"
