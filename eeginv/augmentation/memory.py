"""What learning remembers of the batches before, saved with the model."""

from torch import nn


class Memory(nn.Module):
    """Tensors that training fills, empty at first.

    They are part of ``state_dict`` once there is something in them, so that a training that is
    resumed goes on as if it had not been interrupted. A state without them, of a model that was
    saved before there was anything to remember, empties them.
    """

    _kept = ()

    def __init__(self):
        super().__init__()
        for name in self._kept:
            self.register_buffer(name, None)

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        # torch's own would ask for the same names and shapes as there are now
        for name in self._kept:
            value = state_dict.get(prefix + name)
            setattr(self, name, None if value is None else value.detach().clone())
