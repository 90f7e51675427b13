"""Elementwise ops with broadcasting, reductions, pooling, normalisation, layout ops, the SE block, softmax and losses."""
import numpy as np
import torch
import torch.nn.functional as F

from family import Family, nchw, nhwc


def away_from_zero(rng, shape, least=0.1):
    x = rng.standard_normal(shape)
    return np.sign(x) * (np.abs(x) + least)


def binary(family):
    ops = {
        "add": torch.add,
        "sub": torch.sub,
        "mul": torch.mul,
        "div": torch.div,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
    }
    shapes = {
        "same": ((3, 5, 7), (3, 5, 7)),
        "scalar": ((3, 5), ()),
        "channels": ((2, 3, 3, 8), (8,)),
        "odd-channels": ((2, 3, 5, 7), (7,)),
        "per-image": ((3, 4, 5, 6), (3, 1, 1, 6)),
        "both-ways": ((4, 1, 3), (1, 5, 3)),
        "column-row": ((6, 1), (1, 9)),
        "left-smaller": ((5,), (4, 5)),
    }
    for op, function in ops.items():
        for name, (a, b) in shapes.items():
            case = f"{op}-{name}"
            divisor = away_from_zero(family.rng(case + "/b"), b, 0.5) if op == "div" else b
            family.case(case, op, lambda a, b: function(a, b), {"a": a, "b": divisor})
    family.case("add-itself", "add", lambda a: a + a, {"a": (4, 3)}, {"b": "a"})
    family.case("mul-itself", "mul", lambda a: a * a, {"a": (4, 3)}, {"b": "a"})
    for exponent in (2, 3, 0.5, -1):
        x = np.abs(family.rng(f"pow{exponent}").standard_normal((3, 7))) + 0.3
        family.case(f"pow-{exponent}", "pow", lambda x: x**exponent, {"x": x}, {"exponent": exponent})


def unary(family):
    with_zeros = np.concatenate([np.zeros(3), family.rng("zeros").standard_normal(38), [1e-30, -1e-30]])
    wide = np.concatenate([np.linspace(-30, 30, 41), [0, 80, -80]])
    positive = np.exp(family.rng("positive").uniform(-12, 12, 61))
    zero_to_large = np.concatenate([[0.25, 1, 4], positive])
    ops = {
        "relu": (F.relu, with_zeros),
        "leakyRelu": (lambda x: F.leaky_relu(x, 0.2), with_zeros),
        "tanh": (torch.tanh, np.concatenate([wide, np.linspace(-1e-3, 1e-3, 9)])),
        "sigmoid": (torch.sigmoid, wide),
        "exp": (torch.exp, np.concatenate([np.linspace(-40, 40, 41), np.linspace(-1e-3, 1e-3, 9)])),
        "log": (torch.log, np.concatenate([positive, 1 + np.linspace(-1e-3, 1e-3, 9)])),
        "sqrt": (torch.sqrt, zero_to_large),
        "abs": (torch.abs, with_zeros),
        "neg": (torch.neg, with_zeros),
        "square": (torch.square, with_zeros),
    }
    for op, (function, x) in ops.items():
        attributes = {"negativeSlope": 0.2} if op == "leakyRelu" else {}
        family.case(op, op, lambda x: function(x), {"x": x}, attributes)
        shaped = np.abs(family.rng(op).standard_normal((2, 3, 5, 4))) + 0.1
        family.case(f"{op}-image", op, lambda x: function(x), {"x": shaped}, attributes)
    family.case("clamp", "clamp", lambda x: x.clamp(-0.5, 0.7), {"x": (5, 7)}, {"min": -0.5, "max": 0.7})


def reductions(family):
    dims = {"all": None, "last": [-1], "first": [0], "image": [1, 2], "last-two": [-2, -1]}
    for op, function in {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin}.items():
        for name, dim in dims.items():
            for keepdim in (False, True):
                if dim is None and keepdim:
                    continue
                run = (lambda x: function(x, dim, keepdim)) if dim is not None else (lambda x: function(x))
                case = f"{op}-{name}{'-keepdim' if keepdim else ''}"
                family.case(case, op, run, {"x": (3, 4, 5, 6)}, {"dim": dim, "keepdim": keepdim})
    family.case("sum-long", "sum", lambda x: x.sum(), {"x": (9001,)}, {"dim": None, "keepdim": False})
    family.case("sum-rows-long", "sum", lambda x: x.sum(0), {"x": (700, 5)}, {"dim": [0], "keepdim": False})
    family.case("mean-one", "mean", lambda x: x.mean(), {"x": (1,)}, {"dim": None, "keepdim": False})
    ties = np.array([[1.0, 3, 3, 2], [5, 5, 5, 5], [-1, -2, -1, -3]])
    family.case("amax-ties", "amax", lambda x: x.amax(-1), {"x": ties}, {"dim": [-1], "keepdim": False})
    family.case("argmax", "argmax", lambda x: x.argmax(-1), {"x": (5, 9)}, {"dim": -1}, constant=("x",))


def pooling(family):
    def max_pool(name, x, kernel, stride, padding=(0, 0), ceil_mode=False):
        attributes = {"kernelSize": kernel, "stride": stride, "padding": padding}
        if ceil_mode:
            attributes["ceilMode"] = True
        run = lambda x: nhwc(F.max_pool2d(nchw(x), kernel, stride, padding, ceil_mode=ceil_mode))
        family.case(f"maxPool2d-{name}", "maxPool2d", run, {"x": x}, attributes)

    max_pool("even", (2, 6, 4, 8), (2, 2), (2, 2))
    max_pool("odd-size", (2, 5, 7, 3), (2, 2), (2, 2))
    max_pool("one", (1, 2, 2, 1), (2, 2), (2, 2))
    max_pool("overlapping", (2, 7, 6, 4), (3, 3), (2, 2))
    max_pool("padded", (1, 7, 6, 4), (3, 3), (2, 2), (1, 1))
    max_pool("stride1", (1, 5, 4, 2), (2, 2), (1, 1))
    max_pool("uneven", (1, 6, 7, 2), (2, 3), (2, 1))
    max_pool("ceil", (2, 5, 7, 4), (2, 2), (2, 2), ceil_mode=True)
    # A window that would start in the padding at the end is left out.
    max_pool("ceil-padded", (1, 5, 6, 3), (2, 2), (2, 2), (1, 1), ceil_mode=True)
    ties = np.repeat(np.repeat(family.rng("ties").integers(0, 2, (1, 3, 3, 4)), 2, 1), 2, 2).astype(float)
    max_pool("ties-take-the-first", ties, (2, 2), (2, 2))

    def average_pool(name, x, kernel, stride):
        attributes = {"kernelSize": kernel, "stride": stride}
        run = lambda x: nhwc(F.avg_pool2d(nchw(x), kernel, stride))
        family.case(f"avgPool2d-{name}", "avgPool2d", run, {"x": x}, attributes)

    average_pool("even", (2, 6, 4, 8), (2, 2), (2, 2))
    average_pool("odd-size", (2, 5, 7, 3), (2, 2), (2, 2))
    for name, x in {"even": (2, 4, 4, 8), "odd": (3, 5, 7, 9), "one-position": (2, 1, 1, 5)}.items():
        family.case(f"globalAvgPool2d-{name}", "globalAvgPool2d", lambda x: x.mean((1, 2)), {"x": x})


def normalisation(family):
    def batch_norm(name, x, affine, bias, training, eps, momentum):
        channels = x[-1]
        rng = family.rng(f"batchNorm-{name}")
        inputs = {"x": rng.standard_normal(x) * 2 + 3}
        if affine:
            inputs["weight"] = (channels,)
        if bias:
            inputs["bias"] = (channels,)
        inputs["runningMean"] = rng.standard_normal(channels)
        inputs["runningVar"] = rng.uniform(0.5, 2, channels)

        def run(x, runningMean, runningVar, weight=None, bias=None):
            mean, var = runningMean.clone(), runningVar.clone()
            moved = x.reshape(-1, channels)
            y = F.batch_norm(moved, mean, var, weight, bias, training, momentum, eps).reshape(x.shape)
            return {"": y, "runningMean": mean, "runningVar": var}

        attributes = {"training": training, "eps": eps, "momentum": momentum}
        constant = ("runningMean", "runningVar")
        family.case(f"batchNorm-{name}", "batchNorm", run, inputs, attributes, constant)

    for training in (True, False):
        mode = "train" if training else "eval"
        batch_norm(f"beta-only-{mode}", (3, 4, 5, 8), False, True, training, 1e-3, 0.005)
        batch_norm(f"beta-only-odd-{mode}", (2, 3, 5, 7), False, True, training, 1e-3, 0.005)
        batch_norm(f"beta-only-vector-{mode}", (6, 20), False, True, training, 1e-3, 0.005)
        batch_norm(f"affine-{mode}", (3, 4, 4, 6), True, True, training, 1e-5, 0.1)
        batch_norm(f"plain-{mode}", (3, 2, 4, 5), False, False, training, 1e-5, 0.1)
    constant = np.ones((2, 2, 2, 3)) * 5

    def run(x, bias):
        return F.batch_norm(x.reshape(-1, 3), None, None, None, bias, True, 0.1, 1e-3).reshape(x.shape)

    attributes = {"training": True, "eps": 1e-3, "momentum": 0.1}
    family.case("batchNorm-constant-image", "batchNorm", run, {"x": constant, "bias": (3,)}, attributes)

    def norm_max_pool(name, x, kernel, affine, training, slope):
        channels = x[-1]
        rng = family.rng(f"normMaxPool-{name}")
        inputs = {"x": rng.standard_normal(x) * 2 + 3, "bias": (channels,)}
        if affine:
            inputs["weight"] = (channels,)
        inputs["runningMean"] = rng.standard_normal(channels) + 3
        inputs["runningVar"] = rng.uniform(0.5, 2, channels)

        def run(x, bias, runningMean, runningVar, weight=None):
            mean, var = runningMean.clone(), runningVar.clone()
            y = F.batch_norm(nchw(x), mean, var, weight, bias, training, 0.1, 1e-3)
            y = nhwc(F.max_pool2d(F.leaky_relu(y, slope), kernel))
            return {"": y, "runningMean": mean, "runningVar": var}

        attributes = {"training": training, "eps": 1e-3, "momentum": 0.1, "kernelSize": kernel, "slope": slope}
        family.case(f"normMaxPool-{name}", "normMaxPool", run, inputs, attributes, ("runningMean", "runningVar"))

    norm_max_pool("even", (2, 6, 4, 8), 2, False, True, 0.0)
    norm_max_pool("odd-size", (2, 5, 7, 3), 2, True, True, 0.0)
    norm_max_pool("three", (1, 7, 10, 4), 3, True, True, 0.2)
    norm_max_pool("one-window", (3, 2, 2, 1), 2, False, True, 0.0)
    norm_max_pool("running-statistics", (2, 5, 6, 8), 2, True, False, 0.0)

    def instance_norm(name, x, affine):
        inputs = {"x": x}
        if affine:
            inputs |= {"weight": (x[3],), "bias": (x[3],)}
        run = lambda x, weight=None, bias=None: nhwc(F.instance_norm(nchw(x), None, None, weight, bias, eps=1e-5))
        family.case(f"instanceNorm-{name}", "instanceNorm", run, inputs, {"eps": 1e-5})

    instance_norm("plain", (2, 4, 5, 8), False)
    instance_norm("odd", (3, 3, 5, 7), False)
    instance_norm("affine", (2, 5, 4, 6), True)


def layout(family):
    for name, pad in {"1": (1, 1, 1, 1), "3": (3, 3, 3, 3), "uneven": (2, 0, 1, 3)}.items():
        top, bottom, left, right = pad
        run = lambda x: nhwc(F.pad(nchw(x), (left, right, top, bottom), mode="reflect"))
        attributes = {"padding": {"top": top, "bottom": bottom, "left": left, "right": right}}
        family.case(f"reflectionPad2d-{name}", "reflectionPad2d", run, {"x": (2, 5, 4, 3)}, attributes)
    run = lambda x: nhwc(F.pad(nchw(x), (1, 0, 2, 1)))
    attributes = {"padding": {"top": 2, "bottom": 1, "left": 1, "right": 0}}
    family.case("zeroPad2d", "zeroPad2d", run, {"x": (2, 3, 4, 5)}, attributes)
    family.case("reshape", "reshape", lambda x: x.reshape(4, 15), {"x": (2, 2, 3, 5)}, {"shape": [4, 15]})
    for dims in ([1, 0], [0, 3, 1, 2], [0, 2, 1]):
        shape = (2, 3, 4, 5)[: len(dims)]
        name = "".join(map(str, dims))
        family.case(f"permute-{name}", "permute", lambda x: x.permute(dims).contiguous(), {"x": shape}, {"dims": dims})
    for dim in (0, 1, -1):
        shapes = [[2, 3, 4], [2, 3, 4]]
        shapes[1][dim] = 5
        family.case(
            f"cat-{dim}",
            "cat",
            lambda a, b: torch.cat([a, b], dim),
            {"a": tuple(shapes[0]), "b": tuple(shapes[1])},
            {"dim": dim},
        )
    attributes = {"dim": 1, "start": 2, "end": 5}
    family.case("slice", "slice", lambda x: x[:, 2:5].contiguous(), {"x": (2, 6, 3)}, attributes)


def squeeze_excitation(family):
    def add(name, x, hidden, bias):
        c = x[3]
        inputs = {"x": x, "weight1": (hidden, c), "weight2": (c, hidden)}
        if bias:
            inputs |= {"bias1": (hidden,), "bias2": (c,)}

        def run(x, weight1, weight2, bias1=None, bias2=None):
            hidden = F.relu(F.linear(x.mean((1, 2)), weight1, bias1))
            return x * torch.sigmoid(F.linear(hidden, weight2, bias2))[:, None, None, :]

        family.case(f"seBlock-{name}", "seBlock", run, inputs)

    add("bias", (2, 4, 5, 32), 2, True)
    add("no-bias", (3, 3, 3, 16), 4, False)
    add("odd", (2, 5, 3, 7), 3, True)
    add("one-position", (1, 1, 1, 8), 1, True)


def softmax_and_losses(family):
    for op, function in {"softmax": F.softmax, "logSoftmax": F.log_softmax}.items():
        family.case(f"{op}-last", op, lambda x: function(x, -1), {"x": (5, 7)}, {"dim": -1})
        family.case(f"{op}-classes", op, lambda x: function(x, -1), {"x": (4, 3)}, {"dim": -1})
        large = np.array([[1000.0, 999, -1000], [-500, -501, -502]])
        family.case(f"{op}-large", op, lambda x: function(x, -1), {"x": large}, {"dim": -1})
        family.case(f"{op}-long", op, lambda x: function(x, -1), {"x": (2, 300)}, {"dim": -1})

    for reduction in ("mean", "sum"):
        run = lambda x, target: F.cross_entropy(x, target, reduction=reduction)
        for name, (batch, classes) in {"three": (6, 3), "one-image": (1, 7), "many": (70, 33)}.items():
            case = f"crossEntropy-{reduction}-{name}"
            target = family.rng(case).integers(0, classes, batch)
            family.case(case, "crossEntropy", run, {"x": (batch, classes), "target": target}, {"reduction": reduction})
        case = f"crossEntropy-{reduction}-soft"
        target = family.rng(case).dirichlet(np.ones(4), 5)
        inputs = {"x": (5, 4), "target": target}
        family.case(case, "crossEntropy", run, inputs, {"reduction": reduction}, constant=("target",))
        large = np.array([[800.0, -800, 0], [-900, 900, 899]])
        inputs = {"x": large, "target": np.array([1, 2])}
        family.case(f"crossEntropy-{reduction}-large", "crossEntropy", run, inputs, {"reduction": reduction})
    for reduction in ("mean", "sum"):
        for op, function in {"l1Loss": F.l1_loss, "mseLoss": F.mse_loss}.items():
            run = lambda x, target: function(x, target, reduction=reduction)
            family.case(f"{op}-{reduction}", op, run, {"x": (3, 5, 4), "target": (3, 5, 4)}, {"reduction": reduction})
    same = family.rng("same").standard_normal((3, 4))
    run = lambda x, target: F.l1_loss(x, target)
    family.case("l1Loss-equal", "l1Loss", run, {"x": same, "target": same.copy()}, {"reduction": "mean"})


def build():
    family = Family("pointwise")
    for add in (binary, unary, reductions, pooling, normalisation, layout, squeeze_excitation, softmax_and_losses):
        add(family)
    return family
