"""Token arrays of train and validation, with the tokenizer of the weights.

Reads: data/splits/train.parquet, data/splits/validation.parquet, the weights' tokenizer;
    data/validation/report.json (no tokens from data that breach the contract).
Writes: data/tokens (tokens.json, tokenizer.json, SPLIT.ids.npy, SPLIT.offsets.npy, SPLIT.labels.npy).
Params: tokenize, model.
"""

from pipeline import Params, Paths, main
from textmill.artifacts import atomic, iter_table, read_table, write_json
from textmill.assets import provenance, resolve
from textmill.data.tokenizer import Encoder, check_length, find_pad_id, load_tokenizer
from textmill.data.tokens import summarise, write_split


def run(params: Params, paths: Paths) -> None:
    uri = getattr(params.model, params.model.family).weights
    weights, max_length = resolve(uri), params.tokenize.max_length
    check_length(weights, max_length)
    tokenizer = load_tokenizer(weights)
    labels = sorted(read_table(paths.split("train"), ["label"])["label"].unique())
    index = {label: position for position, label in enumerate(labels)}
    splits = {}
    with atomic(paths.tokens) as folder:
        folder.mkdir()
        tokenizer.save(str(folder / "tokenizer.json"))
        for split in ("train", "validation"):
            encoder = Encoder(tokenizer, max_length)
            batches = iter_table(paths.split(split))
            encoded = ((encoder.encode(list(b["text"])), [index[label] for label in b["label"]]) for b in batches)
            write_split(folder, split, encoded, tokenizer.get_vocab_size())
            splits[split] = summarise(folder, split, encoder.counts)
        meta = {"labels": labels, "max_length": max_length, "pad_id": find_pad_id(weights)}
        meta |= {"vocabulary_size": tokenizer.get_vocab_size(), "weights": provenance(uri), "splits": splits}
        write_json(folder / "tokens.json", meta)
    train = splits["train"]
    print(
        f"tokenize: {train['num_documents']} train documents, {train['num_tokens']} tokens "
        f"(median {train['tokens_p50']:g}); {train['truncated_share']:.1%} of documents truncated, "
        f"{train['unknown_share']:.2%} of tokens unknown"
    )


if __name__ == "__main__":
    main(run)
