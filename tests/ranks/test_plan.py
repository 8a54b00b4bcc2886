"""What fg-train --plan tells of a pipeline, against what its own table of stages comes to."""

import itertools
import re

import pytest

RANKS, MICROBATCHES, LAYERS = 4, 6, 8
SETTINGS = ["train.epochs=9", f"train.global_batch_size={MICROBATCHES}", "train.microbatch_size=1"]


@pytest.fixture
def plan(job, tmp_path):
    """plan("key=value", …, ranks=1): the lines that so many processes print for a pipeline of RANKS."""

    def run(*settings, ranks=1):
        return job(("1f1b", ranks), "llama", tmp_path / "run", f"parallel.pipeline={RANKS}", *SETTINGS, *settings,
                   options=["--plan", "--devices", "cpu"]).stdout

    return run


def hash_of(said):
    [found] = re.findall(r"^plan (\w+)$", said, re.MULTILINE)
    return found


def stages_of(said):
    """[(rank, first layer, last layer, layers, cost)], by stage."""
    found = re.findall(r"^ +(\d+) +(\d+) +(\d+)-(\d+) +(\d+) +(\S+) +\d+ %", said, re.MULTILINE)
    assert [int(stage) for stage, *_ in found] == list(range(len(found)))
    return [(*map(int, numbers), float(cost)) for _, *numbers, cost in found]


def makespan(costs):
    """Of 1F1B: forward takes a stage's cost, backward two, and a gradient leaves behind it."""
    last = len(costs) - 1
    queues = []
    for rank in range(len(costs)):
        ahead = min(last - rank + 1, MICROBATCHES)
        queue = [("F", number) for number in range(ahead)]
        for number in range(MICROBATCHES):
            queue += [("B", number)]
            queue += [("F", number + ahead)] if number + ahead < MICROBATCHES else []
        queues.append(queue)
    done, clock = {}, [0.0] * len(costs)
    while any(queues):
        for rank, queue in enumerate(queues):
            while queue:
                what, number = queue[0]
                awaited = {"F": (rank - 1, "F", number), "B": (rank + 1, "B", number)}[what]
                if awaited not in done and awaited[0] in range(len(costs)):
                    break
                clock[rank] = max(clock[rank], done.get(awaited, 0)) + costs[rank] * (1 if what == "F" else 2)
                done[rank, *queue.pop(0)] = clock[rank]
    return max(clock)


def test_the_split_gives_each_layer_to_one_rank_and_is_the_most_even_one(plan):
    said = plan()
    ranks, first, last, layers, costs = zip(*stages_of(said), strict=True)

    assert ranks == tuple(range(RANKS))
    assert first == (0, *(layer + 1 for layer in last[:-1])) and last[-1] == LAYERS - 1
    assert layers == tuple(b - a + 1 for a, b in zip(first, last, strict=True))
    assert f"layers of each stage: {' '.join(map(str, layers))}, on ranks 0 1 2 3" in said
    layer = costs[0] / layers[0]
    head = costs[-1] - layer * layers[-1]
    slowest = min(max(*(layer * each for each in split[:-1]), layer * split[-1] + head)
                  for split in itertools.product(range(1, LAYERS), repeat=RANKS) if sum(split) == LAYERS)
    assert max(costs) == pytest.approx(slowest, rel=1e-3)


@pytest.mark.parametrize("by_hand", [[], ["parallel.split=[1,5,1,1]"]], ids=["even", "uneven"])
def test_the_share_that_computes_is_that_of_the_stages_costs(by_hand, plan):
    said = plan(*by_hand)
    costs = [cost for *_, cost in stages_of(said)]

    [told] = re.findall(r"^(\S+) % of the ranks' time computes, .* to (\S+) %$", said, re.MULTILINE)
    computes, balance = map(float, told)
    assert balance == pytest.approx(100 * sum(costs) / RANKS / max(costs), abs=0.1)
    busy = 3 * MICROBATCHES * sum(costs)
    assert computes == pytest.approx(100 * busy / RANKS / makespan(costs), abs=0.1)
    [(passes, idle)] = re.findall(r"^a step takes as long as (\S+) forward passes .*; by rank, idle: (.*)$", said,
                                  re.MULTILINE)
    assert float(passes) == pytest.approx(makespan(costs) * RANKS / sum(costs), abs=0.06)
    assert [float(share) for share in idle.split(" %")[:-1]] == pytest.approx(
        [100 - 300 * MICROBATCHES * cost / makespan(costs) for cost in costs], abs=0.1)


def test_a_rank_holds_what_the_schedule_has_in_flight(plan):
    def held(schedule):
        [told] = re.findall(r"^activations held at once, .*: ([\d ]+)$", plan(f"parallel.schedule={schedule}"),
                            re.MULTILINE)
        return [int(count) for count in told.split()]

    assert held("1f1b") == [4, 3, 2, 1]
    assert held("zb_h1") == [4, 4, 4, 4]
    assert held("gpipe") == [MICROBATCHES] * RANKS


def test_the_hash_is_that_of_the_order_and_of_nothing_else(plan):
    told = hash_of(plan())

    assert hash_of(plan(ranks=RANKS)) == told, "one process plans what the ranks do"
    assert hash_of(plan("optimizer.lr=0.5", "train.seed=7")) == told
    others = [hash_of(plan(setting)) for setting in ("parallel.schedule=gpipe", "parallel.schedule=zb_h1",
                                                     f"train.global_batch_size={MICROBATCHES + 1}")]
    assert len({told, *others}) == 4
