"""The sections of params.yaml about data: from the source to tokens."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from textmill.config.base import Count, Fraction, Section, Share
from textmill.paths import SPLITS


def _check_column(value: Any) -> Any:
    named = isinstance(value, str) and bool(value)
    if not named and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ValueError("a column is its name, or its position from 0")
    return value


Uri = Annotated[str, Field(min_length=1)]
Column = Annotated[str | int, BeforeValidator(_check_column)]


class SplitSources(Section):
    """A source for each split that is given."""

    train: Uri = Field(description="Documents to learn from; validation and test are cut from it if they are null.")
    validation: Uri | None = Field(description="Documents of the validation split, or null.")
    test: Uri | None = Field(description="Documents of the test split, kept as they are, or null.")


class Data(Section):
    source: Annotated[
        Annotated[Uri, Tag("one")] | Annotated[SplitSources, Tag("each")],
        Discriminator(lambda value: "one" if isinstance(value, str) else "each"),
    ] = Field(
        description="Where the labelled texts are: a file, a glob such as data/inputs/part-*.csv.gz, a folder, "
        "package://DISTRIBUTION@VERSION/PATH for files of an installed distribution, hf://datasets/NAME@REVISION, or "
        "a mapping of train, validation and test to one of these each (validation and test may be null)."
    )
    watch: str = Field(
        min_length=1,
        description="The local path whose content makes ingest run again; a local source and local weights lie in it, "
        "and nothing that the pipeline writes.",
    )
    where: str | None = Field(
        description="A pandas query over the source's columns that picks the rows to use; null takes all. It sees "
        "some thousand rows at a time, so that mean, quantile or duplicated are not those of the whole; `index` "
        "is the number of the row, from 0."
    )
    header: bool = Field(
        description="Whether the first line of CSV and TSV names the columns; without, they are named by position."
    )
    text: Column = Field(description="The column with the text: its name, or its position from 0.")
    label: Column = Field(description="The column with the label: its name, or its position from 0.")
    label_separator: str = Field(
        min_length=1,
        description="What stands between the labels of a document, for task: multi_label. An empty field has none.",
    )
    split: Column | None = Field(
        description="The column that says train, validation (also valid, val, dev) or test of each row, or null."
    )
    group: Column | None = Field(
        description="The column whose equal values stay in one split, such as an author, or null."
    )
    time: Column | None = Field(
        description="The column with a date or a number that split.method time goes by, or null."
    )
    slices: list[Column] = Field(description="Columns that are kept, to evaluate by.")
    label_corrections: str | None = Field(
        description="A CSV that `textmill labels review` wrote and you filled in: it replaces labels; or null."
    )

    @property
    def sources(self) -> dict[str | None, str]:
        """The source of each given split; of all documents under None where there is but one source."""
        if isinstance(self.source, str):
            return {None: self.source}
        return {name: uri for name in SPLITS if (uri := getattr(self.source, name)) is not None}

    @field_validator("slices")
    @classmethod
    def _slices_have_names_of_their_own(cls, slices: list[Column]) -> list[Column]:
        """The evaluation has slices of its own by these names."""
        if taken := [column for column in slices if column in ("label", "length", "predicted", "word")]:
            raise ValueError(
                f"a column that is called {' or '.join(map(repr, taken))} cannot be told from the slices by "
                "label, length, prediction and word that the evaluation makes itself: rename it in the data"
            )
        return slices

    @model_validator(mode="after")
    def _split_is_said_once(self) -> "Data":
        if self.split is not None and not isinstance(self.source, str):
            raise ValueError("split names a column, but source already gives each split a source of its own: drop one")
        return self


class RareLabels(Section):
    min_documents: Count = Field(description="A label with fewer documents after cleaning is rare; 1 makes none rare.")
    action: Literal["quarantine", "merge", "error"] = Field(
        description="What becomes of documents with a rare label; merge renames the label."
    )
    merge_into: str | None = Field(description="The label that rare ones become with merge, such as other; else null.")

    @model_validator(mode="after")
    def _merge_has_a_name(self) -> "RareLabels":
        if (self.action == "merge") != bool(self.merge_into):
            raise ValueError("merge_into must name a label with action merge, and be null with the others")
        return self


class NearDuplicates(Section):
    action: Literal["quarantine", "group", "ignore"] = Field(
        description="Keep one of each cluster, or keep all but in one split (group), or do not look for them."
    )
    threshold: Share = Field(description="Jaccard similarity of word n-grams from which two texts are near duplicates.")
    ngram: int = Field(ge=1, le=10, description="Words of an n-gram.")
    num_hashes: int = Field(
        ge=16, le=128, multiple_of=16, description="Length of a MinHash signature; memory grows with it."
    )


class Clean(Section):
    labels: dict[str, str] | None = Field(
        description="Label as found: label to use. Several may share one (aliases); a label that is not "
        "listed goes to quarantine. null takes labels as they are."
    )
    label_case: Literal["keep", "lower"] = Field(description="Lower-case labels, so that Spam and spam are one.")
    repair_unicode: bool = Field(description="Mend mojibake and broken Unicode (ftfy), normalise to NFC.")
    html_to_text: bool = Field(description="Drop HTML tags and decode entities.")
    remove_control: bool = Field(description="Drop control and invisible formatting characters.")
    collapse_whitespace: bool = Field(description="Make any run of white space one space, and trim.")
    lowercase: bool = Field(description="Lower-case texts.")
    mask_urls: bool = Field(description="Replace web addresses by `<url>`.")
    mask_emails: bool = Field(description="Replace e-mail addresses by `<email>`.")
    mask_numbers: bool = Field(description="Replace numbers by `<number>`.")
    min_characters: Count = Field(description="Shorter cleaned texts go to quarantine, in characters.")
    max_characters: Count = Field(description="Longer cleaned texts go to quarantine, in characters.")
    rare_labels: RareLabels
    exact_duplicates: bool = Field(
        description="Keep one of texts that are equal but for case and white space; conflicting labels go."
    )
    near_duplicates: NearDuplicates

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_text(cls, labels: Any) -> Any:
        if not isinstance(labels, dict):
            return labels
        texts = {_as_label(key, key): _as_label(key, value) for key, value in labels.items()}
        if len(texts) < len(labels):
            raise ValueError(f"a label is listed twice, once in quotes: {', '.join(map(repr, labels))}")
        return texts

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "Clean":
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"min_characters ({self.min_characters}) must not exceed max_characters ({self.max_characters})"
            )
        return self


def _as_label(key: Any, value: Any) -> str:
    """A key or value of `labels` as text: YAML reads `0: negative` as an integer, `True: yes` as a truth value."""
    if not isinstance(value, (str, int, float)) or not str(value).strip():
        raise ValueError(f"the entry of {key!r} holds {value!r}, but a label is a text, a number or true or false")
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


class Split(Section):
    train: Share = Field(description="Share of the documents to learn from.")
    validation: Share = Field(description="Share that decides trials, epochs, temperature and selection.")
    test: Share = Field(description="Share that decides nothing before the gate.")
    method: Literal["stratified", "time"] = Field(
        description="By a stable hash within each class, or by data.time: the oldest train, the newest test."
    )
    num_folds: int = Field(
        ge=2, le=20, description="Folds of the train split, for out-of-fold probabilities and cross-validation."
    )

    @model_validator(mode="after")
    def _shares_add_up(self) -> "Split":
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class TrainedTokenizer(Section):
    algorithm: Literal["bpe", "wordpiece", "unigram"] = Field(
        description="Byte-level BPE, WordPiece, or Unigram, which differs in some tokens from one training to the next."
    )
    vocabulary_size: int = Field(ge=300, le=200_000, description="Most tokens, special ones included.")
    min_frequency: Count = Field(description="Fewest occurrences of a token (BPE and WordPiece).")
    lowercase: bool = Field(description="Lower-case texts before they are cut into tokens.")


class LongDocuments(Section):
    strategy: Literal["truncate", "head_tail", "windows"] = Field(
        description="What is read of a document of more than max_length tokens: its beginning, its beginning and its "
        "end, or windows of max_length tokens whose logits are averaged."
    )
    head_share: Fraction = Field(description="Share of the tokens that come from the beginning (head_tail).")
    overlap: Annotated[int, Field(ge=0)] = Field(description="Tokens that neighbouring windows share (windows).")
    max_windows: Count = Field(description="Most windows of a document; what comes after them is cut (windows).")


class Tokenize(Section):
    max_length: int = Field(
        ge=8, le=8192, description="Tokens kept of a document, or of a window of it, special tokens included."
    )
    long_documents: LongDocuments
    tokenizer: Literal["weights", "trained"] = Field(
        description="The tokenizer of the weights, or one that is trained on the train split."
    )
    trained: TrainedTokenizer

    @model_validator(mode="after")
    def _windows_move_on(self) -> "Tokenize":
        if self.long_documents.strategy == "windows" and self.long_documents.overlap > self.max_length // 2:
            raise ValueError(
                f"long_documents.overlap ({self.long_documents.overlap}) must be at most half of max_length "
                f"({self.max_length})"
            )
        return self
