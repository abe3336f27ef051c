"""Register `full` and the chosen variant as linked versions, past the gate, with their evidence.

A side effect on the MLflow registry, and treated as one: the same bytes are the same version, all under
a lock, and inside a DVC experiment no alias moves. A refusal by the gate is a result, not a failure.

Reads: reports/selection.json, models/NAME/bundle and reports/test/NAME of full and the chosen one,
    data/splits/train.parquet, data/splits/test.parquet
Writes: reports/registration.json
Params: project, seed, gate, register, report
"""

from pipeline import Params, Paths, main
from textmill.artifacts import read_json, read_table, write_json


def run(params: Params, paths: Paths) -> None:
    from textmill.registry import promotion, registration, versions

    chosen = read_json(paths.selection)["chosen"]
    test = read_table(paths.split("test"), ["id", "text", "label", "cluster"])
    client = versions.connect(paths, params.project)
    with versions.locked(paths):
        full = registration.register_model(client, params, paths, "full")
        candidate = registration.measured_contender(paths, client, params.project, chosen, test)
        decision = promotion.judge(client, params.project, candidate, test, registration.gate_settings(params))
        parent = None if chosen == "full" else full
        version = registration.register_model(client, params, paths, chosen, parent=parent, decision=decision)
        if not promotion.inside_experiment():
            promotion.place(client, version, decision, params.register_.auto_promote)
        record = registration.record(client, params.project, full, chosen, version, decision)
        write_json(paths.registration, record)
    other = "" if chosen == "full" else f", {chosen} is version {version.number}"
    print(f"register: full is version {full.number} of {params.project}{other}")
    print("\n".join(promotion.explain(decision)))
    champion, challenger = (record[f"{alias}_version"] or "none" for alias in ("champion", "challenger"))
    print(f"champion: version {champion}; challenger: version {challenger}")


if __name__ == "__main__":
    main(run)
