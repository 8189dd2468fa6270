"""A policy for each class."""

from torch import nn

from ..policy import Policy
from .fixed import PolicyAugmentation


class ClasswiseAugmentation(PolicyAugmentation):
    """Augment each training example with the policy of its class [1]_.

    Labels are known in training only. Without them each example is augmented with the policy of a
    class drawn by frequency, and so are the copies that predictions are averaged over.

    Parameters
    ----------
    policies : dict of label to Policy
        One policy for each class; sorted by label, they are in the order of encoded labels.
    weights : dict of label to float | None
        Frequencies of the classes, which sum to one; None for equal ones.
    random_state : int | None
        Seed of all draws.

    References
    ----------
    .. [1] Rommel, C., Moreau, T., Paillard, J., & Gramfort, A. (2022). CADDA: class-wise automatic
       differentiable data augmentation for EEG signals. ICLR.

    Examples
    --------
    >>> import torch
    >>> from eeginv import Policy
    >>> from eeginv.augmentation import ClasswiseAugmentation
    >>> from eeginv.policy import PolicyEntry
    >>> never, always = (
    ...     Policy([PolicyEntry("SignFlip", p, binary=True, config={"max_probability": 1.0})])
    ...     for p in (0.0, 1.0)
    ... )
    >>> augmentation = ClasswiseAugmentation({"rest": never, "task": always}, random_state=0)
    >>> X, labels = torch.ones(3, 1, 1), torch.tensor([0, 1, 1])
    >>> augmentation.sample(X, labels=labels)[0].flatten()
    tensor([ 1., -1., -1.])
    """

    # training loops give the labels of the batch to what has this attribute
    takes_labels = True

    def __init__(self, policies, weights=None, random_state=None):
        policies = dict(policies)
        if len(policies) < 2:
            raise ValueError(
                f"Expected policies for two or more classes, got {len(policies)}; one policy for "
                "all is a PolicyAugmentation."
            )
        labels = sorted(policies)
        if weights is not None and sorted(weights) != labels:
            raise ValueError(f"Expected weights for {labels}, got them for {sorted(weights)}.")
        mixture = Policy.mixture(
            [policies[label] for label in labels],
            None if weights is None else [weights[label] for label in labels],
        )
        super().__init__(mixture, random_state)
        self.policies, self.weights = policies, None if weights is None else dict(weights)
        # their draws come from the stream of the whole
        self.members = nn.ModuleList(
            PolicyAugmentation(policies[label], random_state=0) for label in labels
        )

    def sample(self, X, generator=None, undo=None, labels=None):
        """Transform each example by draws of its own.

        Parameters
        ----------
        X : Tensor, shape (n_examples, n_channels, n_times)
            Signals.
        generator : torch.Generator | None
            Source of randomness; None takes the next one of the object's own stream.
        undo : Undo | None
            Takes down what moves the examples in time.
        labels : Tensor of int, shape (n_examples,), or None
            Encoded labels: 0 for the first class in sorted order. None draws a class for each
            example.

        Returns
        -------
        X_transformed : Tensor, same shape, dtype and device as X
            The transformed signals.
        log_prob : Tensor, shape (n_examples,)
            Log-probability of the discrete draws.
        """
        if labels is None:
            return super().sample(X, generator, undo)
        if labels.shape != (len(X),):
            raise ValueError(
                f"Expected one label for each of {len(X)} examples, got labels of shape "
                f"{tuple(labels.shape)}."
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.members):
            raise ValueError(
                f"Encoded labels go from 0 to {len(self.members) - 1}, for the classes "
                f"{sorted(self.policies)}; got {labels.min()} to {labels.max()}."
            )
        if generator is None:
            generator = self.stream.advance(X.device)
        transformed, log_prob = X.clone(), X.new_zeros(len(X))
        for label, member in enumerate(self.members):
            rows = (labels == label).nonzero()[:, 0]
            if len(rows):
                part = None if undo is None else undo.part(rows)
                transformed[rows], log_prob[rows] = member.sample(X[rows], generator, part)
        return transformed, log_prob
