"""A linear model for each task: logistic regression, one for each label, or ridge regression.

Shapes: N documents, F features, C outputs, K rows of coefficients: C, or 1 for two classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from textmill.baseline.truth import Truth

_MAX_ITERATIONS = 2000  # of L-BFGS; a few dozen are usual
_RIDGE_TOLERANCE = 1e-6
HALVES = np.array([-0.5, 0.5])


@dataclass(frozen=True)
class Linear:
    """Coefficients [K, F] and intercepts [K]; one row for two classes, of which the second is the positive one."""

    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    has_two_classes: bool

    def logits(self, features_NF: csr_matrix) -> NDArray[np.float64]:
        """Logits [N, C]: their softmax is scikit-learn's `predict_proba` (two classes get [-z/2, z/2]), or their
        sigmoid each label's, or they are standardised numbers.
        """
        decision_NK = features_NF @ self.coefficients.T + self.intercepts
        return np.asarray(decision_NK * HALVES if self.has_two_classes else decision_NK)


def fit_linear(features_NF: csr_matrix, truth: Truth, regularisation: float) -> Linear:
    """Fit the task's model; the same input gives the same model.

    Args:
        regularisation: inverse strength C of the L2 penalty; 1 / C is ridge regression's alpha.
    """
    with threadpool_limits(1):  # L-BFGS works on short vectors: more threads only wait for each other
        if truth.task == "single_label":
            model = LogisticRegression(C=regularisation, max_iter=_MAX_ITERATIONS).fit(features_NF, truth.values)
            return Linear(model.coef_, model.intercept_, has_two_classes=len(model.coef_) == 1)
        if truth.task == "multi_label":
            rows = [_fit_label(features_NF, has_N, regularisation) for has_N in truth.values.T]
            return Linear(np.stack([row for row, _ in rows]), np.array([value for _, value in rows]), False)
        # scikit-learn's choice for sparse features with an intercept, but to the last digits of float32
        ridge = Ridge(alpha=1 / regularisation, solver="sparse_cg", tol=_RIDGE_TOLERANCE).fit(features_NF, truth.values)
        return Linear(ridge.coef_[None], np.array([ridge.intercept_]), False)


def _fit_label(
    features_NF: csr_matrix, has_N: NDArray[np.int8], regularisation: float
) -> tuple[NDArray[np.float64], float]:
    """Coefficients and intercept of one label against its absence.

    Where all documents have it, or none, there is nothing to learn but that: the intercept gives the probability
    (k + 1) / (N + 2) that Laplace's rule of succession does.
    """
    num_having, num_documents = int(has_N.sum()), len(has_N)
    if num_having in (0, num_documents):
        return np.zeros(features_NF.shape[1]), float(np.log((num_having + 1) / (num_documents - num_having + 1)))
    model = LogisticRegression(C=regularisation, max_iter=_MAX_ITERATIONS).fit(features_NF, has_N)
    return model.coef_[0], float(model.intercept_[0])
