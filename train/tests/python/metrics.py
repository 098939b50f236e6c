"""Computes the metrics of galmorph-train with scikit-learn and scipy.

usage: metrics.py INPUT OUTPUT

INPUT is a JSON list of cases: `truth` holds the class ids of the images, `probabilities` the averaged
answer to each, `views` the outputs for each view of each, `others` the labels of another model. OUTPUT is the list of what they come to; a
value that is undefined is null.
"""

import json
import sys
import warnings

import numpy as np
from scipy import stats
from scipy.optimize import minimize, minimize_scalar
from sklearn import metrics

CLASSES = list(range(5))
BINS = 15


def undefined(value):
    """A number, or null."""
    return None if np.isnan(value) else float(value)


def calibration_error(truth, probabilities):
    """Guo et al. 2017, equation 3, with the bins ((m - 1) / M, m / M]."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)
    gaps = [
        abs(right[bins == bin].mean() - confidence[bins == bin].mean()) * (bins == bin).mean()
        for bin in np.unique(bins)
    ]
    return float(sum(gaps))


def softened(views, temperature):
    """Each view at the temperature, then the mean over the views."""
    powers = views ** (1 / temperature)
    return (powers / powers.sum(axis=2, keepdims=True)).mean(axis=1)


def temperature(truth, views):
    """The temperature of the least log loss, and that loss."""

    def loss(log):
        return metrics.log_loss(truth, softened(views, np.exp(log)), labels=CLASSES)

    grid = np.linspace(-np.log(20), np.log(20), 101)
    best = int(np.argmin([loss(log) for log in grid]))
    if best in (0, len(grid) - 1):
        return None, None
    found = minimize_scalar(
        loss, bounds=(grid[best - 1], grid[best + 1]), method="bounded", options={"xatol": 1e-9}
    )
    return float(np.exp(found.x)), float(found.fun)


def biased(truth, views):
    """The least mean log loss with a temperature and biases, each bias b counting b^2 / 2 once."""
    if min(np.bincount(truth, minlength=5)) < 10:
        return None
    logs = np.log(views)

    def loss(parameters):
        bias = np.append(parameters[1:], 0)
        logits = parameters[0] * logs + bias
        softmax = np.exp(logits - logits.max(axis=2, keepdims=True))
        mean = (softmax / softmax.sum(axis=2, keepdims=True)).mean(axis=1)
        own = np.maximum(mean[np.arange(len(truth)), truth], np.finfo(np.float64).eps)
        return -np.log(own).mean() + (bias**2).sum() / 2 / len(truth)

    found = minimize(loss, [1, 0, 0, 0, 0], method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9})
    return float(found.fun) if 1 / 20 <= found.x[0] <= 20 else None


def against_rest(truth, scores):
    """AUC and all points of the ROC curve."""
    if truth.all() or not truth.any():
        return {"auc": None, "false_positive_rate": [], "true_positive_rate": []}
    false, true, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    return {
        "auc": float(metrics.roc_auc_score(truth, scores)),
        "false_positive_rate": false.tolist(),
        "true_positive_rate": true.tolist(),
    }


def conformal(truth, probabilities):
    """Thresholds of the least probability: for all classes together, then for each."""
    label = probabilities.argmax(axis=1)
    nonconformity = np.where(label == truth, 0, 1 - probabilities[np.arange(len(truth)), truth])

    def threshold(scores, coverage):
        level = np.ceil(round((len(scores) + 1) * coverage, 9)) / max(len(scores), 1)
        # A little less, or rounding may make it the next score.
        level -= 1e-9
        return float(1 - np.quantile(scores, level, method="inverted_cdf")) if level <= 1 and len(scores) else 0.0

    return [
        [threshold(nonconformity, coverage)] + [threshold(nonconformity[truth == c], coverage) for c in CLASSES]
        for coverage in (0.9, 0.95, 0.98, 0.99, 0.995)
    ]


def purest(truth, scores, wanted):
    """The lowest threshold whose sample has this precision, and in which a galaxy may be wrong."""
    if not truth.any():
        return None
    precision, _, thresholds = metrics.precision_recall_curve(truth, scores)
    selected = (scores >= thresholds[:, None]).sum(axis=1)
    reached = thresholds[(precision[:-1] >= wanted) & (selected * (1 - wanted) >= 1 - 1e-9)]
    return float(reached.min()) if reached.size else None


def perfect(probabilities):
    """The calibration error that these confidences would have if they were right: mean and 95 % range."""
    random = np.random.default_rng(1)
    confidence = probabilities.max(axis=1)
    bins = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)
    right = random.random((5000, len(confidence))) < confidence
    gaps = [np.abs((right - confidence)[:, bins == bin].sum(axis=1)) for bin in np.unique(bins)]
    errors = np.sum(gaps, axis=0) / len(confidence)
    return [float(errors.mean()), *map(float, np.quantile(errors, [0.025, 0.975]))]


def pair(right, other):
    """McNemar's exact test, and the difference of the accuracies."""
    only = [int((right & ~other).sum()), int((other & ~right).sum())]
    p_value = stats.binomtest(only[0], sum(only), 0.5).pvalue if sum(only) else 1.0
    return {
        "only": only,
        "difference": float(right.mean() - other.mean()),
        "p_value": float(p_value),
    }


def paired(truth, label, others):
    right, other = label == truth, others == truth
    per_class = [pair(right[truth == c], other[truth == c]) if (truth == c).any() else None for c in CLASSES]
    recall = [metrics.recall_score(truth, of, labels=np.unique(truth), average="macro") for of in (label, others)]
    interval = [0.0, 0.0]
    if (right != other).any():
        sample = (right.astype(float) - other,)
        draws = stats.bootstrap(sample, np.mean, n_resamples=20000, method="percentile", rng=1)
        interval = [draws.confidence_interval.low, draws.confidence_interval.high]
    return {
        "all": pair(right, other),
        "per_class": per_class,
        "mean_recall": float(recall[0] - recall[1]),
        "interval": interval,
    }


def measure(case):
    truth = np.array(case["truth"])
    # The values are 32-bit numbers; the arithmetic is in 64 bits.
    probabilities = np.array(case["probabilities"], dtype=np.float32).astype(np.float64)
    views = np.array(case["views"], dtype=np.float32).astype(np.float64)
    label = probabilities.argmax(axis=1)
    options = {"labels": CLASSES, "zero_division": np.nan}
    per_class = metrics.precision_recall_fscore_support(truth, label, **options)
    weighted = metrics.precision_recall_fscore_support(truth, label, average="weighted", **options)
    best_temperature, least_loss = temperature(truth, views)
    return {
        "accuracy": float(metrics.accuracy_score(truth, label)),
        "precision": [undefined(value) for value in per_class[0]],
        "recall": [undefined(value) for value in per_class[1]],
        "f1": [undefined(value) for value in per_class[2]],
        "support": per_class[3].tolist(),
        "weighted": [undefined(value) for value in weighted[:3]],
        "confusion": metrics.confusion_matrix(truth, label, labels=CLASSES).tolist(),
        "against_rest": [against_rest(truth == c, probabilities[:, c]) for c in CLASSES],
        "log_loss": float(metrics.log_loss(truth, probabilities, labels=CLASSES)),
        "brier_score": float(
            metrics.brier_score_loss(truth, probabilities, labels=CLASSES, scale_by_half=False)
        ),
        "calibration_error": calibration_error(truth, probabilities),
        "temperature": best_temperature,
        "least_log_loss": least_loss,
        "conformal": conformal(truth, probabilities),
        "purest": [[purest(truth == c, probabilities[:, c], w) for w in (0.6, 0.9, 0.98)] for c in CLASSES],
        "perfect": perfect(probabilities),
        "biased": biased(truth, views),
        "paired": paired(truth, label, np.array(case["others"])),
    }


input_path, output_path = sys.argv[1:]
# That 32-bit probabilities do not sum to one to 64 bits is known, and absent classes are meant.
warnings.simplefilter("ignore")
with open(input_path, encoding="utf-8") as file:
    cases = json.load(file)
with open(output_path, "w", encoding="utf-8") as file:
    json.dump([measure(case) for case in cases], file)
