"""matmul, linear, conv2d, conv2dMaxPool and convTranspose2d."""
import torch.nn.functional as F

from family import Family, nchw, nhwc

ACTIVATIONS = {
    "none": lambda x: x,
    "relu": F.relu,
    "leakyRelu": lambda x: F.leaky_relu(x, 0.2),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
}


def matmul(family):
    shapes = {
        "one": ((1, 1), (1, 1)),
        "row": ((1, 7), (7, 5)),
        "column": ((6, 9), (9, 1)),
        "outer": ((5, 1), (1, 7)),
        "odd": ((3, 5), (5, 7)),
        "past-a-tile": ((17, 33), (33, 65)),
        "square64": ((64, 64), (64, 64)),
        "deep": ((5, 300), (300, 6)),
        "wide": ((4, 12), (12, 130)),
        "batched": ((3, 5, 7), (3, 7, 4)),
        "batched-multiple-of-4": ((2, 16, 32), (2, 32, 24)),
        "batch-of-one-right": ((4, 5, 6), (1, 6, 3)),
        "shared-right": ((4, 5, 6), (6, 3)),
        "shared-left": ((5, 6), (4, 6, 3)),
        "two-batch-axes": ((2, 3, 4, 5), (2, 3, 5, 2)),
        "batch-axes-broadcast": ((2, 1, 4, 5), (3, 5, 2)),
    }
    for name, (a, b) in shapes.items():
        family.case(f"matmul-{name}", "matmul", lambda a, b: a @ b, {"a": a, "b": b})


def linear(family):
    def add(name, batch, features_in, features_out, bias=True, activation="none"):
        inputs = {"x": batch + (features_in,), "weight": (features_out, features_in)}
        if bias:
            inputs["bias"] = (features_out,)
        function = lambda x, weight, bias=None: ACTIVATIONS[activation](F.linear(x, weight, bias))
        family.case(f"linear-{name}", "linear", function, inputs, {"activation": activation})

    add("one", (1,), 1, 1)
    add("odd", (5,), 13, 7)
    add("no-bias", (5,), 13, 7, bias=False)
    add("classes", (6,), 128, 3)
    add("wide", (4,), 96, 60)
    add("three-axes", (2, 3), 10, 6)
    for activation in ("relu", "leakyRelu", "tanh", "sigmoid"):
        add(activation, (5,), 12, 9, activation=activation)
    add("relu-no-bias", (5,), 12, 9, bias=False, activation="relu")


def conv2d(family):
    def add(name, x, out, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=True, activation="none"):
        inputs = {"x": x, "weight": (out, x[3] // groups) + kernel}
        if bias:
            inputs["bias"] = (out,)
        attributes = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
            "activation": activation,
        }

        def function(x, weight, bias=None):
            return nhwc(ACTIVATIONS[activation](F.conv2d(nchw(x), weight, bias, stride, padding, dilation, groups)))

        family.case(f"conv2d-{name}", "conv2d", function, inputs, attributes)

    three, same = (3, 3), {"padding": (1, 1)}
    add("one", (1, 1, 1, 1), 1, (1, 1))
    add("1x1", (2, 5, 4, 7), 6, (1, 1))
    add("1x1-stride2", (2, 5, 6, 4), 5, (1, 1), stride=(2, 2))
    add("first-layer", (2, 9, 10, 3), 16, three, **same, bias=False)
    add("same", (2, 6, 5, 4), 8, three, **same)
    add("odd-channels", (2, 5, 7, 5), 9, three, **same)
    add("valid", (2, 7, 6, 4), 5, three)
    add("as-large-as-kernel", (3, 3, 3, 6), 4, three)
    add("smaller-than-kernel", (2, 1, 2, 3), 4, three, **same)
    add("channels-64", (1, 4, 5, 64), 32, three, **same, bias=False)
    add("channels-36", (1, 13, 11, 20), 36, three, **same)
    add("one-channel-out", (2, 6, 6, 12), 1, (4, 4), padding=(1, 1))
    add("stride2-same", (2, 8, 9, 4), 6, three, stride=(2, 2), **same)
    add("stride2-valid", (2, 7, 8, 3), 5, three, stride=(2, 2))
    add("stride3", (1, 11, 10, 3), 4, (2, 2), stride=(3, 3))
    add("stride-uneven", (2, 7, 9, 4), 4, three, stride=(2, 1), padding=(0, 1))
    add("kernel-uneven", (2, 6, 7, 3), 4, (1, 5), padding=(0, 2))
    add("kernel7", (1, 12, 11, 3), 8, (7, 7), padding=(3, 3))
    add("kernel7-valid", (1, 10, 10, 4), 3, (7, 7), activation="tanh")
    add("patch-4x4-stride2", (2, 8, 8, 4), 8, (4, 4), stride=(2, 2), **same, activation="leakyRelu")
    add("patch-4x4-stride1", (1, 7, 7, 6), 5, (4, 4), **same)
    add("dilated", (1, 9, 8, 3), 4, three, padding=(2, 2), dilation=(2, 2))
    add("groups2", (2, 5, 6, 8), 6, three, **same, groups=2)
    add("depthwise", (2, 5, 6, 6), 6, three, **same, groups=6, bias=False)
    for activation in ("relu", "leakyRelu", "tanh", "sigmoid"):
        add(f"{activation}", (2, 5, 5, 4), 8, three, **same, activation=activation)
    add("relu-no-bias", (2, 5, 5, 4), 8, three, **same, bias=False, activation="relu")


def conv2d_max_pool(family):
    def add(name, x, out, kernel, stride=(1, 1), padding=(0, 0), bias=True, activation="none"):
        inputs = {"x": x, "weight": (out, x[3]) + kernel}
        if bias:
            inputs["bias"] = (out,)
        attributes = {"stride": stride, "padding": padding, "activation": activation}

        def function(x, weight, bias=None):
            y = ACTIVATIONS[activation](F.conv2d(nchw(x), weight, bias, stride, padding))
            return nhwc(F.max_pool2d(y, 2))

        family.case(f"conv2dMaxPool-{name}", "conv2dMaxPool", function, inputs, attributes)

    three, same = (3, 3), {"padding": (1, 1)}
    add("first-layer-grey", (3, 8, 10, 1), 16, three, **same, activation="relu")
    add("first-layer", (2, 9, 7, 3), 20, three, **same, activation="leakyRelu")
    add("odd-channels", (2, 5, 6, 5), 7, three, **same)
    add("middle-layer", (2, 6, 7, 16), 36, three, **same, activation="relu")
    add("stride2", (1, 11, 9, 4), 8, (2, 3), (2, 1), (0, 1), bias=False)
    add("one-window", (2, 4, 4, 2), 4, three)


def conv_transpose2d(family):
    def add(name, x, out, kernel, stride=(1, 1), padding=(0, 0), output_padding=(0, 0), bias=True):
        inputs = {"x": x, "weight": (x[3], out) + kernel}
        if bias:
            inputs["bias"] = (out,)
        attributes = {"stride": stride, "padding": padding, "outputPadding": output_padding}

        def function(x, weight, bias=None):
            return nhwc(F.conv_transpose2d(nchw(x), weight, bias, stride, padding, output_padding))

        family.case(f"convTranspose2d-{name}", "convTranspose2d", function, inputs, attributes)

    add("doubling", (2, 4, 5, 8), 4, (3, 3), (2, 2), (1, 1), (1, 1))
    add("doubling-no-bias", (1, 3, 3, 16), 8, (3, 3), (2, 2), (1, 1), (1, 1), bias=False)
    add("stride1", (2, 4, 4, 3), 5, (3, 3))
    add("4x4-stride2", (1, 4, 3, 5), 3, (4, 4), (2, 2), (1, 1))
    add("gaps", (1, 3, 4, 3), 2, (2, 2), (3, 3))
    add("one", (1, 1, 1, 2), 3, (3, 3), (2, 2), (1, 1), (1, 1))


def build():
    family = Family("gemm")
    matmul(family)
    linear(family)
    conv2d(family)
    conv2d_max_pool(family)
    conv_transpose2d(family)
    return family
