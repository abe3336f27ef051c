"""Labels that the baseline's out-of-fold answers doubt.

Reads: data/splits/train.parquet, data/out_of_fold.parquet.
Writes: data/audit/label_issues.parquet (rank, id, text, label, suggested, self_confidence, confidence),
    data/audit/summary.json (counts).
Params: task.
"""

from pipeline import Params, Paths, main
from textmill.artifacts import iter_table, read_table, write_json, write_table
from textmill.baseline.label_audit import LABEL_ISSUES, add_texts, find_issues, summarise_issues


def run(params: Params, paths: Paths) -> None:
    out_of_fold = read_table(paths.out_of_fold)
    issues = find_issues(out_of_fold, params.task)
    summary = summarise_issues(issues, out_of_fold, params.task)
    write_table(paths.label_issues, add_texts(issues, iter_table(paths.split("train"))), LABEL_ISSUES)
    write_json(paths.label_audit, summary)
    agrees = f"agrees with {summary['agreement']:.1%} of all labels"
    if params.task == "regression":
        agrees = f"explains {summary['agreement']:.1%} of the variance"
    print(
        f"audit: {summary['num_issues']} of {summary['num_documents']} labels are doubtful ({summary['share']:.1%}); "
        f"the baseline {agrees}"
    )


if __name__ == "__main__":
    main(run)
