"""Adafactor for bfloat16 weights, compiled: the fastest that PyTorch's compiler gave for the peers.

Factored second moments in float32, the update clipped at RMS 1, no momentum, no relative step sizes (Shazeer and
Stern, Adafactor, 2018, algorithms 4 and 5): what transformers.Adafactor computes with scale_parameter,
relative_step and warmup_init off, in few passes over a parameter and with stochastic rounding of bfloat16."""

import torch

TINY = 1e-30  # added to squared gradients, as in the paper


def rounded(values, dtype):
    """values in dtype; bfloat16 stochastically: up with the share of the way to the upper neighbour."""
    if dtype != torch.bfloat16:
        return values.to(dtype)
    noise = torch.randint(0, 1 << 16, values.shape, device=values.device, dtype=torch.int32)
    bits = values.view(torch.int32) + noise
    return (bits & ~0xFFFF).view(torch.float32).to(torch.bfloat16)


def apply(weight, update, rate):
    rms = update.square().mean().sqrt()
    weight.copy_(rounded(weight.float() - rate * update / rms.clamp(min=1.0), weight.dtype))


def step_matrix(weight, gradient, row_moment, column_moment, share, rate):
    gradient = gradient.float()
    squares = gradient.square() + TINY
    row_moment.lerp_(squares.mean(dim=1), share)
    column_moment.lerp_(squares.mean(dim=0), share)
    rows = (row_moment / row_moment.mean()).rsqrt()
    apply(weight, gradient * rows[:, None] * column_moment.rsqrt()[None, :], rate)


def step_vector(weight, gradient, moment, share, rate):
    gradient = gradient.float()
    moment.lerp_(gradient.square() + TINY, share)
    apply(weight, gradient * moment.rsqrt(), rate)


class HookedAdafactor:
    """Steps each parameter when its gradient is whole and frees the gradient; begin_step() before each backward."""

    def __init__(self, parameters, rate, compiled):
        self.kernels = {2: step_matrix, 1: step_vector}
        if compiled:
            self.kernels = {rank: torch.compile(kernel, dynamic=False, fullgraph=True)
                            for rank, kernel in self.kernels.items()}
        self.steps = 0
        self.moments = {}
        for parameter in parameters:
            device = parameter.device
            self.moments[parameter] = [torch.zeros(size, device=device) for size in parameter.shape]
            parameter.register_post_accumulate_grad_hook(self.step_parameter)
        # Tensors, not numbers, so that a new value is no new compilation.
        self.share, self.rate = torch.ones((), device=device), torch.full((), rate, device=device)
        if compiled:
            self.compile_each_shape()

    def compile_each_shape(self):
        """Here and not in the first backward: that runs in a thread of autograd's, where compiling is less tried."""
        with torch.no_grad():
            for parameter in {parameter.shape: parameter for parameter in self.moments}.values():
                moments = [torch.zeros_like(moment) for moment in self.moments[parameter]]
                weight = torch.zeros_like(parameter)
                self.kernels[weight.dim()](weight, torch.randn_like(weight), *moments, self.share, self.rate)

    def begin_step(self):
        self.steps += 1
        self.share.fill_(self.steps**-0.8)

    @torch.no_grad()
    def step_parameter(self, parameter):
        gradient, parameter.grad = parameter.grad, None
        kernel = self.kernels[parameter.dim()]
        kernel(parameter.detach(), gradient, *self.moments[parameter], self.share, self.rate)
