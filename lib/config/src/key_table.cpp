#include "key_builder.hpp"

namespace fg::config {

void add_model_and_data(std::vector<Key>& table) {
  const std::vector<Key> rows = {
      FG_KEY(model.path, "the model: an fg or Hugging Face folder, or a checkpoint (-M)")
          .unset("must be given"),
      FG_KEY(model.init, "weights: train on from the model's; random: begin anew with its shape"),
      FG_KEY(model.dtype,
             "type of the weights while training; auto: bfloat16 on CUDA, float32 on "
             "the CPU"),
      FG_KEY(model.config, "with init random: the config.json, or a folder that has one")
          .unset("model.path"),
      FG_KEY(model.tokenizer, "folder of the tokenizer").unset("model.path"),

      FG_KEY(data.path,
             "what to train on: a file, a folder, or a list of these or of {path, "
             "weight}; JSON or JSON lines, also .gz")
          .unset("must be given"),
      FG_KEY(data.format, "form of the records; auto: by the first one"),
      FG_KEY(data.split, "part of the data to train on, such as train[:95%]").unset("all"),
      FG_KEY(data.eval_path, "what to evaluate on").unset("data.path, if data.eval_split is given"),
      FG_KEY(data.eval_split, "part of data.eval_path, such as train[95%:]").unset("all"),
      FG_KEY(data.chat_template, "Jinja file that turns a conversation into text")
          .unset("the model's own, else ChatML"),
      FG_KEY(data.train_on, "tokens that count in the loss: all, or what the assistant says"),
      FG_KEY(data.pack, "several documents in a row; they never see each other"),
      FG_KEY(data.too_long,
             "a document longer than a row: cut it so that its end marker stays, or "
             "split it into windows"),
      FG_KEY(data.cache, "folder for the tokens, made once")
          .unset("$XDG_CACHE_HOME/fg or ~/.cache/fg"),
  };
  table.insert(table.end(), rows.begin(), rows.end());
}

void add_training(std::vector<Key>& table) {
  const std::vector<Key> rows = {
      FG_KEY(train.trainer,
             "how ranks share the work; auto: one rank basic, else ddp if it fits, "
             "else pipeline; fsdp: not in this version")
          .alias("fsdp2", "fsdp"),
      FG_KEY(train.global_batch_size, "rows of one optimizer step over the whole job").least(1),
      FG_KEY(train.batch_size, "the same per replica (a pipeline is one replica)")
          .least(1)
          .unset("from train.global_batch_size"),
      FG_KEY(train.microbatch_size, "rows that go through the model at once").least(1),
      FG_KEY(train.seq_len, "tokens in a row").least(1),
      FG_KEY(train.batch_density,
             "share of positions that are real tokens, where steps and tokens "
             "are converted")
          .above(0)
          .most(1),
      FG_KEY(train.epochs, "passes over the data").above(0),
      FG_KEY(train.max_steps, "end after so many optimizer steps, if that comes first")
          .least(1)
          .unset("no limit"),
      FG_KEY(train.max_tokens, "end after so many tokens, if that comes first")
          .least(1)
          .unset("no limit"),
      FG_KEY(train.seed, "of data order, new weights and stochastic rounding"),
      FG_KEY(train.output_dir, "run folder").unset("model.path"),
      FG_KEY(train.deterministic, "the same bits every time on a GPU too, by slower kernels"),

      FG_KEY(parallel.pipeline, "ranks of a pipeline").least(1).unset("ranks ÷ parallel.data"),
      FG_KEY(parallel.data, "replicas; with a pipeline only 1 in this version")
          .least(1)
          .unset("ranks ÷ parallel.pipeline"),
      FG_KEY(parallel.data_mode,
             "what replicas hold: everything, or (fsdp: not in this version) a part"),
      FG_KEY(parallel.schedule, "order of forward and backward in a pipeline")
          .alias("ScheduleGPipe", "gpipe")
          .alias("Schedule1F1B", "1f1b")
          .alias("ScheduleInterleaved1F1B", "interleaved_1f1b")
          .alias("ScheduleZBVZeroBubble", "zbv"),
      FG_KEY(parallel.split, "blocks of each stage").least(0).unset("balanced by cost"),
      FG_KEY(parallel.extra_warmup,
             "more microbatches in flight across each boundary between machines (or with "
             "comm.simulate_link); 1f1b and zb_h1")
          .least(0),
      FG_KEY(
          parallel.wire,
          "how activations travel between stages; auto: as computed; others: not in this version"),

      FG_KEY(memory.policy,
             "what a block keeps for its backward: everything, its input, its input "
             "on the host, or what fits"),
      FG_KEY(memory.budget_gib, "memory of a device to plan with")
          .above(0)
          .unset("what the device has"),
  };
  table.insert(table.end(), rows.begin(), rows.end());
}

void add_optimizer(std::vector<Key>& table) {
  using enum OptimizerOption;
  const std::vector<Key> rows = {
      KeyBuilder("type", Kind::choice, common, "the optimizer")
          .choices({"adafactor", "adamw", "adamw8bit", "adamw4bit", "sgd"})
          .unset("adamw"),
      KeyBuilder("lr", Kind::number, common, "learning rate").least(0),
      KeyBuilder("weight_decay", Kind::number, common, "decoupled weight decay").least(0),
      KeyBuilder("stochastic_rounding", Kind::boolean, common,
                 "round updates of bfloat16 weights by chance, right on average"),
      KeyBuilder("state_dtype", Kind::choice, of_a_type, "type of the moments; adamw*, sgd")
          .choices({"auto", "float32", "bfloat16"}),
      KeyBuilder("beta1", Kind::number, of_a_type, "decay of the first moment; adamw*"),
      KeyBuilder("beta2", Kind::number, of_a_type,
                 "decay of the second moment; adamw*; adafactor: its cap"),
      KeyBuilder("eps", Kind::number, of_a_type, "added to the root; adamw*"),
      KeyBuilder("decay_rate", Kind::number, of_a_type,
                 "at update t the second moment decays by 1 - t^decay_rate; adafactor"),
      KeyBuilder("clip_threshold", Kind::number, of_a_type, "largest rms of an update; adafactor"),
      KeyBuilder("eps_square", Kind::number, of_a_type,
                 "added to each squared gradient; adafactor"),
      KeyBuilder("eps_scale", Kind::number, of_a_type,
                 "least rms of a parameter, with relative_step; adafactor"),
      KeyBuilder("relative_step", Kind::boolean, of_a_type,
                 "lr is relative to the rms of the parameter; adafactor"),
      KeyBuilder("momentum", Kind::number, of_a_type, "share of the last update kept; sgd"),
      KeyBuilder("nesterov", Kind::boolean, of_a_type, "momentum in Nesterov's form; sgd"),

      FG_KEY(optimizer.lr_scaling.base_batch_tokens,
             "tokens a step that lr was found for: it is scaled by (tokens a step ÷ this)^alpha")
          .least(1)
          .unset("no scaling"),
      FG_KEY(optimizer.lr_scaling.alpha, "0.5: the square root rule").least(0).most(1),
      FG_KEY(optimizer.gradient_dtype, "type of kept gradients; auto: float32 if it fits"),
      FG_KEY(optimizer.clip_norm, "largest norm of all gradients; 0: no clipping").least(0),
      FG_KEY(optimizer.clip_mode,
             "exact: by this step's norm, which keeps its gradients; lagged: "
             "by the step's before"),
      FG_KEY(optimizer.nan,
             "a loss or gradient that is not finite: stop, skip the step, or go "
             "back to the last checkpoint"),
      FG_KEY(optimizer.spike, "a loss far above the recent ones"),
      FG_KEY(optimizer.spike_sigmas, "far: so many standard deviations above the mean, …").above(0),
      FG_KEY(optimizer.spike_ratio, "… or so many times the median").above(1),
      FG_KEY(optimizer.spike_window, "losses that are remembered").least(4).most(1e6),
      FG_KEY(optimizer.most_skips, "within 100 steps, then stop").least(0),
      FG_KEY(optimizer.most_rollbacks, "to the same step, then stop").least(0),

      FG_KEY(lr_schedule.type, "the curve of the learning rate"),
      FG_KEY(lr_schedule.warmup, "linear from 0"),
      FG_KEY(lr_schedule.total, "length of the curve; linear, cosine, wsd").unset("the run's"),
      FG_KEY(lr_schedule.min_lr, "where it ends")
          .least(0)
          .unset("0 for linear and cosine, 1e-8 for wsd and infinite"),
      FG_KEY(lr_schedule.min_lr_ratio, "the same as a share of lr")
          .least(0)
          .most(1)
          .unset("lr_schedule.min_lr"),
      FG_KEY(lr_schedule.decay, "length of the decay; wsd, infinite with rsqrt"),
      FG_KEY(lr_schedule.decay_start, "where the decay begins")
          .unset("wsd: total - decay; infinite: never"),
      FG_KEY(lr_schedule.cooldown, "from lr to constant_lr; infinite"),
      FG_KEY(lr_schedule.constant_lr, "the long middle's rate; infinite").above(0),
      FG_KEY(lr_schedule.annealing, "how the middle is left; infinite"),
      FG_KEY(lr_schedule.tau, "steps in which exponential annealing falls to 1/e").above(0),
  };
  table.insert(table.end(), rows.begin(), rows.end());
}

void add_records(std::vector<Key>& table) {
  const std::vector<Key> rows = {
      FG_KEY(eval.every, "how often to evaluate").least(1).unset("never"),
      FG_KEY(eval.steps, "most batches of an evaluation").least(1).unset("all"),
      FG_KEY(eval.early_stop.patience, "stop after so many evaluations without a gain")
          .least(1)
          .unset("never"),
      FG_KEY(eval.early_stop.min_delta, "what counts as a gain in the loss").least(0),

      FG_KEY(checkpoint.save_strategy, "all but no also save the last step"),
      FG_KEY(checkpoint.every, "how often to save, with strategy steps").least(1),
      FG_KEY(checkpoint.keep, "the latest that stay").least(2),
      FG_KEY(checkpoint.keep_best, "the one of least eval loss stays too"),
      FG_KEY(checkpoint.format, "bin: weights as pytorch_model-*.bin"),
      FG_KEY(checkpoint.each_node, "the folder is local to each node"),
      FG_KEY(checkpoint.resume,
             "latest: go on where the run stands; none: a new run; or the "
             "checkpoint to begin from")
          .path_or({"latest", "none"}),

      FG_KEY(log.every, "how often to write a line of metrics").least(1),
      FG_KEY(log.tensorboard, "write tb/ as well").host_local(),
      FG_KEY(log.profile, "trace this step and the next, each rank to trace-<rank>.json; 0: none")
          .host_local()
          .least(0),
      FG_KEY(log.samples.prompts, "file of prompts, one a line, to generate from").unset("none"),
      FG_KEY(log.samples.every, "how often").least(1).unset("with each evaluation"),
      FG_KEY(log.samples.max_tokens, "longest answer").least(1),
      FG_KEY(log.samples.temperature, "0: always the likeliest").least(0),

      FG_KEY(comm.timeout_s, "a rank that waits longer ends the job").above(0),
      FG_KEY(comm.interface,
             "network between the ranks: names of interfaces or subnets by comma, such as "
             "eth0,eno1 or 10.0.0.0/24")
          .host_local()
          .unset("$FG_INTERFACE, else the default route's"),
      FG_KEY(comm.simulate_link,
             "a slow link to pretend between the ranks, such as 100mbit or 1gbit")
          .unset("none"),
  };
  table.insert(table.end(), rows.begin(), rows.end());
}

}  // namespace fg::config
