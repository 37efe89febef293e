"""`fit`: the training loop, in both modes.

The loop itself is `fit`; below it what one batch means in eager code and in a graph.  If you want
to see training without a helper, lesson 10 writes the same loop out.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dlgraph.core.arrays import device_of, is_array
from dlgraph.core.graph import Graph
from dlgraph.core.mode import no_grad
from dlgraph.core.node import Node
from dlgraph.core.session import Session
from dlgraph.core.state import placeholder
from dlgraph.core.tensor import Tensor
from dlgraph.errors import OperationError
from dlgraph.history import Epoch, History
from dlgraph.nn.module import Module
from dlgraph.nn.streams import named_streams
from dlgraph.ops.losses import cross_entropy
from dlgraph.ops.random import Stream
from dlgraph.ops.random import seed as seed_default
from dlgraph.optim import Adam, Optimizer, Schedule, clip_grad_norm

Function = Callable[[Any, Any], Any]  # of outputs and targets

NOT_A_NUMBER = (
    "a loss that is not a number: often the learning rate is too large; "
    "`with dg.watch(nan=True):` around it names the first operation that made one"
)


def fit(
    model: Module,
    data: Iterable[tuple[Any, Any]],
    *,
    optimizer: Optimizer | None = None,
    loss: Function = cross_entropy,
    epochs: int = 1,
    metrics: Mapping[str, Function] | None = None,
    validation: Iterable[tuple[Any, Any]] | None = None,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    patience: int | None = None,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
    seed: int | None = None,
    progress: bool = False,
    mode: str = "eager",
) -> History:
    """Train a model on batches `(x, y)`; the history of its losses and metrics.

    `data` and `validation` give pairs of arrays each time they are gone through (a `DataLoader`,
    a list).  `loss` and `metrics` are functions of outputs and targets; averages are over samples.
    Without `optimizer` it is Adam.  `schedule` makes a step after every batch.  `clip_norm` clips
    gradients.  With `patience=n`, training ends when the validation loss has not fallen for n
    epochs, and the best values are put back.  Each callback gets the `Epoch`; one that returns
    True ends training, and so does a loss that is NaN.  `seed` restarts the random streams of the
    model, the default stream and the order of a `DataLoader`.  `mode="graph"` builds a graph and
    runs it: the same numbers, bit for bit.  Batches go to the device where the model is.  Ctrl-C
    (or the stop button) ends training; the model stays as it is then.

    Raises `OperationError` for data that is not batches, and whatever model and loss raise.

    >>> import numpy as np
    >>> import dlgraph as dg
    >>> x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    >>> line = dg.nn.Linear(1, 1, rng=dg.Stream(0))
    >>> sgd = dg.optim.SGD(line.parameters(), lr=0.5)
    >>> dg.fit(line, [(x, 3 * x + 1)], optimizer=sgd, loss=dg.mse_loss, epochs=3)
    epoch 1: loss 9.6529
    epoch 2: loss 2.8254
    epoch 3: loss 0.9226
    """
    _check(epochs, patience, validation, mode)
    _check_parts(model, optimizer, loss, metrics, schedule, callbacks)
    optimizer = Adam(model.parameters()) if optimizer is None else optimizer
    if seed is not None:
        _restart(model, data, seed)
    steps = (EagerSteps if mode == "eager" else GraphSteps)(
        model, loss, dict(metrics or {}), optimizer, clip_norm
    )
    history, best, best_values, waited = History(), float("inf"), None, 0
    modes = [(module, module.training) for module in model.modules()]
    try:
        for number in range(1, epochs + 1):
            started, rate = time.perf_counter(), optimizer.lr
            title = f"epoch {number}/{epochs}" if progress else None
            train = _average(steps.train, model.train(), data, title, schedule)
            test = {} if validation is None else _average(steps.test, model.eval(), validation)
            took = time.perf_counter() - started
            history.append(Epoch(number, train, test, rate, took, model, optimizer))
            if any([callback(history[-1]) is True for callback in callbacks]):
                history.ended = "a callback"
                break
            if math.isnan(train["loss"]):  # the weights are NaN as well, and stay so
                history.ended = NOT_A_NUMBER
                break
            if patience is not None and test["loss"] < best:
                best, best_values, waited = test["loss"], model.state_dict(), 0
            elif patience is not None:
                waited += 1
                if waited >= patience:
                    history.ended = "early stopping"
                    break
    except KeyboardInterrupt:
        history.ended = "interruption"
    finally:
        for module, training in modes:
            module.training = training
    if best_values is not None and history.ended != "interruption":
        model.load_state_dict(best_values)
    return history


def _check(epochs: Any, patience: Any, validation: Any, mode: str) -> None:
    for name, value in (("epochs", epochs), ("patience", patience)):
        if value is not None and (type(value) is not int or value < 1):
            raise OperationError(f"fit({name}={value!r}): a whole number of at least 1 is needed")
    if patience is not None and validation is None:
        raise OperationError("fit(patience=...) watches the validation loss: pass validation=")
    if mode not in ("eager", "graph"):
        raise OperationError(f"fit(mode={mode!r}): the modes are 'eager' and 'graph'")


def _check_parts(
    model: Any, optimizer: Any, loss: Any, metrics: Any, schedule: Any, callbacks: Any
) -> None:
    if not isinstance(model, Module):
        made = isinstance(model, type)
        raise OperationError(
            f"fit: the model is {'the class' if made else 'a'} "
            f"{(model if made else type(model)).__name__}, not a dg.nn.Module",
            hint=f"make one, with brackets: {model.__name__}(...)" if made else "fit(model, data)",
        )

    def refuse(name: str, value: Any, needed: str) -> None:
        raise OperationError(f"fit({name}={value!r}): {needed}")

    if not isinstance(optimizer, (Optimizer, type(None))):
        refuse("optimizer", optimizer, "an Optimizer is needed, dg.optim.Adam(model.parameters())")
    if not isinstance(schedule, (Schedule, type(None))):
        refuse("schedule", schedule, "a Schedule is needed, dg.optim.Schedule(optimizer, factor)")
    if not callable(loss):
        refuse("loss", loss, "a function of outputs and targets is needed, dg.mse_loss")
    named = metrics or {}
    if not isinstance(named, Mapping) or not all(map(callable, named.values())):
        refuse("metrics", metrics, 'a dictionary of functions is needed, {"right": dg.accuracy}')
    if "loss" in named:
        refuse("metrics", metrics, "the name 'loss' is taken by the loss itself")
    if not isinstance(callbacks, Iterable) or not all(map(callable, callbacks)):
        refuse("callbacks", callbacks, "a list of functions is needed, [function]")
    held = None if optimizer is None else optimizer.parameters
    if held is not None and not {id(p) for p in held} & {id(p) for p in model.parameters()}:
        raise OperationError(
            "fit: the optimizer trains none of the model's parameters",
            hint="was the model made anew since? Make the optimizer again, from its parameters()",
        )


def _restart(model: Module, data: Any, seed: int) -> None:
    seed_default(seed)
    source = Stream(seed)
    for _, stream in named_streams(model):
        stream.restore(source.split().state())
    if hasattr(data, "seed") and hasattr(data, "epoch"):
        data.seed, data.epoch = seed, 0


def _average(
    step: Callable[[Any, Any], dict[str, Any]],
    model: Module,
    data: Iterable[tuple[Any, Any]],
    title: str | None = None,
    schedule: Schedule | None = None,
) -> dict[str, float]:
    """One pass over the data; the average of every number over the samples."""
    totals: dict[str, float] = {}
    samples = 0
    for x, y in _batches(data, title):
        count = len(x)
        samples += count
        for name, value in step(x, y).items():
            totals[name] = totals.get(name, 0.0) + float(value) * count
        if schedule is not None:
            schedule.step()
    if not samples:
        raise OperationError(
            "fit: the data gave no batches",
            hint="a generator can be gone through once; pass a DataLoader or a list",
        )
    return {name: total / samples for name, total in totals.items()}


def _batches(data: Iterable[Any], title: str | None) -> Iterator[tuple[Any, Any]]:
    if title is None:
        shown: Any = contextlib.nullcontext()
    else:
        from dlgraph.data.progress import bar

        shown = bar(title, len(data) if hasattr(data, "__len__") else None)  # type: ignore[arg-type]
    with shown:
        for batch in _each(data):
            if not isinstance(batch, (tuple, list)) or len(batch) != 2 or not _rows(batch[0]):
                raise _not_batches(f"gives a {type(batch).__name__}")
            yield batch[0], batch[1]
            if title is not None:
                shown.update()


def _each(data: Any) -> Iterator[Any]:
    try:
        return iter(data)
    except TypeError:
        raise _not_batches(f"is a {type(data).__name__}") from None


def _not_batches(what: str) -> OperationError:
    return OperationError(
        f"fit: the data {what}, not batches (x, y)",
        hint="dg.data.DataLoader(x, y, batch_size=32) makes batches of arrays",
    )


def _rows(x: Any) -> int:
    return len(x) if getattr(x, "shape", ()) else 0


class EagerSteps:
    """What a batch does, computed at once."""

    def __init__(
        self,
        model: Module,
        loss: Function,
        metrics: dict[str, Function],
        optimizer: Optimizer,
        clip_norm: float | None,
    ):
        self.model, self.loss, self.metrics = model, loss, metrics
        self.optimizer, self.clip_norm = optimizer, clip_norm
        held = [p._data for p in model.parameters() if p._data is not None]
        self.device = device_of(held[0]) if held else "cpu"

    def _tensor(self, value: Any) -> Tensor:
        # A batch goes where the model is.
        return Tensor(value) if self.device == "cpu" else Tensor(value).to(self.device)

    def train(self, x: Any, y: Any) -> dict[str, Any]:
        """One step of the optimiser."""
        y = self._tensor(y)
        outputs = self.model(self._tensor(x))
        loss = self._loss(outputs, y)
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip_norm is not None:
            clip_grad_norm(self.optimizer.parameters or (), self.clip_norm)
        self.optimizer.step()
        return self._numbers(loss, outputs, y)

    def test(self, x: Any, y: Any) -> dict[str, Any]:
        """The numbers alone."""
        y = self._tensor(y)
        with no_grad():
            outputs = self.model(self._tensor(x))
            return self._numbers(self.loss(outputs, y), outputs, y)

    def _loss(self, outputs: Any, y: Any) -> Any:
        loss = self.loss(outputs, y)
        if not isinstance(loss, (Tensor, Node)):
            raise OperationError(
                f"fit: the loss function returned a {type(loss).__name__}, not a tensor",
                hint="compute with dg to the end, dg.mse_loss(outputs, targets): "
                ".item(), float() and NumPy cut off the gradients",
            )
        return loss

    def _numbers(self, loss: Any, outputs: Any, y: Any) -> dict[str, Any]:
        with no_grad():
            return {"loss": loss, **{n: metric(outputs, y) for n, metric in self.metrics.items()}}


class GraphSteps(EagerSteps):
    """The same as nodes: written down at the first batch, run for every batch."""

    session: Session | None = None

    def _build(self, x: Any, y: Any) -> None:
        graph = Graph("training")
        with graph.as_default():
            self.x, self.y = (
                # Any number of samples; one number for all of them has no axis.
                placeholder((None, *value.shape[1:]) if value.shape else (), value.dtype, name=name)
                for name, value in (("x", x), ("y", y))
            )
            outputs = self.model(self.x)
            loss = self._loss(outputs, self.y)
            self.numbers = self._numbers(loss, outputs, self.y)
            self._check_metrics()
            # What layers do on the side, such as running statistics.
            effects = [n for n in graph.nodes if n.primitive.effect]
            self.update = self.optimizer.minimize(loss, clip_norm=self.clip_norm)
        self.effects = effects
        self.session = Session(graph, device=self.device)
        self.session.run(graph.startup)
        self.tests = Session(graph.clone(for_test=True), device=self.device)

    def _check_metrics(self) -> None:
        for name, value in self.numbers.items():
            if not isinstance(value, Node):
                raise OperationError(
                    f"fit: the metric {name!r} returned a {type(value).__name__}, not a node",
                    hint='compute with dg to the end, or use mode="eager"',
                )

    def train(self, x: Any, y: Any) -> dict[str, Any]:
        """One step of the optimiser."""
        x, y = _array(x), _array(y)
        if self.session is None:
            self._build(x, y)
        fetches = [self.numbers, self.effects, self.update]
        return self.session.run(fetches, {self.x: x, self.y: y})[0]  # type: ignore[union-attr]

    def test(self, x: Any, y: Any) -> dict[str, Any]:
        """The numbers alone."""
        return self.tests.run(self.numbers, {self.x: _array(x), self.y: _array(y)})


def _array(value: Any) -> Any:
    """Lists, tables of pandas and their kin as the tensors that eager code makes of them."""
    return value if isinstance(value, Tensor) or is_array(value) else Tensor(value)
