"""The tape, operations on it, and reverse mode. To be read in this order:

    primitive.py            what an operation is: a forward on arrays, beside it one vjp per argument, on tensors
    call.py                 how it is called: asks what it is given, computes, records
    tape.py                 what is recorded: a node per value
    backward.py             reverse mode: one pass over the nodes, the youngest first
    transforms.py           functions of functions: vjp, jvp, jacobian, hessian

What makes it safe:

    settled.py              what an operation does where it is given something unusual
    arguments.py            what it may be given, and what it makes of it
    guard.py                an array that changed after it was recorded is found
    anomaly.py              the first NaN or infinity is named

What saves time and memory:

    pull.py                 the gradients of a small array, rule by rule, written out as a call is
    written.py              ... and how: from a text to a function
    operators.py            `a * b` and `a.tanh()` as calls with nothing in between
    room.py                 gradients that may be written over
    tracing.py, fusion.py   a chain of operations as one pass over memory
    large.py                the same for the arithmetic on one large array
    mixed_precision.py      bfloat16
    checkpoint.py           values that are computed again and not kept

And a picture: draw.py.
"""
