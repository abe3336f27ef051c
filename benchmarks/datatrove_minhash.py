"""datatrove's four MinHash stages on a folder of Parquet files; run by bench_data in an environment of its own.

python benchmarks/datatrove_minhash.py INPUT OUTPUT NUM_WORKERS NGRAM
Prints the seconds that the four stages took; OUTPUT/removed has the documents that were taken out.
"""

import sys
import time
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import JsonlWriter


def main(source: str, output: str, num_workers: int, ngram: int) -> None:
    config = MinhashConfig(n_grams=ngram)  # its own defaults otherwise: 14 buckets of 8 hashes

    def reader() -> ParquetReader:
        return ParquetReader(source, text_key="text", id_key="number", batch_size=1000)

    signatures, buckets, clusters = (f"{output}/{name}" for name in ("signatures", "buckets", "clusters"))
    stages = [
        ([reader(), MinhashDedupSignature(signatures, config)], num_workers),
        ([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),
        ([MinhashDedupCluster(buckets, clusters, config=config)], 1),
        (
            [
                reader(),
                MinhashDedupFilter(clusters, exclusion_writer=JsonlWriter(f"{output}/removed", compression=None)),
                JsonlWriter(f"{output}/kept", compression=None),
            ],
            num_workers,
        ),
    ]
    start = time.perf_counter()
    for number, (steps, num_tasks) in enumerate(stages):
        logs = str(Path(output) / f"logs{number}")
        workers = min(num_workers, num_tasks)
        LocalPipelineExecutor(pipeline=steps, tasks=num_tasks, workers=workers, logging_dir=logs).run()
    print(f"seconds {time.perf_counter() - start:.2f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
